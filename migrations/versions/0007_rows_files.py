"""The part and the key of each row are kept in a file beside the data set

Data sets from before have no such file, and jobs and versions refer to them: such a database is refused.

Revision ID: 0007
Revises: 0006
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    if op.get_bind().scalar(sa.text("SELECT count(*) FROM datasets")):
        raise RuntimeError(
            "Expected a database without data sets. Received: data sets of an earlier version, whose rows "
            "have no keys, so that nothing could be proved on them. Start with an empty data folder or "
            "database, and upload the files again."
        )
    with op.batch_alter_table("datasets") as table:
        table.add_column(sa.Column("rows_digest", sa.String(length=64), nullable=False))
        table.add_column(sa.Column("rows_size", sa.BigInteger(), nullable=False))
    op.create_index(op.f("ix_datasets_rows_digest"), "datasets", ["rows_digest"])


def downgrade() -> None:
    op.drop_index(op.f("ix_datasets_rows_digest"), "datasets")
    with op.batch_alter_table("datasets") as table:
        table.drop_column("rows_size")
        table.drop_column("rows_digest")
