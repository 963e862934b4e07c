"""Which rows each version was trained or validated on, over all generations

Revision ID: 0008
Revises: 0007
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "trained_rows",
        sa.Column("version_id", sa.String(length=40), nullable=False),
        sa.Column("dataset", sa.String(length=120), nullable=False),
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("rows", sa.BigInteger(), nullable=False),
        sa.CheckConstraint("rows >= 0", name=op.f("ck_trained_rows_rows_not_negative")),
        sa.ForeignKeyConstraint(["version_id"], ["versions.id"], name=op.f("fk_trained_rows_version_id")),
        sa.PrimaryKeyConstraint("version_id", "dataset", "digest", name=op.f("pk_trained_rows")),
    )

    # Kept source networks are trained anew: of which rows they know is not written anywhere.
    op.execute("DELETE FROM source_runs")
    with op.batch_alter_table("source_runs") as table:
        table.add_column(sa.Column("rows_digest", sa.String(length=64), nullable=False))


def downgrade() -> None:
    with op.batch_alter_table("source_runs") as table:
        table.drop_column("rows_digest")
    op.drop_table("trained_rows")
