"""Whose turn it is, when to try again, and the checkpoint before the newest

Revision ID: 0004
Revises: 0003
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from app.db.clock import UTCDateTime

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table("jobs") as jobs:
        for name in ("kept_attempt", "retries", "priority"):
            jobs.add_column(sa.Column(name, sa.Integer(), nullable=False, server_default="0"))
        jobs.add_column(sa.Column("retry_at", UTCDateTime(timezone=True), nullable=True))
        jobs.add_column(sa.Column("queue", sa.String(length=50), nullable=False, server_default="default"))
        jobs.add_column(sa.Column("owner", sa.String(length=100), nullable=False, server_default=""))
    with op.batch_alter_table("stages") as stages:
        stages.add_column(sa.Column("checkpoint_before", sa.String(length=64), nullable=True))
    op.add_column("versions", sa.Column("deleted_at", UTCDateTime(timezone=True), nullable=True))
    op.create_index("ix_jobs_turns", "jobs", ["state", "queue", "owner", "priority", "queued_at"])


def downgrade() -> None:
    op.drop_index("ix_jobs_turns", "jobs")
    with op.batch_alter_table("versions") as versions:
        versions.drop_column("deleted_at")
    with op.batch_alter_table("stages") as stages:
        stages.drop_column("checkpoint_before")
    with op.batch_alter_table("jobs") as jobs:
        for name in ("owner", "queue", "retry_at", "priority", "retries", "kept_attempt"):
            jobs.drop_column(name)
