"""Locks on names for the rest of the transaction: version numbers come one by one, and nothing goes that is
about to be needed.
"""

from __future__ import annotations

from collections.abc import Iterable

from sqlalchemy import func, select
from sqlalchemy.orm import Session


def lock_name(session: Session, table: str, name: str) -> None:
    """Wait for other writers of the name. SQLite's writers wait for each other already."""
    if session.get_bind().dialect.name == "postgresql":
        session.execute(select(func.pg_advisory_xact_lock(func.hashtextextended(f"{table}:{name}", 0))))


def lock_names(session: Session, table: str, names: Iterable[str]) -> None:
    """Lock several, in an order that is the same for everyone: else two could wait for each other."""
    for name in sorted(set(names)):
        lock_name(session, table, name)
