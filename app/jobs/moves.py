"""What all moves of jobs share: the conditional UPDATE, and the values of a job that waits or has ended."""

from __future__ import annotations

from typing import Any

from sqlalchemy import CursorResult, null, select
from sqlalchemy.orm import Session

from app.db.clock import db_now
from app.db.tables import JobStage
from app.jobs.states import TERMINAL, State


def changed(session: Session, statement: Any) -> bool:
    """Execute an UPDATE; whether it met its row."""
    result = session.execute(statement.execution_options(synchronize_session=False))
    assert isinstance(result, CursorResult)
    return result.rowcount == 1


def queued_values() -> dict[str, Any]:
    """What was begun keeps its place before what came later: `queued_at` stays."""
    return {
        "state": State.QUEUED,
        "lease_expires_at": null(),
        "stop_request": null(),
        "worker": null(),
        "announced_at": null(),
    }


def ended_values(state: State) -> dict[str, Any]:
    """Of a job that ends in this state."""
    assert state in TERMINAL
    return {"state": state, "lease_expires_at": null(), "stop_request": null(), "finished_at": db_now()}


def finished_stages(session: Session, job_id: str) -> str:
    """What a job has finished, in words."""
    done = session.scalars(
        select(JobStage.stage).where(JobStage.job_id == job_id, JobStage.state == "finished")
    ).all()
    return f"Finished stages: {', '.join(done) or 'none'}."
