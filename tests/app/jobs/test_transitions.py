from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from app.db.access_tables import DEFAULT_WORKSPACE
from app.db.clock import db_now, seconds_between
from app.db.session import Sessions
from app.db.tables import Dataset, Event, Job
from app.jobs import requests, transitions
from app.jobs.states import MOVES, RETRIABLE, TERMINAL, State
from app.jobs.transitions import Lease

LEASE_SECONDS = 60.0


@pytest.fixture
def job_id(sessions: Sessions) -> str:
    """A queued job."""
    with sessions.begin() as session:
        about = {"filename": "d.csv", "media_type": "text/csv", "digest": "0" * 64, "size": 1, "rows": 1}
        about |= {"rows_digest": "1" * 64, "rows_size": 1}
        facts: dict[str, Any] = {"description": {}, "profile": {}, "warnings": [], "preview": [], "extra": {}}
        dataset = Dataset(
            workspace_id=DEFAULT_WORKSPACE, id="ds_1", name="d", version=1, kind="tabular", **about, **facts
        )
        job = Job(
            workspace_id=DEFAULT_WORKSPACE, id="job_1", name="j", model="m", spec={}, extra={}, max_attempts=2
        )
        job.source_dataset = job.target_dataset = dataset
        session.add(job)
    return "job_1"


def claim(sessions: Sessions, job_id: str, lease_seconds: float = LEASE_SECONDS) -> Lease:
    with sessions.begin() as session:
        lease = transitions.claim(session, job_id, "worker", lease_seconds)
    assert lease is not None
    return lease


def state_of(sessions: Sessions, job_id: str) -> State:
    with sessions() as session:
        return State(session.get_one(Job, job_id).state)


def bring_to(sessions: Sessions, job_id: str, state: State) -> Lease | None:
    """Bring a queued job to a state by allowed moves."""
    if state == State.QUEUED:
        return None
    lease = claim(sessions, job_id)
    with sessions.begin() as session:
        if state == State.SUCCEEDED:
            assert transitions.succeed(session, lease, {"version": "m@1"})
        elif state == State.FAILED:
            assert transitions.fail(session, lease, "code", "message", None)
        elif state in (State.PAUSED, State.CANCELLED):
            assert transitions.stop(session, lease, "pause" if state == State.PAUSED else "cancel")
    assert state_of(sessions, job_id) == state
    return lease


