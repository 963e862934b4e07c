"""The tables of who may ask: workspaces, keys, and what was done with them."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import BigInteger, CheckConstraint, Double, ForeignKey, Index, Integer, String
from sqlalchemy.orm import Mapped, mapped_column, relationship

from app.db.base import Base, Json, one_of
from app.db.clock import db_now

DEFAULT_WORKSPACE = f"ws_{0:028x}"
"""The id of the workspace `default`, which every database has: that of requests without a key."""

SCOPES = ("read", "write", "admin")
"""What a key may do; each may do what those before it may."""


class Workspace(Base):
    """Whose things they are: what belongs to one is not there for any other."""

    __tablename__ = "workspaces"

    id: Mapped[str] = mapped_column(String(40), primary_key=True)
    name: Mapped[str] = mapped_column(String(100), unique=True)
    created_at: Mapped[datetime] = mapped_column(default=db_now())
    # Its own limits, 0 of none; null: what the settings say (`access/quotas.py`).
    max_kept_bytes: Mapped[int | None] = mapped_column(BigInteger)
    max_versions: Mapped[int | None]
    max_queued_jobs: Mapped[int | None]
    max_running_jobs: Mapped[int | None]
    max_job_seconds: Mapped[float | None] = mapped_column(Double)


class Key(Base):
    """Who asks: a secret of which only the hash is kept. Without a workspace it is the installation's.

    It is revoked and never deleted, so that the service is never open again once it was closed.
    """

    __tablename__ = "keys"
    __table_args__ = (CheckConstraint(one_of("scope", SCOPES), "scope_known"),)

    id: Mapped[str] = mapped_column(String(40), primary_key=True)
    # Several may share it, so that one can take another's place: it names the person or program that asks.
    name: Mapped[str] = mapped_column(String(100))
    workspace_id: Mapped[str | None] = mapped_column(ForeignKey("workspaces.id"))
    scope: Mapped[str] = mapped_column(String(10))
    prefix: Mapped[str] = mapped_column(String(20))
    hash: Mapped[str] = mapped_column(String(64), unique=True)
    created_at: Mapped[datetime] = mapped_column(default=db_now())
    expires_at: Mapped[datetime | None]
    last_used_at: Mapped[datetime | None]
    revoked_at: Mapped[datetime | None]

    workspace: Mapped[Workspace | None] = relationship(lazy="joined")


class AuditEntry(Base):
    """Who made, deleted, downloaded, named or stopped what. Rows are written and never changed."""

    __tablename__ = "audit"
    __table_args__ = (Index("ix_audit_workspace_id_id", "workspace_id", "id"),)

    # SQLite numbers rows by itself only in a column of type INTEGER.
    id: Mapped[int] = mapped_column(BigInteger().with_variant(Integer, "sqlite"), primary_key=True)
    workspace_id: Mapped[str | None] = mapped_column(ForeignKey("workspaces.id"))
    key_id: Mapped[str | None] = mapped_column(String(40))
    key_name: Mapped[str | None] = mapped_column(String(100))
    action: Mapped[str] = mapped_column(String(50))
    subject: Mapped[str] = mapped_column(String(200))
    data: Mapped[Json]
    created_at: Mapped[datetime] = mapped_column(default=db_now())

    workspace: Mapped[Workspace | None] = relationship(lazy="joined")
