"""The event log of a job: written beside each change, in the same transaction."""

from __future__ import annotations

from typing import Any

from sqlalchemy.orm import Session

from app.db.tables import Event


def record(
    session: Session, job_id: str, attempt: int, type_: str, message: str, *, level: str = "info", **data: Any
) -> Event:
    """Append an event; `attempt` 0 is the service itself rather than a worker."""
    event = Event(job_id=job_id, attempt=attempt, level=level, type=type_, message=message, data=data)
    session.add(event)
    return event
