"""A version's verdict is one of three words, or none

Revision ID: 0010
Revises: 0009
"""

from __future__ import annotations

from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table("versions") as table:
        table.create_check_constraint(
            op.f("ck_versions_verdict_known"), "verdict IN ('helped', 'no difference', 'hurt')"
        )


def downgrade() -> None:
    with op.batch_alter_table("versions") as table:
        table.drop_constraint(op.f("ck_versions_verdict_known"), type_="check")
