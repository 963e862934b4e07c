"""Which revision of the database this code was written for."""

from __future__ import annotations

from sqlalchemy import Engine, inspect, text

HEAD = "0016"
"""The newest file in `migrations/versions`; a test keeps it so."""


class OutdatedDatabase(RuntimeError):
    """The database's revision is not the one that this code was written for."""


def require_current(engine: Engine) -> None:
    """Raise OutdatedDatabase unless the database is at the newest revision."""
    with engine.connect() as connection:
        current = None
        if inspect(connection).has_table("alembic_version"):
            current = connection.scalar(text("SELECT version_num FROM alembic_version"))
    if current != HEAD:
        message = (
            f"Expected the database at revision {HEAD}. Received: {current}. Run: model-transfer migrate"
        )
        raise OutdatedDatabase(message)
