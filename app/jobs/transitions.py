"""The moves of a job, each one conditional UPDATE: who loses a race changes nothing.

A worker's moves are fenced by its attempt. A `False` answer means "not mine any more: stop".
Each move writes its event in the same transaction.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlalchemy import CursorResult, case, null, or_, select, update
from sqlalchemy.orm import Session

from app.db.clock import db_now
from app.db.tables import Job, JobStage
from app.jobs.events import record
from app.jobs.states import TERMINAL, Stage, State


@dataclass(frozen=True)
class Lease:
    """A claimed attempt: the fence that each later write of its worker must pass."""

    job_id: str
    attempt: int


def _changed(session: Session, statement: Any) -> bool:
    result = session.execute(statement.execution_options(synchronize_session=False))
    assert isinstance(result, CursorResult)
    return result.rowcount == 1


def _held(lease: Lease) -> Any:
    return (
        update(Job)
        .where(Job.id == lease.job_id, Job.state == State.RUNNING, Job.attempt == lease.attempt)
        .values(state=State.RUNNING)
    )


def claim(session: Session, job_id: str, worker: str, lease_seconds: float) -> Lease | None:
    """queued → running. None when the job is not to be had: taken, ended, paused or unknown."""
    statement = (
        update(Job)
        .where(Job.id == job_id, Job.state == State.QUEUED)
        .values(
            state=State.RUNNING,
            attempt=Job.attempt + 1,
            worker=worker,
            lease_expires_at=db_now(lease_seconds),
            started_at=case((Job.started_at.is_(None), db_now()), else_=Job.started_at),
        )
    )
    if not _changed(session, statement):
        return None
    attempt = session.scalars(select(Job.attempt).where(Job.id == job_id)).one()
    record(session, job_id, attempt, "job.started", f"Attempt {attempt} began.", worker=worker)
    return Lease(job_id, attempt)


def hold(session: Session, lease: Lease) -> bool:
    """Pass the fence inside a transaction: what follows in it is the holder's own, or nothing is."""
    return _changed(session, _held(lease))


def heartbeat(session: Session, lease: Lease, lease_seconds: float) -> tuple[bool, str | None]:
    """Renew the lease; answer whether it is still held and which stop is asked for, if any."""
    if not _changed(session, _held(lease).values(lease_expires_at=db_now(lease_seconds))):
        return False, None
    return True, session.scalars(select(Job.stop_request).where(Job.id == lease.job_id)).one()


def succeed(session: Session, lease: Lease, result: dict[str, Any]) -> bool:
    """running → succeeded. The caller inserts the version in the same transaction."""
    moved = _changed(
        session, _held(lease).values(**_end(State.SUCCEEDED), result=result, progress=_whole(session, lease))
    )
    if moved:
        record(session, lease.job_id, lease.attempt, "job.succeeded", f"Made {result['version']}.", **result)
    return moved


def fail(session: Session, lease: Lease, code: str, message: str, hint: str | None) -> bool:
    """running → failed, with what the user can do about it."""
    error = {"error_code": code, "error_message": message, "error_hint": hint}
    moved = _changed(session, _held(lease).values(**_end(State.FAILED), **error))
    if moved:
        record(
            session, lease.job_id, lease.attempt, "job.failed", message, level="error", code=code, hint=hint
        )
    return moved


def stop(session: Session, lease: Lease, request: str) -> bool:
    """running → cancelled or paused: the worker did as it was asked."""
    paused = request == "pause"
    values = _uncounted() | {"state": State.PAUSED} if paused else _end(State.CANCELLED)
    moved = _changed(session, _held(lease).values(**values))
    if moved:
        record(
            session, lease.job_id, lease.attempt, f"job.{values['state']}", _stopped(session, lease.job_id)
        )
    return moved


def hand_back(session: Session, lease: Lease) -> bool:
    """running → queued by a worker that shuts down."""
    moved = _changed(session, _held(lease).values(**_uncounted()))
    if moved:
        record(session, lease.job_id, lease.attempt, "job.queued", "Its worker shut down and handed it back.")
    return moved


def retry(session: Session, lease: Lease, message: str) -> State | None:
    """running → queued after an error that may pass, or → failed when no attempts are left."""
    job = session.get_one(Job, lease.job_id)
    if lease.attempt < job.max_attempts:
        state, values = State.QUEUED, _waiting()
    else:
        state = State.FAILED
        values = _end(state) | {
            "error_code": "attempts_exhausted",
            "error_message": message,
            "error_hint": None,
        }
    if not _changed(session, _held(lease).values(**values)):
        return None
    record(session, lease.job_id, lease.attempt, f"job.{state}", message, level="warning")
    return state


