"""What the audit tells of predictions: the first of an hour at once, the others as a number."""

from __future__ import annotations

from typing import Any

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import select
from sqlalchemy.exc import SQLAlchemyError

from app.access.caller import Caller
from app.db.access_tables import DEFAULT_WORKSPACE, AuditEntry
from app.db.session import make_engine, make_sessions
from app.predictions.told import Predicted

pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)

ANA, BEN = (Caller("read", f"key_{name}", name, DEFAULT_WORKSPACE, "default") for name in ("ana", "ben"))


class Clock:
    """Stands until it is moved."""

    seconds = 0.0

    def __call__(self) -> float:
        return self.seconds


def told(client: TestClient) -> list[tuple[str | None, str, int, int]]:
    with client.app.state.readers() as session:  # type: ignore[attr-defined]
        rows = session.scalars(select(AuditEntry).order_by(AuditEntry.id)).all()
    assert {row.action for row in rows} <= {"model.predicted"}
    return [(row.key_name, row.subject, row.data["requests"], row.data["rows"]) for row in rows]


def counting(client: TestClient, clock: Clock) -> Predicted:
    state: Any = client.app.state  # type: ignore[attr-defined]
    return Predicted(state.sessions, clock=clock)


def test_the_first_request_is_told_at_once_and_those_of_its_hour_as_one_row(client: TestClient) -> None:
    clock = Clock()
    predicted = counting(client, clock)
    for _ in range(100):
        predicted.tell(ANA, "m@1", 3)
    assert told(client) == [("ana", "m@1", 1, 3)]
    clock.seconds = 3599
    predicted.write()
    assert len(told(client)) == 1
    clock.seconds = 3600
    predicted.tell(ANA, "m@1", 7)
    assert told(client)[1:] == [("ana", "m@1", 99, 297), ("ana", "m@1", 1, 7)]
    clock.seconds = 7200
    predicted.close()
    assert len(told(client)) == 3  # nothing was counted since


def test_each_key_and_version_is_told_by_itself_and_the_end_tells_what_is_left(client: TestClient) -> None:
    predicted = counting(client, Clock())
    for caller, version in ((ANA, "m@1"), (BEN, "m@1"), (ANA, "m@2"), (ANA, "m@1")):
        predicted.tell(caller, version, 1)
    first = [("ana", "m@1", 1, 1), ("ben", "m@1", 1, 1), ("ana", "m@2", 1, 1)]
    assert told(client) == first
    predicted.close()
    assert told(client) == [*first, ("ana", "m@1", 1, 1)]


def test_what_cannot_be_written_now_is_written_the_next_time(client: TestClient) -> None:
    state: Any = client.app.state  # type: ignore[attr-defined]
    predicted = counting(client, Clock())
    for _ in range(3):
        predicted.tell(ANA, "m@1", 2)
    predicted._sessions = make_sessions(make_engine("sqlite:////nowhere/no.db"))
    predicted.write(everything=True)
    with pytest.raises(SQLAlchemyError):
        predicted.tell(BEN, "m@1", 1)
    predicted._sessions = state.sessions
    predicted.close()
    assert told(client) == [("ana", "m@1", 1, 2), ("ana", "m@1", 2, 4)]
