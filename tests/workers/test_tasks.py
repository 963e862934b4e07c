from __future__ import annotations

from collections.abc import Iterator
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import Engine, delete, event, select, text
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session

from app.broker import Broker
from app.db.session import Sessions, make_sessions
from app.db.tables import Job, SourceRun, Version
from app.jobs import transitions
from app.jobs.states import State
from app.jobs.sweeper import forget_parts, orphans
from app.jobs.transitions import Lease
from app.main import create_app
from app.settings import Settings
from app.storage import Storage
from tests.conftest import WriteCsv
from tests.stored import store
from tests.workers.conftest import claimed
from workers import process_cache
from workers.heartbeat import LOST, Heartbeat
from workers.tasks import Services, _attempt, _conclude

CUT_OFF = {
    "postgresql": "SELECT pg_terminate_backend(pg_backend_pid())",
    "sqlite": "SELECT * FROM a_file_that_is_away",
}


def breaking(session: Session) -> None:
    """The database goes away in the midst of a transaction."""
    session.execute(text(CUT_OFF[session.get_bind().dialect.name]))


@pytest.fixture
def services(sessions: Sessions, settings: Settings, broker_url: str) -> Services:
    """What a worker holds."""
    return Services(settings, sessions, Storage(settings.storage_dir), Broker(broker_url))


def test_the_end_of_an_attempt_waits_for_a_database_that_is_away(
    services: Services, sessions: Sessions, lease: Lease
) -> None:
    tries = []

    def move(session: Session) -> None:
        tries.append(session)
        transitions.requeue(session, lease, "the disk was full")
        if len(tries) == 1:
            breaking(session)

    _conclude(services, Heartbeat(sessions, lease, services.settings, lambda: False), move)
    assert len(tries) == 2
    with sessions() as session:
        job = session.get_one(Job, lease.job_id)
        assert (job.state, job.retries) == (State.QUEUED, 1)


def test_an_attempt_that_was_given_to_another_waits_for_no_database(
    services: Services, sessions: Sessions, lease: Lease
) -> None:
    heartbeat = Heartbeat(sessions, lease, services.settings, lambda: False)
    heartbeat.reason = LOST
    with pytest.raises(OperationalError):
        _conclude(services, heartbeat, breaking)


class Killed(BaseException):
    """The process died."""


class Worker:
    """A worker whose process dies right after one of its commits, if that is asked for."""

    def __init__(self, services: Services, engine: Engine) -> None:
        sessions = make_sessions(engine)
        event.listen(sessions, "after_commit", self._committed)
        self.services = Services(services.settings, sessions, services.storage, services.broker)
        self.sessions = services.sessions
        self._left: int | None = None

    def _committed(self, _: Session) -> None:
        if self._left is not None:
            self._left -= 1
            if self._left == 0:
                raise Killed

    def attempt(self, job_id: str, commits: int | None = None) -> bool:
        """One attempt at the job; whether it lived to its end."""
        lease = claimed(self.sessions, job_id)
        # What tells that the lease is lost, not renews it, has nothing to do with commits.
        heartbeat = Heartbeat(self.sessions, lease, self.services.settings, lambda: False)
        self._left = commits
        try:
            _attempt(self.services, lease, heartbeat)
        except Killed:
            with self.sessions.begin() as session:
                transitions.expire(session, job_id, lease.attempt)
            return False
        finally:
            self._left = None
        return True


ASKED: dict[str, dict[str, Any]] = {
    "lp_ft, two seeds": {
        "method": {"kind": "parameter", "strategy": "lp_ft"},
        "evaluation": {"seeds": 2, "arms": ["random_frozen"]},
    },
    "search": {"method": {"kind": "structure", "strategy": "search", "trials": 2}},
    "combined": {
        "method": {"kind": "combined", "strategy": "progressive"},
        "evaluation": {"seeds": 1, "baseline": False},
    },
    "distillation": {"method": {"kind": "distillation"}, "training": {"epochs": 2, "patience": 1}},
}


@pytest.fixture
def client(settings: Settings, engine: Engine, write_csv: WriteCsv, tmp_path: Path) -> Iterator[TestClient]:
    """The API, with a source and a target."""
    with TestClient(create_app(settings)) as client:
        for seed, name in enumerate(("source", "target")):
            content = write_csv(tmp_path / f"{name}.csv", 60, seed=seed).read_bytes()
            store(client, name, content, label="y")
        yield client


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
@pytest.mark.parametrize(
    ("asked", "step"),
    [
        pytest.param(ASKED["combined"], 12, id="every twelfth of combined"),
        *(
            pytest.param(asked, 1, id=name, marks=[pytest.mark.slow, pytest.mark.timeout(3000)])
            for name, asked in ASKED.items()
        ),
    ],
)
def test_an_attempt_that_dies_after_any_of_its_commits_is_ended_exactly_by_the_next(
    client: TestClient,
    services: Services,
    engine: Engine,
    settings: Settings,
    asked: dict[str, Any],
    step: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(process_cache, "MOST_GRAPHS", 99)  # else dozens of attempts would trace them anew
    worker = Worker(services, engine)
    settings.checkpoint_seconds = 0.0
    request = {"model": "m", "source": {"dataset": "source"}, "target": {"dataset": "target"}}
    request |= {"training": {"epochs": 2}, "network": {"kind": "mlp", "hidden_units": [4]}, **asked}
    request["evaluation"] = {"folds": 0, **asked.get("evaluation", {})}

    def made(commits: int | None) -> tuple[bool, list[Any]]:
        answer = client.post("/v1/jobs", json=request)
        assert answer.status_code == 202, answer.text
        job_id = answer.json()["id"]
        lived = worker.attempt(job_id, commits)
        if not lived and client.get(f"/v1/jobs/{job_id}").json()["state"] != "succeeded":
            assert worker.attempt(job_id)
        with services.sessions.begin() as session:
            assert session.get_one(Job, job_id).state == State.SUCCEEDED
            session.execute(delete(SourceRun))  # the next trains its source, too
            found = session.scalars(select(Version).where(Version.job_id == job_id)).all()
            told = [[one.weights_digest, one.metrics, one.gain, one.receipt] for one in found]
        return lived, told

    _, undisturbed = made(None)
    assert len(undisturbed) == 1
    for commits in count(1, step):
        lived, told = made(commits)
        assert told == undisturbed, f"killed after commit {commits}"
        if lived:
            break
    assert commits > 15
    forget_parts(services.sessions, 0)
    for digest in orphans(services.sessions, services.storage, -60, 0):
        services.storage.delete(digest)
    for version in range(1, (commits - 1) // step + 3):
        assert client.get(f"/v1/models/m@{version}/download").status_code == 200
