"""A pretrained backbone as the source of a job

Revision ID: 0003
Revises: 0002
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

_ONE = " + ".join(
    f"(CASE WHEN {column} IS NULL THEN 0 ELSE 1 END)"
    for column in ("source_dataset_id", "source_version_id", "source_preset")
)


def upgrade() -> None:
    with op.batch_alter_table("jobs") as jobs:
        jobs.add_column(sa.Column("source_preset", sa.String(length=200), nullable=True))
        jobs.drop_constraint(op.f("ck_jobs_one_source"), type_="check")
        jobs.create_check_constraint(op.f("ck_jobs_one_source"), f"{_ONE} = 1")


def downgrade() -> None:
    op.execute("DELETE FROM jobs WHERE source_preset IS NOT NULL")
    with op.batch_alter_table("jobs") as jobs:
        jobs.drop_constraint(op.f("ck_jobs_one_source"), type_="check")
        jobs.create_check_constraint(
            op.f("ck_jobs_one_source"), "(source_dataset_id IS NULL) <> (source_version_id IS NULL)"
        )
        jobs.drop_column("source_preset")