def test_only_one_of_many_simultaneous_claims_gets_the_job(sessions: Sessions, job_id: str) -> None:
    leases: list[Lease | None] = []
    ready = threading.Barrier(8)

    def try_to_claim() -> None:
        ready.wait()
        with sessions.begin() as session:
            leases.append(transitions.claim(session, job_id, "worker", LEASE_SECONDS))

    threads = [threading.Thread(target=try_to_claim) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(leases, key=str) == sorted([Lease(job_id, 1)] + [None] * 7, key=str)


Write = Callable[[Session, Lease], bool]
WORKERS_MOVES: dict[str, Write] = {
    "hold": transitions.check_lease,
    "heartbeat": lambda session, lease: transitions.heartbeat(session, lease, LEASE_SECONDS)[0],
    "succeed": lambda session, lease: transitions.succeed(session, lease, {"version": "m@1"}),
    "fail": lambda session, lease: transitions.fail(session, lease, "code", "message", None),
    "cancel": lambda session, lease: transitions.stop(session, lease, "cancel"),
    "pause": lambda session, lease: transitions.stop(session, lease, "pause"),
    "hand back": transitions.release,
    "retry": lambda session, lease: transitions.requeue(session, lease, "message") is not None,
}


@pytest.mark.parametrize("move", WORKERS_MOVES)
def test_a_worker_that_lost_its_lease_changes_nothing(sessions: Sessions, job_id: str, move: str) -> None:
    zombie = claim(sessions, job_id, lease_seconds=-1)
    with sessions.begin() as session:
        assert transitions.expire(session, job_id, zombie.attempt) == State.QUEUED
    holder = claim(sessions, job_id)
    with sessions.begin() as session:
        assert not WORKERS_MOVES[move](session, zombie)
    with sessions.begin() as session:
        assert transitions.check_lease(session, holder)


@pytest.mark.parametrize("move", WORKERS_MOVES)
def test_the_holder_of_the_lease_may_make_each_move(sessions: Sessions, job_id: str, move: str) -> None:
    lease = claim(sessions, job_id)
    with sessions.begin() as session:
        assert WORKERS_MOVES[move](session, lease)


@pytest.mark.parametrize("state", sorted(TERMINAL))
def test_what_has_ended_is_moved_by_no_worker(sessions: Sessions, job_id: str, state: State) -> None:
    lease = bring_to(sessions, job_id, state)
    assert lease is not None
    with sessions.begin() as session:
        assert transitions.claim(session, job_id, "worker", LEASE_SECONDS) is None
        assert not requests.request_cancel(session, job_id)
        assert not requests.request_pause(session, job_id)
        assert not requests.resume(session, job_id)
        assert not any(move(session, lease) for move in WORKERS_MOVES.values())
    assert state_of(sessions, job_id) == state


def test_every_state_can_be_reached_and_what_has_ended_is_left_for_the_queue_alone() -> None:
    assert {after for _, after in MOVES} == set(State)
    assert set(State) - {before for before, _ in MOVES} == {State.SUCCEEDED}
    assert {after for before, after in MOVES if before in TERMINAL} == {State.QUEUED}


@pytest.mark.parametrize("state", State)
def test_a_failed_and_a_cancelled_job_can_be_retried_and_no_other(
    sessions: Sessions, job_id: str, state: State
) -> None:
    bring_to(sessions, job_id, state) if state != State.RUNNING else claim(sessions, job_id)
    with sessions.begin() as session:
        assert requests.reopen(session, job_id, attempts=2) == (state in RETRIABLE)
    if state not in RETRIABLE:
        assert state_of(sessions, job_id) == state
        return
    lease = claim(sessions, job_id)
    with sessions() as session:
        job = session.get_one(Job, job_id)
        assert (lease.attempt, job.max_attempts) == (2, 3)
        assert (job.finished_at, job.error_code) == (None, None)


def test_an_attempt_that_kept_something_does_not_count(sessions: Sessions, job_id: str) -> None:
    for attempt in range(1, 6):
        lease = claim(sessions, job_id, lease_seconds=-1)
        assert lease.attempt == attempt
        with sessions.begin() as session:
            assert transitions.check_lease(session, lease, kept=True)
        with sessions.begin() as session:
            assert transitions.expire(session, job_id, attempt) == State.QUEUED


def test_an_error_that_may_pass_is_waited_for_longer_each_time_and_not_for_ever(
    sessions: Sessions, job_id: str
) -> None:
    waits = []
    for _ in range(transitions.MOST_RETRIES):
        lease = claim(sessions, job_id)
        with sessions.begin() as session:
            assert transitions.requeue(session, lease, "OSError: no space left on device.") == State.QUEUED
        with sessions.begin() as session:
            assert transitions.claim(session, job_id, "worker", LEASE_SECONDS) is None
            job = session.get_one(Job, job_id)
            assert job.retry_at is not None
            waits.append(session.scalar(select(seconds_between(db_now(), Job.retry_at)).select_from(Job)))
            job.retry_at = job.queued_at
    assert waits == pytest.approx([5, 10, 20, 40, 80, 160, 300, 300, 300, 300], abs=2)
    lease = claim(sessions, job_id)
    with sessions.begin() as session:
        assert transitions.requeue(session, lease, "OSError: no space left on device.") == State.FAILED


def test_what_was_kept_between_two_errors_that_may_pass_starts_the_waiting_anew(
    sessions: Sessions, job_id: str
) -> None:
    for _ in range(2 * transitions.MOST_RETRIES):
        lease = claim(sessions, job_id)
        with sessions.begin() as session:
            assert transitions.check_lease(session, lease, kept=True)
        with sessions.begin() as session:
            assert transitions.requeue(session, lease, "OSError: gone.") == State.QUEUED
            session.execute(update(Job).values(retry_at=None))


@pytest.mark.parametrize("state", [State.QUEUED, State.PAUSED])
def test_a_job_that_no_worker_holds_is_cancelled_at_once(
    sessions: Sessions, job_id: str, state: State
) -> None:
    bring_to(sessions, job_id, state)
    with sessions.begin() as session:
        assert requests.request_cancel(session, job_id)
    assert state_of(sessions, job_id) == State.CANCELLED


@pytest.mark.parametrize("request_stop", [requests.request_cancel, requests.request_pause])
def test_the_heartbeat_brings_a_stop_request_to_the_worker(
    sessions: Sessions, job_id: str, request_stop: Callable[[Session, str], bool]
) -> None:
    lease = claim(sessions, job_id)
    with sessions.begin() as session:
        assert transitions.heartbeat(session, lease, LEASE_SECONDS) == (True, None)
        assert request_stop(session, job_id)
    with sessions.begin() as session:
        is_held, asked = transitions.heartbeat(session, lease, LEASE_SECONDS)
    assert is_held
    assert asked == request_stop.__name__.removeprefix("request_")


def test_a_pause_request_does_not_replace_a_cancel_request(sessions: Sessions, job_id: str) -> None:
    lease = claim(sessions, job_id)
    with sessions.begin() as session:
        assert requests.request_cancel(session, job_id)
        assert not requests.request_pause(session, job_id)
        assert transitions.heartbeat(session, lease, LEASE_SECONDS) == (True, "cancel")


@pytest.mark.parametrize("request_", ["cancel", "pause"])
@pytest.mark.parametrize("move", ["hand_back", "retry"])
def test_a_stop_that_is_asked_for_while_the_job_leaves_its_worker_is_not_lost(
    sessions: Sessions, job_id: str, move: str, request_: str
) -> None:
    lease = claim(sessions, job_id)
    ask = requests.request_cancel if request_ == "cancel" else requests.request_pause
    with sessions.begin() as session:
        assert ask(session, job_id)
    with sessions.begin() as session:
        if move == "hand_back":
            assert transitions.release(session, lease)
        else:
            assert transitions.requeue(session, lease, "disk full") is not None
    assert state_of(sessions, job_id) == (State.CANCELLED if request_ == "cancel" else State.PAUSED)


def test_a_cancel_overrules_a_pause_that_is_about_to_be_made(sessions: Sessions, job_id: str) -> None:
    lease = claim(sessions, job_id)
    with sessions.begin() as session:
        assert requests.request_cancel(session, job_id)
    with sessions.begin() as session:
        assert transitions.stop(session, lease, "pause")
    assert state_of(sessions, job_id) == State.CANCELLED


def test_a_paused_job_resumes_into_the_queue(sessions: Sessions, job_id: str) -> None:
    bring_to(sessions, job_id, State.PAUSED)
    with sessions.begin() as session:
        assert requests.resume(session, job_id)
    assert claim(sessions, job_id) == Lease(job_id, 2)


def test_a_job_can_be_paused_more_often_than_it_has_attempts(sessions: Sessions, job_id: str) -> None:
    for attempt in (1, 2, 3):
        lease = claim(sessions, job_id)
        assert lease.attempt == attempt
        with sessions.begin() as session:
            assert transitions.stop(session, lease, "pause")
            assert requests.resume(session, job_id)
    assert state_of(sessions, job_id) == State.QUEUED


def test_a_lease_that_has_not_run_out_does_not_expire(sessions: Sessions, job_id: str) -> None:
    lease = claim(sessions, job_id)
    with sessions.begin() as session:
        assert transitions.expire(session, job_id, lease.attempt) is None
    assert state_of(sessions, job_id) == State.RUNNING


def test_a_job_whose_attempts_are_used_up_fails_and_says_so(sessions: Sessions, job_id: str) -> None:
    states = []
    with sessions.begin() as session:
        session.get_one(Job, job_id).spec = {"estimate": {"memory_bytes": 3 << 30}}
    for _ in range(2):
        lease = claim(sessions, job_id, lease_seconds=-1)
        with sessions.begin() as session:
            states.append(transitions.expire(session, job_id, lease.attempt))
    assert states == [State.QUEUED, State.FAILED]
    with sessions() as session:
        job = session.get_one(Job, job_id)
        history = session.scalars(select(Event.message).where(Event.type == "job.lease_expired")).all()
    assert job.error_code == "attempts_exhausted"
    assert "All 2 attempts" in str(job.error_message)
    assert "out of memory and killed the worker; a step was estimated to need at least 3,072 MiB" in str(
        job.error_hint
    )
    assert len(history) == 2


@pytest.mark.parametrize(
    ("request_stop", "state"),
    [(requests.request_cancel, State.CANCELLED), (requests.request_pause, State.PAUSED)],
)
def test_a_silent_worker_that_was_asked_to_stop_is_not_replaced(
    sessions: Sessions, job_id: str, request_stop: Callable[[Session, str], bool], state: State
) -> None:
    lease = claim(sessions, job_id, lease_seconds=-1)
    with sessions.begin() as session:
        assert request_stop(session, job_id)
    with sessions.begin() as session:
        assert transitions.expire(session, job_id, lease.attempt) == state
    assert state_of(sessions, job_id) == state


def test_a_job_handed_back_keeps_its_attempts_and_gets_a_new_fence(sessions: Sessions, job_id: str) -> None:
    for attempt in (1, 2, 3):
        lease = claim(sessions, job_id)
        assert lease.attempt == attempt
        with sessions.begin() as session:
            assert transitions.release(session, lease)
    assert state_of(sessions, job_id) == State.QUEUED


@pytest.mark.parametrize(
    "impossible",
    [
        {"state": "lost"},
        {"state": "running"},
        {"lease_expires_at": db_now()},
        {"state": "succeeded"},
        {"finished_at": db_now()},
        {"attempt": 3},
        {"attempt": -1},
        {"stop_request": "explode"},
        {"source_dataset_id": None},
        {"target_dataset_id": "ds_unknown"},
        {"state": "failed", "finished_at": db_now()},
    ],
)
def test_the_database_refuses_what_cannot_be(
    sessions: Sessions, job_id: str, impossible: dict[str, object]
) -> None:
    with pytest.raises(IntegrityError), sessions.begin() as session:
        session.execute(update(Job).where(Job.id == job_id).values(**impossible))
