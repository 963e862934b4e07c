"""Keys, workspaces and the audit; what is there becomes the workspace `default`'s

Revision ID: 0012
Revises: 0011
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from app.db.clock import UTCDateTime

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None

DEFAULT = f"ws_{0:028x}"

REFERENCES = (
    ("jobs", "source_dataset_id", "datasets", "id"),
    ("jobs", "target_dataset_id", "datasets", "id"),
    ("jobs", "source_version_id", "versions", "id"),
    ("versions", "model", "models", "name"),
    ("versions", "job_id", "jobs", "id"),
    ("versions", "parent_id", "versions", "id"),
    ("aliases", "model", "models", "name"),
    ("aliases", "version_id", "versions", "id"),
)
"""Foreign keys that become ones within a workspace: table, column, and what they refer to."""

BELONGING = ("datasets", "jobs", "models", "versions", "aliases", "replies", "source_runs", "turns")
OF_A_WORKSPACE = ("datasets", "jobs", "models", "replies", "source_runs", "turns")
"""Those that refer to it by themselves; versions and aliases do by what they belong to."""

PRIMARY = {
    "models": ["name"],
    "aliases": ["model", "alias"],
    "replies": ["key"],
    "source_runs": ["key"],
    "turns": ["queue", "owner"],
}
UNIQUE = {"datasets": ["name", "version"], "jobs": ["name"], "versions": ["model", "number"]}
TURNS = ["queue", "owner", "priority", "queued_at", "retry_at"]


def upgrade() -> None:
    _create_tables()
    for table, column, *_ in REFERENCES:
        with op.batch_alter_table(table) as batch:
            batch.drop_constraint(op.f(f"fk_{table}_{column}"), type_="foreignkey")
    for table in BELONGING:
        with op.batch_alter_table(table) as batch:
            batch.add_column(
                sa.Column("workspace_id", sa.String(length=40), nullable=False, server_default=DEFAULT)
            )
    op.drop_index("ix_jobs_turns", "jobs")
    for table in BELONGING:
        with op.batch_alter_table(table) as batch:
            # What comes later says whose it is.
            batch.alter_column("workspace_id", server_default=None, existing_type=sa.String(length=40))
            if table in PRIMARY:
                batch.drop_constraint(op.f(f"pk_{table}"), type_="primary")
                batch.create_primary_key(op.f(f"pk_{table}"), _within(table))
            if table in UNIQUE:
                batch.drop_constraint(op.f(_unique(table, UNIQUE[table])), type_="unique")
                within = ["workspace_id", *UNIQUE[table]]
                batch.create_unique_constraint(op.f(_unique(table, within)), within)
                batch.create_unique_constraint(op.f(f"uq_{table}_workspace_id_id"), ["workspace_id", "id"])
            if table in OF_A_WORKSPACE:
                batch.create_foreign_key(
                    op.f(f"fk_{table}_workspace_id"), "workspaces", ["workspace_id"], ["id"]
                )
    op.create_index("ix_jobs_turns", "jobs", ["state", "queue", "workspace_id", *TURNS[1:]])
    for table, column, other, key in REFERENCES:
        with op.batch_alter_table(table) as batch:
            batch.create_foreign_key(
                op.f(f"fk_{table}_workspace_id_{column}"),
                other,
                ["workspace_id", column],
                ["workspace_id", key],
            )


def downgrade() -> None:
    others = sa.text("SELECT count(*) FROM workspaces WHERE id <> :default")
    if op.get_bind().scalar(others, {"default": DEFAULT}):
        raise RuntimeError(
            "Expected the workspace `default` alone, since the older code knows no other. Received: several. "
            "Restore the back-up from before the upgrade."
        )
    for table, column, *_ in REFERENCES:
        with op.batch_alter_table(table) as batch:
            batch.drop_constraint(op.f(f"fk_{table}_workspace_id_{column}"), type_="foreignkey")
    op.drop_index("ix_jobs_turns", "jobs")
    for table in BELONGING:
        with op.batch_alter_table(table) as batch:
            if table in OF_A_WORKSPACE:
                batch.drop_constraint(op.f(f"fk_{table}_workspace_id"), type_="foreignkey")
            if table in UNIQUE:
                batch.drop_constraint(op.f(f"uq_{table}_workspace_id_id"), type_="unique")
                batch.drop_constraint(op.f(_unique(table, ["workspace_id", *UNIQUE[table]])), type_="unique")
                batch.create_unique_constraint(op.f(_unique(table, UNIQUE[table])), UNIQUE[table])
            if table in PRIMARY:
                batch.drop_constraint(op.f(f"pk_{table}"), type_="primary")
                batch.create_primary_key(op.f(f"pk_{table}"), PRIMARY[table])
            batch.drop_column("workspace_id")
    op.create_index("ix_jobs_turns", "jobs", ["state", *TURNS])
    for table, column, other, key in REFERENCES:
        with op.batch_alter_table(table) as batch:
            batch.create_foreign_key(op.f(f"fk_{table}_{column}"), other, [column], [key])
    for table in ("audit", "keys", "workspaces"):
        op.drop_table(table)


def _unique(table: str, columns: list[str]) -> str:
    return f"uq_{table}_{'_'.join(columns)}"


def _within(table: str) -> list[str]:
    """The primary key: of a queue's turns the queue comes first, since it is looked up by that."""
    first, *rest = PRIMARY[table]
    return [first, "workspace_id", *rest] if table == "turns" else ["workspace_id", first, *rest]


