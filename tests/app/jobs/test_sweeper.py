from __future__ import annotations

import os
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import select, update

from app.broker import Broker
from app.db.clock import db_now, seconds_between
from app.db.session import Sessions
from app.db.tables import Dataset, Job, StagePart
from app.jobs import requests, sweeper, transitions
from app.jobs.states import Stage, State
from app.settings import Settings
from app.storage import Storage

RESEND_SECONDS = 30.0

ROUNDED = 0.01
"""Seconds by which a difference of two moments may be off: SQLite keeps milliseconds, and counts in days."""


@pytest.fixture
def broker(broker_url: str) -> Iterator[Broker]:
    """An empty broker."""
    broker = Broker(broker_url)
    broker.empty()
    yield broker
    broker.empty()
    broker.close()


@pytest.fixture
def job_id(client: TestClient, datasets: dict[str, dict[str, object]], broker: Broker) -> str:
    """A queued job that was announced."""
    body = {"model": "m", "source": {"dataset": "source"}, "target": {"dataset": "target"}}
    answer = client.post("/v1/jobs", json=body)
    assert answer.status_code == 202, answer.text
    return str(answer.json()["id"])


def make_old(sessions: Sessions, job_id: str) -> None:
    with sessions.begin() as session:
        session.execute(update(Job).where(Job.id == job_id).values(announced_at=db_now(-2 * RESEND_SECONDS)))


def test_a_job_whose_message_was_lost_is_announced_again(
    sessions: Sessions, broker: Broker, job_id: str
) -> None:
    assert broker.count_waiting() == 1
    broker.empty()
    assert sweeper.announce(sessions, broker, RESEND_SECONDS) == []  # too early to call it lost
    make_old(sessions, job_id)
    assert sweeper.announce(sessions, broker, RESEND_SECONDS) == [job_id]
    assert broker.count_waiting() == 1
    assert sweeper.announce(sessions, broker, RESEND_SECONDS) == []


def test_a_job_whose_message_still_waits_is_not_announced_again(
    sessions: Sessions, broker: Broker, job_id: str
) -> None:
    make_old(sessions, job_id)
    assert sweeper.announce(sessions, broker, RESEND_SECONDS) == []
    assert broker.count_waiting() == 1


def test_a_job_accepted_while_the_broker_was_away_is_announced_when_it_is_back(
    sessions: Sessions, broker: Broker, job_id: str
) -> None:
    broker.empty()
    with sessions.begin() as session:
        session.execute(update(Job).where(Job.id == job_id).values(announced_at=None))
    away = Broker("redis+socket:///nowhere/broker.sock")
    assert sweeper.announce(sessions, away, RESEND_SECONDS) == []
    assert sweeper.announce(sessions, broker, RESEND_SECONDS) == [job_id]


def test_a_job_of_a_silent_worker_goes_back_to_the_queue(sessions: Sessions, job_id: str) -> None:
    with sessions.begin() as session:
        assert transitions.claim(session, job_id, "worker", lease_seconds=-1)
    assert sweeper.expire_leases(sessions) == [job_id]
    assert sweeper.expire_leases(sessions) == []


def test_only_old_files_that_nothing_refers_to_are_deleted(
    client: TestClient,
    sessions: Sessions,
    settings: Settings,
    datasets: dict[str, dict[str, object]],
    tmp_path: Path,
) -> None:
    storage = Storage(settings.storage_dir)
    orphan = tmp_path / "orphan"
    orphan.write_bytes(b"nobody wants me")
    digest = storage.put(orphan)
    sweep = partial(sweeper.clean, sessions, storage, settings)
    assert sweep(set()) == set()
    assert client.delete("/v1/datasets/source").status_code == 204
    a_day_ago = time.time() - 86400
    for path in settings.storage_dir.glob("??/*"):
        os.utime(path, (a_day_ago, a_day_ago))
    suspected = sweep(set())
    with sessions() as session:
        source = session.scalars(select(Dataset).where(Dataset.name == "source")).one()
    assert suspected == {digest, source.digest, source.rows_digest}
    assert storage.exists(digest)  # it may be about to be referred to, and the clock have been set forward
    assert sweep(suspected) == set()
    assert not storage.exists(digest)
    assert not storage.exists(source.digest)
    assert not storage.exists(source.rows_digest)
    assert client.get("/v1/datasets/target/content").status_code == 200


