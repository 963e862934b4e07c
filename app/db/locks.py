"""Locks on names for the rest of the transaction: version numbers come one by one, and nothing goes that is
about to be needed.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from sqlalchemy import func, select, text
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session

_LOCK_NOT_AVAILABLE = "55P03"  # SQLSTATE of PostgreSQL


def _is_postgresql(session: Session) -> bool:
    return session.get_bind().dialect.name == "postgresql"


def _key(table: str, name: str) -> Any:
    return func.hashtextextended(f"{table}:{name}", 0)


def lock_name(session: Session, table: str, name: str) -> None:
    """Wait for other writers of the name. SQLite's writers wait for each other already."""
    if _is_postgresql(session):
        session.execute(select(func.pg_advisory_xact_lock(_key(table, name))))


def lock_name_within(session: Session, table: str, name: str, seconds: float) -> bool:
    """Wait for other writers of the name, but no longer than this; whether they are waited for to the end."""
    if not _is_postgresql(session):
        return True
    if session.scalar(select(func.pg_try_advisory_xact_lock(_key(table, name)))):
        return True
    try:
        with session.begin_nested():  # what fails ends no more than this
            session.execute(text(f"SET LOCAL lock_timeout = {round(seconds * 1000)}"))
            lock_name(session, table, name)
            session.execute(text("SET LOCAL lock_timeout TO DEFAULT"))
    except OperationalError as error:
        if getattr(error.orig, "sqlstate", None) != _LOCK_NOT_AVAILABLE:
            raise
        return False
    return True


def lock_names(session: Session, table: str, names: Iterable[str]) -> None:
    """Lock several, in an order that is the same for everyone: else two could wait for each other."""
    for name in sorted(set(names)):
        lock_name(session, table, name)
