"""What jobs read beside their source and their target."""

from __future__ import annotations

from sqlalchemy import CheckConstraint, ForeignKeyConstraint, String
from sqlalchemy.orm import Mapped, mapped_column

from app.db.base import Base


class JobInput(Base):
    """A data set or version that a job reads beside source and target: it stays while the job needs it."""

    __tablename__ = "job_inputs"
    __table_args__ = (
        CheckConstraint("(dataset_id IS NULL) <> (version_id IS NULL)", "one_input"),
        ForeignKeyConstraint(
            ["workspace_id", "job_id"], ["jobs.workspace_id", "jobs.id"], ondelete="CASCADE"
        ),
        ForeignKeyConstraint(["workspace_id", "dataset_id"], ["datasets.workspace_id", "datasets.id"]),
        ForeignKeyConstraint(["workspace_id", "version_id"], ["versions.workspace_id", "versions.id"]),
    )

    job_id: Mapped[str] = mapped_column(String(40), primary_key=True)
    position: Mapped[int] = mapped_column(primary_key=True)
    workspace_id: Mapped[str] = mapped_column(String(40))
    dataset_id: Mapped[str | None] = mapped_column(String(40), index=True)
    version_id: Mapped[str | None] = mapped_column(String(40), index=True)
