"""Engine and sessions, with the settings that keep SQLite from losing updates."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any

from fastapi import Depends, Request
from sqlalchemy import Engine, create_engine, event, make_url
from sqlalchemy.orm import Session, sessionmaker

Sessions = sessionmaker[Session]


# Where the network falls silent, a query must end with an error and not wait for ever: seconds, milliseconds.
_NOTICE_A_PARTITION = {
    "connect_timeout": 5,
    "keepalives_idle": 5,
    "keepalives_interval": 3,
    "keepalives_count": 3,
    "tcp_user_timeout": 15_000,
}


def _sqlite_pragmas(connection: Any, _record: Any) -> None:
    # The driver must not begin transactions by itself: see _begin_immediate.
    connection.isolation_level = None
    cursor = connection.cursor()
    for pragma in ("journal_mode=WAL", "synchronous=NORMAL", "busy_timeout=15000", "foreign_keys=ON"):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def _begin_immediate(connection: Any) -> None:
    # A deferred transaction that reads, then writes, loses updates or fails; an immediate one waits.
    # Read-only sessions say so, and stay out of the writers' way.
    readonly = connection.get_execution_options().get("readonly", False)
    connection.exec_driver_sql("BEGIN" if readonly else "BEGIN IMMEDIATE")


def make_engine(url: str) -> Engine:
    """An engine for SQLite or PostgreSQL (`postgresql://` means psycopg 3)."""
    if make_url(url).get_backend_name() != "sqlite":
        return create_engine(
            url, pool_pre_ping=True, pool_size=20, max_overflow=40, connect_args=_NOTICE_A_PARTITION
        )
    engine = create_engine(url, connect_args={"timeout": 15}, pool_size=20, max_overflow=40)
    event.listen(engine, "connect", _sqlite_pragmas)
    event.listen(engine, "begin", _begin_immediate)
    return engine


def make_sessions(engine: Engine) -> Sessions:
    """Sessions whose objects stay readable after the commit."""
    return sessionmaker(engine, expire_on_commit=False)


def make_read_sessions(engine: Engine) -> Sessions:
    """Sessions that only read: on SQLite they wait for no writer."""
    return sessionmaker(engine.execution_options(readonly=True), expire_on_commit=False)


def _write(request: Request) -> Iterator[Session]:
    with request.app.state.sessions.begin() as session:
        yield session


def _read(request: Request) -> Iterator[Session]:
    with request.app.state.readers() as session:
        yield session


# `scope="function"`: the commit comes before the reply, so that no client hears of what failed to be kept.
WriteSession = Annotated[Session, Depends(_write, scope="function")]
ReadSession = Annotated[Session, Depends(_read, scope="function")]
