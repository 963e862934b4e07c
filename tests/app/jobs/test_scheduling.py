from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any, Protocol

import pytest
from sqlalchemy import insert, select, update

from app.access import workspaces
from app.broker import Broker
from app.db.access_tables import DEFAULT_WORKSPACE
from app.db.clock import db_now
from app.db.session import Sessions
from app.db.tables import Dataset, Event, Job, Turn
from app.jobs import scheduling, transitions
from app.jobs.states import State
from app.settings import Settings
from app.storage import Storage
from workers.tasks import Services, _claim

WHOSE = {"workspace_id": DEFAULT_WORKSPACE}

TICK = timedelta(milliseconds=10)


@pytest.fixture
def post(sessions: Sessions) -> Any:
    """Add a queued job; each comes a second after the one before."""
    with sessions.begin() as session:
        about = {"filename": "d.csv", "media_type": "text/csv", "digest": "0" * 64, "size": 1, "rows": 1}
        about |= {"rows_digest": "1" * 64, "rows_size": 1}
        facts: dict[str, Any] = {"description": {}, "profile": {}, "warnings": [], "preview": [], "extra": {}}
        session.add(
            Dataset(
                workspace_id=DEFAULT_WORKSPACE,
                id="ds_1",
                name="d",
                version=1,
                kind="tabular",
                **about,
                **facts,
            )
        )
    number = 0

    def add(name: str, **about: Any) -> None:
        nonlocal number
        number += 1
        with sessions.begin() as session:
            whose = {**WHOSE, **about}
            job = Job(id=name, name=name, model="m", spec={}, extra={}, max_attempts=2, **whose)
            theirs = select(Dataset).where(Dataset.workspace_id == whose["workspace_id"])
            job.source_dataset = job.target_dataset = session.scalars(theirs).one()
            session.add(job)
            session.flush()
            session.execute(update(Job).where(Job.id == name).values(queued_at=db_now(number - 1000)))

    return add


def order(sessions: Sessions, queue: str = "default", most: int = 0) -> list[str]:
    """The jobs in the order in which workers would begin them, none ending meanwhile."""
    begun = []
    with sessions.begin() as session:
        while (job_id := scheduling.next_job(session, queue, most)) is not None:
            assert transitions.claim(session, job_id, "worker", 60)
            begun.append(job_id)
    return begun


class PostMany(Protocol):
    """Adds a queued job for each of these owners, in this order; all wait for longer than those to come."""

    def __call__(self, owners: list[str], **about: Any) -> None: ...


@pytest.fixture
def post_many(sessions: Sessions, post: Any) -> PostMany:
    """Many jobs at once, in the way of `post`."""
    number = 0

    def add(owners: list[str], **about: Any) -> None:
        nonlocal number
        inputs = {"source_dataset_id": "ds_1", "target_dataset_id": "ds_1"}
        common = {
            "workspace_id": DEFAULT_WORKSPACE,
            "model": "m",
            "spec": {},
            "extra": {},
            "max_attempts": 2,
            **inputs,
            **about,
        }
        now = datetime.now(UTC) - timedelta(hours=1)
        rows = []
        for owner in owners:
            number += 1
            name = f"j{number:05}"
            rows.append(common | {"id": name, "name": name, "owner": owner, "queued_at": now + number * TICK})
        with sessions.begin() as session:
            session.execute(insert(Job), rows)

    return add


class Workers:
    """So many workers of a queue, whose jobs end in the order in which they began."""

    def __init__(self, sessions: Sessions, count: int, queue: str = "default") -> None:
        self.sessions, self.count, self.queue = sessions, count, queue
        self.leases: list[transitions.Lease] = []

    def begin(self) -> str | None:
        """Begin the next job, where all are at work as soon as one is not; whose job it is."""
        if len(self.leases) == self.count:
            with self.sessions.begin() as session:
                transitions.succeed(session, self.leases.pop(0), {"version": "m@1"})
        with self.sessions.begin() as session:
            job_id = scheduling.next_job(session, self.queue)
            if job_id is None:
                return None
            lease = transitions.claim(session, job_id, "worker", 60)
            assert lease is not None
            self.leases.append(lease)
            return session.get_one(Job, job_id).owner


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


