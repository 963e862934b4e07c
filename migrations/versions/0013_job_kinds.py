"""Jobs have a kind, and inputs beside their source and target

Revision ID: 0013
Revises: 0012
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None

TRANSFER_STAGES = ("source", "transfer", "control", "evaluate", "export")
SOURCES = " + ".join(
    f"(CASE WHEN {column} IS NULL THEN 0 ELSE 1 END)"
    for column in ("source_dataset_id", "source_version_id", "source_preset")
)
TEXT = {"model": sa.String(length=100), "target_dataset_id": sa.String(length=40)}


def upgrade() -> None:
    with op.batch_alter_table("jobs") as batch:
        batch.add_column(sa.Column("kind", sa.String(length=20), nullable=False, server_default="transfer"))
        batch.drop_constraint(op.f("ck_jobs_one_source"), type_="check")
        for column, type_ in TEXT.items():
            batch.alter_column(column, nullable=True, existing_type=type_)
    with op.batch_alter_table("jobs") as batch:
        batch.create_check_constraint(op.f("ck_jobs_kind_known"), "kind IN ('transfer', 'ranking')")
        batch.create_check_constraint(
            op.f("ck_jobs_transfer_has_all"),
            f"kind <> 'transfer' OR ({SOURCES} = 1 AND model IS NOT NULL AND target_dataset_id IS NOT NULL)",
        )
    _know_stages((*TRANSFER_STAGES, "rank"))
    op.create_table(
        "job_inputs",
        sa.Column("job_id", sa.String(length=40), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("workspace_id", sa.String(length=40), nullable=False),
        sa.Column("dataset_id", sa.String(length=40), nullable=True),
        sa.Column("version_id", sa.String(length=40), nullable=True),
        sa.CheckConstraint(
            "(dataset_id IS NULL) <> (version_id IS NULL)", name=op.f("ck_job_inputs_one_input")
        ),
        sa.ForeignKeyConstraint(
            ["workspace_id", "job_id"],
            ["jobs.workspace_id", "jobs.id"],
            name=op.f("fk_job_inputs_workspace_id_job_id"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["workspace_id", "dataset_id"],
            ["datasets.workspace_id", "datasets.id"],
            name=op.f("fk_job_inputs_workspace_id_dataset_id"),
        ),
        sa.ForeignKeyConstraint(
            ["workspace_id", "version_id"],
            ["versions.workspace_id", "versions.id"],
            name=op.f("fk_job_inputs_workspace_id_version_id"),
        ),
        sa.PrimaryKeyConstraint("job_id", "position", name=op.f("pk_job_inputs")),
    )
    for column in ("dataset_id", "version_id"):
        op.create_index(op.f(f"ix_job_inputs_{column}"), "job_inputs", [column])
    _move_teachers()


def downgrade() -> None:
    others = sa.text("SELECT count(*) FROM jobs WHERE kind <> 'transfer'")
    if op.get_bind().scalar(others):
        raise RuntimeError(
            "Expected no job of another kind than transfer, since the older code knows no other. Received: "
            "some. Delete them, or restore the back-up from before the upgrade."
        )
    op.drop_table("job_inputs")
    _know_stages(TRANSFER_STAGES)
    with op.batch_alter_table("jobs") as batch:
        batch.drop_constraint(op.f("ck_jobs_transfer_has_all"), type_="check")
        batch.drop_constraint(op.f("ck_jobs_kind_known"), type_="check")
    with op.batch_alter_table("jobs") as batch:
        batch.drop_column("kind")
        batch.create_check_constraint(op.f("ck_jobs_one_source"), f"{SOURCES} = 1")
        for column, type_ in TEXT.items():
            batch.alter_column(column, nullable=False, existing_type=type_)


def _know_stages(stages: tuple[str, ...]) -> None:
    known = ", ".join(f"'{stage}'" for stage in stages)
    with op.batch_alter_table("stages") as batch:
        batch.drop_constraint(op.f("ck_stages_stage_known"), type_="check")
        batch.create_check_constraint(op.f("ck_stages_stage_known"), f"stage IN ({known})")


def _move_teachers() -> None:
    """The further source versions of distillations are inputs of their jobs."""
    jobs = sa.table("jobs", sa.column("id"), sa.column("workspace_id"), sa.column("spec", sa.JSON()))
    inputs = sa.table("job_inputs", *map(sa.column, ("job_id", "position", "workspace_id", "version_id")))
    for job_id, workspace, spec in op.get_bind().execute(sa.select(jobs)).all():
        for position, version in enumerate(spec.get("other_versions", [])):
            of = {"job_id": job_id, "position": position, "workspace_id": workspace}
            op.execute(inputs.insert().values(**of, version_id=version))
