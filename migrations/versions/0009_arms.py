"""Every arm's model can be downloaded: which arm a file is of

Revision ID: 0009
Revises: 0008
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    arm = sa.Column("arm", sa.String(length=20), nullable=False, server_default="transfer")
    with op.batch_alter_table("artifacts") as table:
        table.add_column(arm)
        table.drop_constraint(op.f("pk_artifacts"), type_="primary")
        table.create_primary_key(op.f("pk_artifacts"), ["version_id", "arm", "format"])
    with op.batch_alter_table("artifacts") as table:
        table.alter_column("arm", server_default=None)
    op.execute("UPDATE artifacts SET arm = 'all' WHERE format = 'predictions'")


def downgrade() -> None:
    op.execute("DELETE FROM artifacts WHERE arm NOT IN ('transfer', 'all')")
    with op.batch_alter_table("artifacts") as table:
        table.drop_constraint(op.f("pk_artifacts"), type_="primary")
        table.create_primary_key(op.f("pk_artifacts"), ["version_id", "format"])
        table.drop_column("arm")
