from __future__ import annotations

import pytest
from sqlalchemy import text
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session

from app.broker import Broker
from app.db.session import Sessions
from app.db.tables import Job
from app.jobs import transitions
from app.jobs.states import State
from app.jobs.transitions import Lease
from app.settings import Settings
from app.storage import Storage
from workers.heartbeat import LOST, Heartbeat
from workers.tasks import Services, _conclude

CUT_OFF = {
    "postgresql": "SELECT pg_terminate_backend(pg_backend_pid())",
    "sqlite": "SELECT * FROM a_file_that_is_away",
}


def breaking(session: Session) -> None:
    """The database goes away in the midst of a transaction."""
    session.execute(text(CUT_OFF[session.get_bind().dialect.name]))


@pytest.fixture
def held(sessions: Sessions, settings: Settings, broker_url: str) -> Services:
    """What a worker holds."""
    return Services(settings, sessions, Storage(settings.storage_dir), Broker(broker_url))


def test_the_end_of_an_attempt_waits_for_a_database_that_is_away(
    held: Services, sessions: Sessions, lease: Lease
) -> None:
    tries = []

    def move(session: Session) -> None:
        tries.append(session)
        transitions.retry(session, lease, "the disk was full")
        if len(tries) == 1:
            breaking(session)

    _conclude(held, Heartbeat(sessions, lease, held.settings, lambda: False), move)
    assert len(tries) == 2
    with sessions() as session:
        job = session.get_one(Job, lease.job_id)
        assert (job.state, job.retries) == (State.QUEUED, 1)


def test_an_attempt_that_was_given_to_another_waits_for_no_database(
    held: Services, sessions: Sessions, lease: Lease
) -> None:
    heartbeat = Heartbeat(sessions, lease, held.settings, lambda: False)
    heartbeat.reason = LOST
    with pytest.raises(OperationalError):
        _conclude(held, heartbeat, breaking)
