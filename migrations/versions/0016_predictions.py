"""Whole files are predicted by jobs of their own kind, which have files

Revision ID: 0016
Revises: 0015
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None

KINDS = ("transfer", "ranking", "vector")
STAGES = ("source", "transfer", "control", "evaluate", "export", "rank", "describe")


def upgrade() -> None:
    _know("jobs", "kind", (*KINDS, "prediction"))
    _know("stages", "stage", (*STAGES, "predict"))
    op.create_table(
        "job_files",
        sa.Column("job_id", sa.String(40), nullable=False),
        sa.Column("format", sa.String(20), nullable=False),
        sa.Column("digest", sa.String(64), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("filename", sa.String(255), nullable=False),
        sa.Column("media_type", sa.String(100), nullable=False),
        sa.ForeignKeyConstraint(
            ["job_id"], ["jobs.id"], name=op.f("fk_job_files_job_id_jobs"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("job_id", "format", name=op.f("pk_job_files")),
    )
    op.create_index(op.f("ix_job_files_digest"), "job_files", ["digest"])


def downgrade() -> None:
    if op.get_bind().scalar(sa.text("SELECT count(*) FROM jobs WHERE kind = 'prediction'")):
        raise RuntimeError(
            "Expected no prediction, since the older code knows none. Received: some. Delete them, or "
            "restore the back-up from before the upgrade."
        )
    op.drop_table("job_files")
    _know("jobs", "kind", KINDS)
    _know("stages", "stage", STAGES)


def _know(table: str, column: str, words: tuple[str, ...]) -> None:
    name = op.f(f"ck_{table}_{column}_known")
    known = ", ".join(f"'{word}'" for word in words)
    with op.batch_alter_table(table) as batch:
        batch.drop_constraint(name, type_="check")
        batch.create_check_constraint(name, f"{column} IN ({known})")
