"""The moves of a job that workers make, each one conditional UPDATE: who loses a race changes nothing.

They are the same for jobs of all kinds; `requests.py` has those that users ask for. A worker's moves are
fenced by its attempt. A `False` answer means "not mine any more: stop". Each move writes its event in the
same transaction.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlalchemy import case, null, or_, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from app.db.clock import db_now
from app.db.tables import Job, JobStage, Turn
from app.jobs.events import record
from app.jobs.moves import changed, ended_values, finished_stages, queued_values
from app.jobs.states import State
from app.redaction import without_paths, without_secrets

MOST_RETRIES = 10
"""Tries one after the other at what met an error that may pass, with nothing kept between: 25 minutes."""

OUT_OF_TIME = "out_of_time"

_FIRST_WAIT = 5.0
_LONGEST_WAIT = 300.0


def wait_before(retries: int) -> float:
    """Seconds before so many tries one after the other, the last of them included, are made."""
    return min(_LONGEST_WAIT, _FIRST_WAIT * 2.0 ** (retries - 1))


@dataclass(frozen=True)
class Lease:
    """A claimed attempt: the fence that each later write of its worker must pass."""

    job_id: str
    attempt: int


def _running_update(lease: Lease) -> Any:
    return (
        update(Job)
        .where(Job.id == lease.job_id, Job.state == State.RUNNING, Job.attempt == lease.attempt)
        .values(state=State.RUNNING)
    )


@dataclass(frozen=True)
class _Facts:
    """What decides where a running job goes."""

    stop_request: str | None
    kept_attempt: int
    retries: int


def _locked(session: Session, lease: Lease, *conditions: Any) -> _Facts | None:
    """The job's facts, its row locked for the rest of the transaction, so that no request comes between.

    None: it is not this attempt's any more.
    """
    row = session.execute(
        select(Job.stop_request, Job.kept_attempt, Job.retries)
        .where(Job.id == lease.job_id, Job.state == State.RUNNING, Job.attempt == lease.attempt, *conditions)
        .with_for_update()
    ).one_or_none()
    return None if row is None else _Facts(*row)


def claim(session: Session, job_id: str, worker: str, lease_seconds: float) -> Lease | None:
    """queued → running. None when the job is not to be had: taken, ended, paused or unknown."""
    statement = (
        update(Job)
        .where(Job.id == job_id, Job.state == State.QUEUED, is_due())
        .values(
            state=State.RUNNING,
            attempt=Job.attempt + 1,
            worker=worker,
            retry_at=null(),
            lease_expires_at=db_now(lease_seconds),
            started_at=case((Job.started_at.is_(None), db_now()), else_=Job.started_at),
        )
    )
    if not changed(session, statement):
        return None
    attempt, queue, workspace, owner = session.execute(
        select(Job.attempt, Job.queue, Job.workspace_id, Job.owner).where(Job.id == job_id)
    ).one()
    begun = record(session, job_id, attempt, "job.started", f"Attempt {attempt} began.", worker=worker)
    session.flush()  # gives the event its number
    _record_turn(session, queue, workspace, owner, begun.id)
    return Lease(job_id, attempt)


def is_due() -> Any:
    """Whether a queued job waits for a worker alone, and not for a time to try again."""
    return or_(Job.retry_at.is_(None), Job.retry_at <= db_now())


def check_lease(session: Session, lease: Lease, *, kept: bool = False) -> bool:
    """Pass the fence inside a transaction: what follows in it is the holder's own, or nothing is.

    `kept` says that something durable follows, so that the attempt was not for nothing.
    """
    statement = _running_update(lease)
    return changed(session, statement.values(kept_attempt=lease.attempt) if kept else statement)


def heartbeat(
    session: Session, lease: Lease, lease_seconds: float, ran: float = 0.0
) -> tuple[bool, str | None]:
    """Renew the lease; answer whether it is still held and which stop is asked for, if any.

    `ran`: seconds since the last heartbeat. A job that has run for longer than it may is to stop, too.
    """
    values = {"lease_expires_at": db_now(lease_seconds), "ran_seconds": Job.ran_seconds + ran}
    if not changed(session, _running_update(lease).values(**values)):
        return False, None
    asked, over = session.execute(
        select(Job.stop_request, Job.ran_seconds >= Job.max_seconds).where(Job.id == lease.job_id)
    ).one()
    return True, OUT_OF_TIME if over and asked is None else asked


def succeed(session: Session, lease: Lease, result: dict[str, Any], message: str | None = None) -> bool:
    """running → succeeded. The caller inserts what the job made in the same transaction.

    Without a `message` the event tells the result, a transfer's; else that, and the result is in the job.
    """
    moved = changed(
        session,
        _running_update(lease).values(
            **ended_values(State.SUCCEEDED), result=result, progress=_full_progress(session, lease)
        ),
    )
    if moved:
        told = {} if message is not None else result
        message = message or f"Made {result['version']}."
        record(session, lease.job_id, lease.attempt, "job.succeeded", message, **told)
    return moved


def fail(session: Session, lease: Lease, code: str, message: str, hint: str | None) -> bool:
    """running → failed, with what the user can do about it."""
    message = _public_message(message)
    error = {"error_code": code, "error_message": message, "error_hint": hint}
    moved = changed(session, _running_update(lease).values(**ended_values(State.FAILED), **error))
    if moved:
        record(
            session, lease.job_id, lease.attempt, "job.failed", message, level="error", code=code, hint=hint
        )
    return moved


def stop(session: Session, lease: Lease, request: str) -> bool:
    """running → cancelled or paused: the worker did as it was asked. A cancel overrules a pause."""
    facts = _locked(session, lease)
    paused = request == "pause" and facts is not None and facts.stop_request != "cancel"
    values = _queued_uncounted() | {"state": State.PAUSED} if paused else ended_values(State.CANCELLED)
    moved = changed(session, _running_update(lease).values(**values))
    if moved:
        record(
            session,
            lease.job_id,
            lease.attempt,
            f"job.{values['state']}",
            f"Stopped as asked. {finished_stages(session, lease.job_id)}",
        )
    return moved


def release(session: Session, lease: Lease) -> bool:
    """running → queued by a worker that shuts down; what was asked of the job meanwhile comes first."""
    facts = _locked(session, lease)
    if facts is not None and facts.stop_request is not None:
        return stop(session, lease, facts.stop_request)
    moved = changed(session, _running_update(lease).values(**_queued_uncounted()))
    if moved:
        record(
            session,
            lease.job_id,
            lease.attempt,
            "job.queued",
            "Its worker shut down; the job is back in the queue.",
        )
    return moved


def requeue(
    session: Session,
    lease: Lease,
    message: str,
    *,
    most: int = MOST_RETRIES,
    code: str = "attempts_exhausted",
    hint: str = "When disk, storage and database work again, POST /v1/jobs/{job}:retry continues from here.",
) -> State | None:
    """running → queued after an error that may pass, to be tried again after a while, longer each time.

    → failed, with this code and hint, after `most` in a row that kept nothing. → cancelled or paused, where
    that was asked for meanwhile.
    """
    facts, message = _locked(session, lease), _public_message(message)
    if facts is None:
        return None
    if facts.stop_request is not None:
        stop(session, lease, facts.stop_request)
        return State.CANCELLED if facts.stop_request == "cancel" else State.PAUSED
    retries = 0 if facts.kept_attempt == lease.attempt else facts.retries
    if retries < most:
        wait = wait_before(retries + 1)
        state, values = State.QUEUED, _queued_uncounted() | {"retries": retries + 1, "retry_at": db_now(wait)}
        message = f"{message} Next try in {wait:.0f} s."
    else:
        state = State.FAILED
        values = ended_values(state) | {"error_code": code, "error_message": message, "error_hint": hint}
    if not changed(session, _running_update(lease).values(**values)):
        return None
    type_ = "job.retried" if state == State.QUEUED else "job.failed"
    record(session, lease.job_id, lease.attempt, type_, message, level="warning")
    return state


def expire(session: Session, job_id: str, attempt: int) -> State | None:
    """Take a job from a worker that fell silent: queued again, stopped as asked, or failed for good."""
    lease = Lease(job_id, attempt)
    if _locked(session, lease, Job.lease_expires_at < db_now()) is None:
        return None
    lost = _running_update(lease)
    job = session.get_one(Job, job_id, populate_existing=True)
    if job.stop_request == "cancel":
        state, values = State.CANCELLED, ended_values(State.CANCELLED)
    elif job.stop_request == "pause":
        state, values = State.PAUSED, _queued_uncounted() | {"state": State.PAUSED}
    elif job.kept_attempt == attempt:  # it was not for nothing, so it does not count
        state, values = State.QUEUED, _queued_uncounted()
    elif attempt < job.max_attempts:
        state, values = State.QUEUED, queued_values()
    else:
        state, values = State.FAILED, ended_values(State.FAILED) | _out_of_attempts(session, job)
    if not changed(session, lost.values(**values)):
        return None
    message = f"The worker of attempt {attempt} ({job.worker}) stopped responding; the job is {state}."
    record(session, job_id, attempt, "job.lease_expired", message, level="warning", worker=job.worker)
    return state


def _record_turn(session: Session, queue: str, workspace: str, owner: str, number: int) -> None:
    """Write down that a job of the owner was claimed, for `turns`; `number` grows from claim to claim."""
    insert: Any = sqlite.insert if session.get_bind().dialect.name == "sqlite" else postgresql.insert
    whose = {"queue": queue, "workspace_id": workspace, "owner": owner}
    statement = insert(Turn).values(**whose, number=number, served_at=db_now())
    session.execute(
        statement.on_conflict_do_update(
            index_elements=[Turn.queue, Turn.workspace_id, Turn.owner],
            set_={"number": number, "served_at": db_now()},
        )
    )


def _public_message(message: str) -> str:
    """What went wrong without what lies where on the server, or the statement that the database was given."""
    return without_secrets(without_paths(message.partition("\n[SQL: ")[0]))


def _queued_uncounted() -> dict[str, Any]:
    """Waiting after an attempt that does not count; its number is not used again, since it is the fence."""
    return queued_values() | {"max_attempts": Job.max_attempts + 1}


def _full_progress(session: Session, lease: Lease) -> dict[str, Any]:
    progress = session.scalars(select(Job.progress).where(Job.id == lease.job_id)).one_or_none() or {}
    of_it = select(JobStage.stage).where(JobStage.job_id == lease.job_id)
    last = session.scalars(of_it.order_by(JobStage.position.desc())).first()
    return {"stage": last, **progress, "fraction": 1.0, "seconds_remaining": 0.0}


def _out_of_attempts(session: Session, job: Job) -> dict[str, Any]:
    return {
        "error_code": "attempts_exhausted",
        "error_message": (
            f"All {job.max_attempts} attempts lost their worker (the last one {job.worker}), and the last "
            "attempt made no progress."
        ),
        "error_hint": (
            f"Often the system ran out of memory and killed the worker{_estimated(job)}. Lower "
            "`training.batch_size` or the network, or give the workers more memory; see the worker's log and "
            "the job's events."
        ),
    }


def _estimated(job: Job) -> str:
    estimate = job.spec.get("estimate")
    if not estimate:
        return ""
    return f"; a step was estimated to need at least {estimate['memory_bytes'] / 2**20:,.0f} MiB"