def _create_tables() -> None:
    op.create_table(
        "workspaces",
        sa.Column("id", sa.String(length=40), nullable=False),
        sa.Column("name", sa.String(length=100), nullable=False),
        sa.Column("created_at", UTCDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_workspaces")),
        sa.UniqueConstraint("name", name=op.f("uq_workspaces_name")),
    )
    now = "CURRENT_TIMESTAMP"
    if op.get_bind().dialect.name == "sqlite":  # in the form of all moments there
        now = "strftime('%Y-%m-%d %H:%M:%f000', 'now')"
    op.execute(f"INSERT INTO workspaces (id, name, created_at) VALUES ('{DEFAULT}', 'default', {now})")
    op.create_table(
        "keys",
        sa.Column("id", sa.String(length=40), nullable=False),
        sa.Column("name", sa.String(length=100), nullable=False),
        sa.Column("workspace_id", sa.String(length=40), nullable=True),
        sa.Column("scope", sa.String(length=10), nullable=False),
        sa.Column("prefix", sa.String(length=20), nullable=False),
        sa.Column("hash", sa.String(length=64), nullable=False),
        sa.Column("created_at", UTCDateTime(), nullable=False),
        sa.Column("expires_at", UTCDateTime(), nullable=True),
        sa.Column("last_used_at", UTCDateTime(), nullable=True),
        sa.Column("revoked_at", UTCDateTime(), nullable=True),
        sa.CheckConstraint("scope IN ('read', 'write', 'admin')", name=op.f("ck_keys_scope_known")),
        sa.ForeignKeyConstraint(["workspace_id"], ["workspaces.id"], name=op.f("fk_keys_workspace_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_keys")),
        sa.UniqueConstraint("hash", name=op.f("uq_keys_hash")),
    )
    op.create_table(
        "audit",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("workspace_id", sa.String(length=40), nullable=True),
        sa.Column("key_id", sa.String(length=40), nullable=True),
        sa.Column("key_name", sa.String(length=100), nullable=True),
        sa.Column("action", sa.String(length=50), nullable=False),
        sa.Column("subject", sa.String(length=200), nullable=False),
        sa.Column("data", sa.JSON(), nullable=False),
        sa.Column("created_at", UTCDateTime(), nullable=False),
        sa.ForeignKeyConstraint(["workspace_id"], ["workspaces.id"], name=op.f("fk_audit_workspace_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_audit")),
    )
    op.create_index("ix_audit_workspace_id_id", "audit", ["workspace_id", "id"])