def test_parts_of_stages_are_dropped_when_their_job_has_ended(
    sessions: Sessions, settings: Settings, job_id: str, tmp_path: Path
) -> None:
    storage = Storage(settings.storage_dir)
    path = tmp_path / "part"
    path.write_bytes(b"an outcome")
    digest = storage.put(path)
    with sessions.begin() as session:
        session.add(StagePart(job_id=job_id, stage=Stage.TRANSFER, key="outcome transfer/0", digest=digest))
    assert sweeper.forget_parts(sessions, retry_seconds=0) == 0
    assert sweeper.orphans(sessions, storage, seconds=-1, retry_seconds=0) == set()
    with sessions.begin() as session:
        assert requests.request_cancel(session, job_id)
    assert sweeper.forget_parts(sessions, retry_seconds=0) == 1
    assert sweeper.orphans(sessions, storage, seconds=-1, retry_seconds=0) == {digest}


def test_a_clock_set_back_holds_no_job_longer_than_its_lease(sessions: Sessions, job_id: str) -> None:
    with sessions.begin() as session:
        assert transitions.claim(session, job_id, "worker", lease_seconds=30 + 3600)
    assert sweeper.shorten_leases(sessions, lease_seconds=30) == 1
    assert sweeper.shorten_leases(sessions, lease_seconds=30) == 0
    with sessions() as session:
        until = seconds_between(db_now(), Job.lease_expires_at)
        assert 25 < session.execute(select(until).where(Job.id == job_id)).scalar_one() <= 30 + ROUNDED


@pytest.mark.parametrize(("retries", "wait"), [(1, 5), (4, 40), (10, 300)])
def test_a_clock_set_back_makes_no_job_wait_longer_for_its_next_try(
    sessions: Sessions, job_id: str, retries: int, wait: int
) -> None:
    with sessions.begin() as session:
        session.execute(update(Job).where(Job.id == job_id).values(retries=retries - 1))
        lease = transitions.claim(session, job_id, "worker", lease_seconds=30)
        assert lease is not None
        assert transitions.requeue(session, lease, "disk full") == State.QUEUED
    assert sweeper.shorten_leases(sessions, lease_seconds=30) == 0
    with sessions.begin() as session:
        session.execute(update(Job).where(Job.id == job_id).values(retry_at=db_now(3600)))
    assert sweeper.shorten_leases(sessions, lease_seconds=30) == 1
    with sessions() as session:
        until = seconds_between(db_now(), Job.retry_at)
        left = session.execute(select(until).where(Job.id == job_id)).scalar_one()
        assert wait - 3 < left <= wait + ROUNDED


def test_a_clock_set_back_does_not_hide_a_lost_message(
    sessions: Sessions, broker: Broker, job_id: str
) -> None:
    broker.empty()
    with sessions.begin() as session:
        session.execute(update(Job).where(Job.id == job_id).values(announced_at=db_now(3600)))
    assert sweeper.announce(sessions, broker, RESEND_SECONDS) == [job_id]


def test_a_clock_set_forward_expires_no_lease_before_it_could_be_renewed(sessions: Sessions) -> None:
    elapsed = 0.0
    clock = sweeper.DatabaseClock(30, lambda: elapsed)
    assert clock.is_settled(sessions)
    elapsed = -3600.0  # the database's clock is an hour ahead of what passed
    assert not clock.is_settled(sessions)
    elapsed += 29
    assert not clock.is_settled(sessions)
    elapsed += 2
    assert clock.is_settled(sessions)


def test_a_clock_that_runs_evenly_is_settled_from_the_start(sessions: Sessions) -> None:
    clock = sweeper.DatabaseClock(0.5)
    assert [clock.is_settled(sessions) for _ in range(3)] == [True] * 3
