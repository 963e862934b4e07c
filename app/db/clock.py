"""Time as the database tells it, so that leases do not depend on the clocks of the workers."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import DateTime, Dialect, Float, TypeDecorator
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.expression import ColumnElement


class UTCDateTime(TypeDecorator[datetime]):
    """A moment in UTC. SQLite keeps no zone, so it is put back on reading."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Refuse moments without a zone."""
        if value is not None and value.tzinfo is None:
            raise ValueError(f"expected a date and time with a time zone. Received: {value.isoformat()}")
        return None if value is None else value.astimezone(UTC)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Give the moment its zone."""
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


class db_now(ColumnElement[datetime]):
    """The database's own time now, moved by `offset` seconds."""

    type = UTCDateTime()
    inherit_cache = False

    def __init__(self, offset: float = 0.0) -> None:
        self.offset = offset


class seconds_between(ColumnElement[float]):
    """The seconds from one moment to a later one."""

    type = Float()
    inherit_cache = False

    def __init__(self, start: Any, end: Any) -> None:
        self.start, self.end = start, end


@compiles(seconds_between, "postgresql")
def _seconds_postgresql(element: seconds_between, compiler: Any, **kw: Any) -> str:
    start, end = compiler.process(element.start, **kw), compiler.process(element.end, **kw)
    return f"extract(epoch from ({end} - {start}))::float"


@compiles(seconds_between, "sqlite")
def _seconds_sqlite(element: seconds_between, compiler: Any, **kw: Any) -> str:
    start, end = compiler.process(element.start, **kw), compiler.process(element.end, **kw)
    return f"((julianday({end}) - julianday({start})) * 86400.0)"


@compiles(db_now, "postgresql")
def _postgresql(element: db_now, compiler: Any, **kw: Any) -> str:
    return f"(clock_timestamp() + interval '{element.offset:.3f} seconds')"


@compiles(db_now, "sqlite")
def _sqlite(element: db_now, compiler: Any, **kw: Any) -> str:
    # The text form in which SQLAlchemy writes moments, so that comparisons as text hold.
    return f"strftime('%Y-%m-%d %H:%M:%f000', 'now', '{element.offset:+.3f} seconds')"