def test_workspaces_take_turns_before_their_owners_do(sessions: Sessions, post: Any) -> None:
    other = other_workspace(sessions)
    for number in range(2):
        post(f"ada{number}", owner="ada")
        post(f"bob{number}", owner="bob")
    post("team-ada", owner="ada", workspace_id=other)
    post("team-bob", owner="bob", workspace_id=other)
    assert order(sessions) == ["ada0", "team-ada", "bob0", "team-bob", "ada1", "bob1"]


def test_a_priority_counts_within_its_workspace_alone(sessions: Sessions, post: Any) -> None:
    other = other_workspace(sessions)
    post("low")
    for number in range(3):
        post(f"high{number}", priority=10, workspace_id=other)
    post("higher", priority=1)
    assert order(sessions) == ["higher", "high0", "low", "high1", "high2"]


def test_an_owner_of_the_same_name_elsewhere_is_another_one(sessions: Sessions, post: Any) -> None:
    other = other_workspace(sessions)
    for number in range(2):
        post(f"ours{number}", owner="ada")
        post(f"theirs{number}", owner="ada", workspace_id=other)
    assert order(sessions, most=1) == ["ours0", "theirs0"]


def other_workspace(sessions: Sessions) -> str:
    """The id of a second workspace, with a data set."""
    with sessions.begin() as session:
        made = workspaces.create(session, "team").id
        first = session.get_one(Dataset, "ds_1")
        session.refresh(first, ["description", "profile", "warnings", "preview"])
        facts = {column.name: getattr(first, column.name) for column in Dataset.__table__.columns}
        session.add(Dataset(**{**facts, "id": f"ds_{made}", "workspace_id": made}))
        return made


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


def test_a_job_that_comes_after_a_thousand_of_another_owner_is_the_second_that_the_one_worker_begins(
    sessions: Sessions, post_many: PostMany
) -> None:
    post_many(["alice"] * 1000 + ["bob"])
    worker = Workers(sessions, 1)
    assert [worker.begin() for _ in range(4)] == ["alice", "bob", "alice", "alice"]


def test_four_workers_give_the_newcomer_the_first_place_that_is_free(
    sessions: Sessions, post_many: PostMany
) -> None:
    post_many(["alice"] * 200)
    workers = Workers(sessions, 4)
    assert [workers.begin() for _ in range(4)] == ["alice"] * 4  # none stands idle while nobody else waits
    post_many(["bob"])
    assert [workers.begin() for _ in range(3)] == ["bob", "alice", "alice"]


@pytest.mark.parametrize("workers", [1, 4])
def test_owners_are_served_evenly_at_every_moment_whoever_came_first(
    sessions: Sessions, post_many: PostMany, workers: int
) -> None:
    post_many(["alice"] * 30 + ["bob"] * 30 + [""] * 30)
    at_work = Workers(sessions, workers)
    begun = []
    for _ in range(90):
        begun.append(at_work.begin())
        counts = [begun.count(owner) for owner in ("alice", "bob", "")]
        assert max(counts) - min(counts) <= 1, begun
    assert at_work.begin() is None


def test_a_burst_of_a_new_owner_takes_turns_with_those_who_wait(
    sessions: Sessions, post_many: PostMany
) -> None:
    post_many(["alice"] * 5)
    worker = Workers(sessions, 1)
    assert [worker.begin() for _ in range(2)] == ["alice"] * 2
    post_many(["eve"] * 50)
    assert [worker.begin() for _ in range(6)] == ["eve", "alice", "eve", "alice", "eve", "alice"]


