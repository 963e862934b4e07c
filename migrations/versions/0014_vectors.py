"""Task vectors are made by jobs of their own kind

Revision ID: 0014
Revises: 0013
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None

KINDS = ("transfer", "ranking")
STAGES = ("source", "transfer", "control", "evaluate", "export", "rank")


def upgrade() -> None:
    _know("jobs", "kind", (*KINDS, "vector"))
    _know("stages", "stage", (*STAGES, "describe"))


def downgrade() -> None:
    if op.get_bind().scalar(sa.text("SELECT count(*) FROM jobs WHERE kind = 'vector'")):
        raise RuntimeError(
            "Expected no task vector, since the older code knows none. Received: some. Delete them, or "
            "restore the back-up from before the upgrade."
        )
    _know("jobs", "kind", KINDS)
    _know("stages", "stage", STAGES)


def _know(table: str, column: str, words: tuple[str, ...]) -> None:
    name = op.f(f"ck_{table}_{column}_known")
    known = ", ".join(f"'{word}'" for word in words)
    with op.batch_alter_table(table) as batch:
        batch.drop_constraint(name, type_="check")
        batch.create_check_constraint(name, f"{column} IN ({known})")
