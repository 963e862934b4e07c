"""The moves of a job that users ask for, of whatever kind it is: cancel, pause, resume, retry."""

from __future__ import annotations

from typing import Any

from sqlalchemy import null, or_, update
from sqlalchemy.orm import Session

from app.db.clock import db_now
from app.db.tables import Job
from app.jobs.events import record
from app.jobs.moves import changed, ended_values, finished_stages, queued_values
from app.jobs.states import RETRIABLE, State


def request_cancel(session: Session, job_id: str) -> bool:
    """At once where nobody works on it; otherwise a request that the heartbeat brings to the worker."""
    statement = update(Job).where(Job.id == job_id)
    idle = statement.where(Job.state.in_([State.QUEUED, State.PAUSED]))
    if changed(session, idle.values(**ended_values(State.CANCELLED))):
        record(session, job_id, 0, "job.cancelled", "Cancelled while no worker was running it.")
        return True
    running = statement.where(Job.state == State.RUNNING)
    if changed(session, running.where(_not_asked("cancel")).values(stop_request="cancel")):
        record(session, job_id, 0, "job.cancel_requested", "Its worker is asked to stop.")
        return True
    return changed(session, running.values(stop_request="cancel"))


def request_pause(session: Session, job_id: str) -> bool:
    """At once for a queued job; otherwise a request that the heartbeat brings to the worker."""
    statement = update(Job).where(Job.id == job_id)
    queued = statement.where(Job.state == State.QUEUED)
    if changed(session, queued.values(state=State.PAUSED)):
        record(session, job_id, 0, "job.paused", "Paused before a worker began.")
        return True
    running = statement.where(
        Job.state == State.RUNNING, or_(Job.stop_request.is_(None), ~_not_asked("pause"))
    )
    return changed(session, running.values(stop_request="pause"))


def resume(session: Session, job_id: str) -> bool:
    """paused → queued."""
    statement = update(Job).where(Job.id == job_id, Job.state == State.PAUSED)
    moved = changed(session, statement.values(state=State.QUEUED, queued_at=db_now(), announced_at=db_now()))
    if moved:
        record(session, job_id, 0, "job.queued", "Resumed.")
    return moved


def reopen(session: Session, job_id: str, attempts: int) -> bool:
    """failed or cancelled → queued, with so many attempts; finished stages stay finished."""
    values = queued_values() | {
        "finished_at": null(),
        "max_attempts": Job.attempt + attempts,
        "retries": 0,
        "retry_at": null(),
        "ran_seconds": 0.0,
        "queued_at": db_now(),
        "announced_at": db_now(),
        **dict.fromkeys(("error_code", "error_message", "error_hint"), null()),
    }
    ended = update(Job).where(Job.id == job_id, Job.state.in_(sorted(RETRIABLE)))
    moved = changed(session, ended.values(**values))
    if moved:
        record(session, job_id, 0, "job.queued", f"Retried. {finished_stages(session, job_id)}")
    return moved


def _not_asked(request: str) -> Any:
    return or_(Job.stop_request.is_(None), Job.stop_request != request)