def request_cancel(session: Session, job_id: str) -> bool:
    """At once where nobody works on it; otherwise a request that the heartbeat brings to the worker."""
    statement = update(Job).where(Job.id == job_id)
    idle = statement.where(Job.state.in_([State.QUEUED, State.PAUSED]))
    if _changed(session, idle.values(**_end(State.CANCELLED))):
        record(session, job_id, 0, "job.cancelled", "Cancelled while no worker held it.")
        return True
    running = statement.where(Job.state == State.RUNNING)
    if _changed(session, running.where(_not_asked("cancel")).values(stop_request="cancel")):
        record(session, job_id, 0, "job.cancel_requested", "Its worker is asked to stop.")
        return True
    return _changed(session, running.values(stop_request="cancel"))


def request_pause(session: Session, job_id: str) -> bool:
    """At once for a queued job; otherwise a request that the heartbeat brings to the worker."""
    statement = update(Job).where(Job.id == job_id)
    queued = statement.where(Job.state == State.QUEUED)
    if _changed(session, queued.values(state=State.PAUSED)):
        record(session, job_id, 0, "job.paused", "Paused before a worker began.")
        return True
    running = statement.where(
        Job.state == State.RUNNING, or_(Job.stop_request.is_(None), ~_not_asked("pause"))
    )
    return _changed(session, running.values(stop_request="pause"))


def resume(session: Session, job_id: str) -> bool:
    """paused → queued."""
    statement = update(Job).where(Job.id == job_id, Job.state == State.PAUSED)
    moved = _changed(session, statement.values(state=State.QUEUED, queued_at=db_now(), announced_at=db_now()))
    if moved:
        record(session, job_id, 0, "job.queued", "Resumed.")
    return moved


def expire(session: Session, job_id: str, attempt: int) -> State | None:
    """Take a job from a worker that fell silent: queued again, stopped as asked, or failed for good."""
    job = session.get_one(Job, job_id)
    lease = Lease(job_id, attempt)
    lost = _held(lease).where(Job.lease_expires_at < db_now())
    if job.stop_request == "cancel":
        state, values = State.CANCELLED, _end(State.CANCELLED)
    elif job.stop_request == "pause":
        state, values = State.PAUSED, _uncounted() | {"state": State.PAUSED}
    elif attempt < job.max_attempts:
        state, values = State.QUEUED, _waiting()
    else:
        state, values = State.FAILED, _end(State.FAILED) | _out_of_attempts(session, job)
    if not _changed(session, lost.values(**values)):
        return None
    message = f"Attempt {attempt} fell silent (worker {job.worker}); the job is {state}."
    record(session, job_id, attempt, "job.lease_expired", message, level="warning", worker=job.worker)
    return state


def _not_asked(request: str) -> Any:
    return or_(Job.stop_request.is_(None), Job.stop_request != request)


def _waiting() -> dict[str, Any]:
    return {
        "state": State.QUEUED,
        "lease_expires_at": null(),
        "stop_request": null(),
        "worker": null(),
        "queued_at": db_now(),
        "announced_at": null(),
    }


def _uncounted() -> dict[str, Any]:
    """Waiting after an attempt that does not count; its number is not used again, since it is the fence."""
    return _waiting() | {"max_attempts": Job.max_attempts + 1}


def _end(state: State) -> dict[str, Any]:
    assert state in TERMINAL
    return {"state": state, "lease_expires_at": null(), "stop_request": null(), "finished_at": db_now()}


def _whole(session: Session, lease: Lease) -> dict[str, Any]:
    progress = session.scalars(select(Job.progress).where(Job.id == lease.job_id)).one_or_none() or {}
    return {"stage": Stage.EXPORT, **progress, "fraction": 1.0, "seconds_remaining": 0.0}


def _stopped(session: Session, job_id: str) -> str:
    done = session.scalars(
        select(JobStage.stage).where(JobStage.job_id == job_id, JobStage.state == "finished")
    ).all()
    return f"Stopped as asked; finished stages: {', '.join(done) or 'none'}."


def _out_of_attempts(session: Session, job: Job) -> dict[str, Any]:
    return {
        "error_code": "attempts_exhausted",
        "error_message": (
            f"All {job.max_attempts} attempts lost their worker without a word (last: {job.worker})."
        ),
        "error_hint": "Usually memory ran out: see the worker's log and the job's events, then try again.",
    }
