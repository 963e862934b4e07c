"""How long each job has run, and how long it may

Revision ID: 0011
Revises: 0010
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table("jobs") as table:
        table.add_column(sa.Column("ran_seconds", sa.Double(), nullable=False, server_default="0"))
        table.add_column(sa.Column("max_seconds", sa.Double(), nullable=True))


def downgrade() -> None:
    with op.batch_alter_table("jobs") as table:
        table.drop_column("max_seconds")
        table.drop_column("ran_seconds")
