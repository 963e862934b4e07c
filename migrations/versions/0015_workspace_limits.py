"""Limits of a workspace of its own

Revision ID: 0015
Revises: 0014
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None

LIMITS = {
    "max_kept_bytes": sa.BigInteger(),
    "max_versions": sa.Integer(),
    "max_queued_jobs": sa.Integer(),
    "max_running_jobs": sa.Integer(),
    "max_job_seconds": sa.Double(),
}


def upgrade() -> None:
    with op.batch_alter_table("workspaces") as table:
        for name, type_ in LIMITS.items():
            table.add_column(sa.Column(name, type_, nullable=True))


def downgrade() -> None:
    with op.batch_alter_table("workspaces") as table:
        for name in LIMITS:
            table.drop_column(name)
