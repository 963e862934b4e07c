from __future__ import annotations

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from app.db.session import make_engine
from app.errors import is_unreachable


@pytest.mark.parametrize(
    ("statement", "away"),
    [
        ("SELECT pg_terminate_backend(pg_backend_pid())", True),
        ("SET TRANSACTION READ ONLY; CREATE TABLE t (a int)", True),  # as on a standby
        ("SELECT * FROM a_table_that_is_not_there", False),
        ("SELECT 1 / 0", False),
    ],
)
def test_a_database_that_is_lost_or_takes_no_writes_is_away(
    postgresql_url: str, statement: str, away: bool
) -> None:
    engine = make_engine(postgresql_url)
    with engine.connect() as connection, pytest.raises(DBAPIError) as raised:
        connection.execute(text(statement))
    assert is_unreachable(raised.value) is away
    engine.dispose()


def test_another_error_tells_nothing_of_the_database() -> None:
    assert not is_unreachable(OSError("the disk is full"))