def test_a_job_that_is_claimed_again_takes_one_turn_of_its_owner_and_no_more(
    sessions: Sessions, post_many: PostMany
) -> None:
    post_many(["alice"] * 3 + ["bob"] * 3)
    worker = Workers(sessions, 1)
    assert worker.begin() == "alice"
    with sessions.begin() as session:  # its worker shuts down and hands it back
        job = session.scalars(select(Job).where(Job.state == State.RUNNING)).one()
        assert transitions.release(session, transitions.Lease(job.id, job.attempt))
    assert [worker.begin() for _ in range(6)] == ["bob", "alice", "bob", "alice", "bob", "alice"]


def test_turns_are_taken_within_each_priority(sessions: Sessions, post_many: PostMany) -> None:
    post_many(["alice"] * 4 + ["bob"])
    post_many(["alice"] * 3 + ["bob"], priority=3)
    worker = Workers(sessions, 1)
    assert [worker.begin() for _ in range(4)] == ["alice", "bob", "alice", "alice"]
    assert [worker.begin() for _ in range(3)] == ["bob", "alice", "alice"]


def test_a_turn_in_one_queue_is_none_in_another(sessions: Sessions, post_many: PostMany) -> None:
    post_many(["alice"] * 3, queue="large")
    post_many(["alice", "bob"])
    large, usual = Workers(sessions, 1, queue="large"), Workers(sessions, 1)
    assert [large.begin() for _ in range(3)] == ["alice"] * 3
    assert [usual.begin() for _ in range(2)] == ["alice", "bob"]


def test_who_was_not_served_for_a_day_is_no_later_than_those_who_never_were(
    sessions: Sessions, post_many: PostMany
) -> None:
    post_many(["alice"])
    worker = Workers(sessions, 1)
    assert worker.begin() == "alice"
    post_many(["alice", "bob"])
    with sessions.begin() as session:
        scheduling.forget_idle_owners(session)
        assert session.scalars(select(Turn.owner)).all() == ["alice"]
        session.execute(update(Turn).values(served_at=db_now(-scheduling.FORGET_OWNER_SECONDS - 1)))
        scheduling.forget_idle_owners(session)
    assert worker.begin() == "alice"


@pytest.mark.parametrize("workers", [1, 4])
def test_workers_that_claim_at_once_serve_owners_evenly_and_no_job_twice(
    sessions: Sessions, settings: Settings, post_many: PostMany, workers: int
) -> None:
    post_many(["alice"] * 30 + ["bob"] * 30 + ["carol"] * 30)
    services = Services(
        settings, sessions, Storage(settings.storage_dir), Broker(settings.effective_broker_url)
    )

    def work() -> list[str]:
        leases = iter(lambda: _claim(services, "default"), None)
        return [lease.job_id for lease in leases]

    with ThreadPoolExecutor(workers) as threads:
        claimed = [job for one in [threads.submit(work) for _ in range(workers)] for job in one.result()]
    assert len(claimed) == len(set(claimed)) == 90
    with sessions() as session:
        order = select(Job.owner).join(Event, Event.job_id == Job.id).where(Event.type == "job.started")
        begun = list(session.scalars(order.order_by(Event.id)))
    for place in range(1, 91):
        counts = [begun[:place].count(owner) for owner in ("alice", "bob", "carol")]
        assert max(counts) - min(counts) <= 1, begun


def test_workers_that_choose_at_the_same_time_get_different_jobs(sessions: Sessions, post: Any) -> None:
    if sessions.kw["bind"].dialect.name == "sqlite":
        # A second transaction that writes waits there for the end of the first: two cannot be open at once.
        pytest.skip("SQLite lets one choose at a time")
    post("a")
    post("b")
    with sessions.begin() as one, sessions.begin() as other:
        chosen = [scheduling.next_job(one, "default"), scheduling.next_job(other, "default")]
        assert chosen == ["a", "b"]
    with sessions() as session:
        assert set(session.scalars(select(Job.state))) == {State.QUEUED}
