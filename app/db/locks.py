"""A lock on a name for the rest of the transaction, so that version numbers come one by one."""

from __future__ import annotations

from sqlalchemy import func, select
from sqlalchemy.orm import Session


def lock_name(session: Session, table: str, name: str) -> None:
    """Wait for other writers of the name. SQLite's writers wait for each other already."""
    if session.get_bind().dialect.name == "postgresql":
        session.execute(select(func.pg_advisory_xact_lock(func.hashtextextended(f"{table}:{name}", 0))))
