from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import select, update

from app.db.clock import db_now
from app.db.session import Sessions
from app.db.tables import Dataset, Job
from app.jobs import transitions, turns
from app.jobs.states import State


@pytest.fixture
def post(sessions: Sessions) -> Any:
    """Add a queued job; each comes a second after the one before."""
    with sessions.begin() as session:
        about = {"filename": "d.csv", "media_type": "text/csv", "digest": "0" * 64, "size": 1, "rows": 1}
        facts: dict[str, Any] = {"description": {}, "profile": {}, "warnings": [], "preview": [], "extra": {}}
        session.add(Dataset(id="ds_1", name="d", version=1, kind="tabular", **about, **facts))
    number = 0

    def add(name: str, **about: Any) -> None:
        nonlocal number
        number += 1
        with sessions.begin() as session:
            job = Job(id=name, name=name, model="m", spec={}, extra={}, max_attempts=2, **about)
            job.source_dataset = job.target_dataset = session.get_one(Dataset, "ds_1")
            session.add(job)
            session.flush()
            session.execute(update(Job).where(Job.id == name).values(queued_at=db_now(number - 1000)))

    return add


def order(sessions: Sessions, queue: str = "default", most: int = 0) -> list[str]:
    """The jobs in the order in which workers would begin them, none ending meanwhile."""
    begun = []
    with sessions.begin() as session:
        while (job_id := turns.next_job(session, queue, most)) is not None:
            assert transitions.claim(session, job_id, "worker", 60)
            begun.append(job_id)
    return begun


def test_who_waits_longest_begins(sessions: Sessions, post: Any) -> None:
    for name in ("a", "b", "c"):
        post(name)
    assert order(sessions) == ["a", "b", "c"]


def test_owners_take_turns_however_many_jobs_they_wait_with(sessions: Sessions, post: Any) -> None:
    for number in range(4):
        post(f"ada{number}", owner="ada")
    post("bob0", owner="bob")
    post("bob1", owner="bob")
    assert order(sessions) == ["ada0", "bob0", "ada1", "bob1", "ada2", "ada3"]


def test_a_higher_priority_begins_first_whoever_owns_it(sessions: Sessions, post: Any) -> None:
    post("low", priority=-1)
    post("usual")
    post("first", priority=5, owner="ada")
    post("second", priority=5, owner="ada")
    assert order(sessions) == ["first", "second", "usual", "low"]


def test_an_owner_has_no_more_jobs_at_work_than_the_limit(sessions: Sessions, post: Any) -> None:
    for number in range(3):
        post(f"ada{number}", owner="ada")
    post("bob", owner="bob")
    assert order(sessions, most=2) == ["ada0", "bob", "ada1"]
    with sessions.begin() as session:
        job = session.get_one(Job, "ada0")
        assert transitions.succeed(session, transitions.Lease("ada0", job.attempt), {"version": "m@1"})
    assert order(sessions, most=2) == ["ada2"]


def test_a_worker_of_one_queue_leaves_the_others(sessions: Sessions, post: Any) -> None:
    post("a", queue="large")
    post("b")
    assert order(sessions) == ["b"]
    assert order(sessions, "large") == ["a"]


def test_a_job_that_is_tried_again_later_is_passed_over_until_then(sessions: Sessions, post: Any) -> None:
    post("a")
    post("b")
    with sessions.begin() as session:
        session.execute(update(Job).where(Job.id == "a").values(retry_at=db_now(60)))
    assert order(sessions) == ["b"]
    with sessions.begin() as session:
        session.execute(update(Job).where(Job.id == "a").values(retry_at=db_now(-1)))
    assert order(sessions) == ["a"]


def test_workers_that_choose_at_the_same_time_get_different_jobs(sessions: Sessions, post: Any) -> None:
    if sessions.kw["bind"].dialect.name == "sqlite":
        # A second transaction that writes waits there for the end of the first: two cannot be open at once.
        pytest.skip("SQLite lets one choose at a time")
    post("a")
    post("b")
    with sessions.begin() as one, sessions.begin() as other:
        chosen = [turns.next_job(one, "default"), turns.next_job(other, "default")]
        assert chosen == ["a", "b"]
    with sessions() as session:
        assert set(session.scalars(select(Job.state))) == {State.QUEUED}
