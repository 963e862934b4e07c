"""Durable parts of a stage, the run of an epoch, aliases of versions

Revision ID: 0002
Revises: 0001
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from app.db.clock import UTCDateTime

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "stage_parts",
        sa.Column("job_id", sa.String(length=40), nullable=False),
        sa.Column("stage", sa.String(length=20), nullable=False),
        sa.Column("key", sa.String(length=200), nullable=False),
        sa.Column("digest", sa.String(length=64), nullable=True),
        sa.Column("value", sa.JSON(), nullable=True),
        sa.ForeignKeyConstraint(
            ["job_id"], ["jobs.id"], name=op.f("fk_stage_parts_job_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("job_id", "stage", "key", name=op.f("pk_stage_parts")),
    )
    op.create_table(
        "aliases",
        sa.Column("model", sa.String(length=100), nullable=False),
        sa.Column("alias", sa.String(length=50), nullable=False),
        sa.Column("version_id", sa.String(length=40), nullable=False),
        sa.Column("updated_at", UTCDateTime(), nullable=False),
        sa.ForeignKeyConstraint(["model"], ["models.name"], name=op.f("fk_aliases_model")),
        sa.ForeignKeyConstraint(["version_id"], ["versions.id"], name=op.f("fk_aliases_version_id")),
        sa.PrimaryKeyConstraint("model", "alias", name=op.f("pk_aliases")),
    )
    with op.batch_alter_table("epoch_metrics") as batch:
        batch.add_column(sa.Column("run", sa.String(length=100), nullable=False, server_default=""))
        batch.drop_constraint(op.f("pk_epoch_metrics"), type_="primary")
        batch.create_primary_key(op.f("pk_epoch_metrics"), ["job_id", "stage", "run", "epoch"])
    with op.batch_alter_table("epoch_metrics") as batch:
        batch.alter_column("run", server_default=None, existing_type=sa.String(length=100))


def downgrade() -> None:
    # Of the trainings of a stage, the older code knows one.
    op.execute(
        "DELETE FROM epoch_metrics WHERE run <> (SELECT MIN(other.run) FROM epoch_metrics AS other "
        "WHERE other.job_id = epoch_metrics.job_id AND other.stage = epoch_metrics.stage)"
    )
    with op.batch_alter_table("epoch_metrics") as batch:
        batch.drop_constraint(op.f("pk_epoch_metrics"), type_="primary")
        batch.create_primary_key(op.f("pk_epoch_metrics"), ["job_id", "stage", "epoch"])
        batch.drop_column("run")
    op.drop_table("aliases")
    op.drop_table("stage_parts")
