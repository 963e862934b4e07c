"""When each owner was last served, so that owners are served in turn

Revision ID: 0006
Revises: 0005
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from app.db.clock import UTCDateTime

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

TURNS = ["state", "queue", "owner", "priority", "queued_at"]


def upgrade() -> None:
    op.create_table(
        "turns",
        sa.Column("queue", sa.String(length=50), nullable=False),
        sa.Column("owner", sa.String(length=100), nullable=False),
        sa.Column("number", sa.BigInteger(), nullable=False),
        sa.Column("served_at", UTCDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("queue", "owner", name=op.f("pk_turns")),
    )

    # With all that a choice looks at, so that it reads the index alone.
    op.drop_index("ix_jobs_turns", "jobs")
    op.create_index("ix_jobs_turns", "jobs", [*TURNS, "retry_at"])


def downgrade() -> None:
    op.drop_index("ix_jobs_turns", "jobs")
    op.create_index("ix_jobs_turns", "jobs", TURNS)
    op.drop_table("turns")
