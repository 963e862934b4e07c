"""The event log of a job: written beside each change, in the same transaction."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Any

from sqlalchemy import event as on
from sqlalchemy.orm import Session

from app.db.session import Sessions
from app.db.tables import Event

_CHANGED = "changed jobs"


def record(
    session: Session, job_id: str, attempt: int, type_: str, message: str, *, level: str = "info", **data: Any
) -> Event:
    """Append an event; `attempt` 0 is the service itself rather than a worker."""
    event = Event(job_id=job_id, attempt=attempt, level=level, type=type_, message=message, data=data)
    session.add(event)
    session.info.setdefault(_CHANGED, set()).add(job_id)
    return event


def telling(sessions: Sessions, tell: Callable[[Collection[str]], None]) -> Sessions:
    """The sessions, whose commits are followed by telling which jobs have new events."""

    def committed(session: Session) -> None:
        if not session.in_nested_transaction() and session.info.get(_CHANGED):
            tell(session.info.pop(_CHANGED))

    on.listen(sessions, "after_commit", committed)
    on.listen(sessions, "after_rollback", lambda session: session.info.pop(_CHANGED, None))
    return sessions
