"""Which job is next: of the workspace that was served longest ago, the highest priority; there, of the owner
who was served longest ago, who came first.

An owner is served when a worker claims one of its jobs, counted for each queue, and a workspace with any of
its owners. So however many jobs the others have waiting, and whatever priority they give them, at most one
job of each workspace begins before another's next one, and within it one of each owner. A workspace or
owner with as many jobs running as it may have is passed over, and keeps its place.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import and_, delete, func, select
from sqlalchemy.orm import Session

from app.db.access_tables import Workspace
from app.db.clock import db_now
from app.db.locks import lock_name, lock_name_within
from app.db.tables import Job, Turn
from app.jobs.states import State
from app.jobs.transitions import is_due

FORGET_OWNER_SECONDS = 24 * 3600.0
"""An owner that was not served for so long is forgotten, and so counts as one that never was."""

LONGEST_WAIT_SECONDS = 1.0
"""How long a worker waits for another that chooses at the same time: a claim takes some milliseconds."""


@dataclass(frozen=True)
class _Owner:
    """An owner with jobs of one priority waiting in a queue."""

    workspace: str
    name: str
    priority: int
    came_at: datetime
    served: int  # the number of the last turn; 0 where there was none


def next_job(
    session: Session, queue: str, most_of_one_owner: int = 0, most_of_one_workspace: int = 0
) -> str | None:
    """The id of the job that a worker of this queue should claim; None where none may begin.

    `most_of_one_owner` jobs of an owner run at once, and `most_of_one_workspace` of a workspace that has no
    limit of its own; 0 sets no limit. Rows that another worker is about to claim are passed over.
    """
    full: set[tuple[str, str]] = set()
    full_workspaces: set[str] = set()
    if are_limited(session, most_of_one_owner, most_of_one_workspace):
        lock_name(session, "jobs", "turns")  # or two workers would both take the last slot
        full = _owners_at_limit(session, most_of_one_owner) if most_of_one_owner else full
        full_workspaces = _workspaces_at_limit(session, most_of_one_workspace)
    else:
        # Or two workers would both serve the owner who was served longest ago. Who holds the lock for long
        # keeps nobody from working: at worst an owner is served out of order.
        lock_name_within(session, "turns", queue, LONGEST_WAIT_SECONDS)
    for owner in _waiting_owners(session, queue):
        if owner.workspace in full_workspaces or (owner.workspace, owner.name) in full:
            continue
        if found := _first_of(session, queue, owner):
            return found
    return None


def are_limited(session: Session, most_of_one_owner: int, most_of_one_workspace: int) -> bool:
    """Whether a job may have to wait though there is a worker for it, as in `next_job`."""
    if most_of_one_owner or most_of_one_workspace:
        return True
    limited = select(Workspace.id).where(Workspace.max_running_jobs > 0).limit(1)
    return session.scalars(limited).first() is not None


def forget_idle_owners(session: Session) -> None:
    """Forget owners that were not served for a day, so that the table does not keep every owner for ever."""
    session.execute(delete(Turn).where(Turn.served_at < db_now(-FORGET_OWNER_SECONDS)))


def _owners_at_limit(session: Session, most: int) -> set[tuple[str, str]]:
    whose = Job.workspace_id, Job.owner
    running = select(*whose).where(Job.state == State.RUNNING).group_by(*whose)
    return {(workspace, owner) for workspace, owner in session.execute(running.having(func.count() >= most))}


def _workspaces_at_limit(session: Session, most: int) -> set[str]:
    allowed = func.coalesce(Workspace.max_running_jobs, most)
    running = (
        select(Job.workspace_id)
        .join(Workspace, Workspace.id == Job.workspace_id)
        .where(Job.state == State.RUNNING, allowed > 0)
        .group_by(Job.workspace_id, Workspace.max_running_jobs)
        .having(func.count() >= allowed)
    )
    return set(session.scalars(running))


def _waiting_owners(session: Session, queue: str) -> list[_Owner]:
    """The owners who wait, in the order in which they are served."""
    whose = Job.workspace_id, Job.owner, Job.priority
    waiting = (
        select(*whose, func.min(Job.queued_at).label("came_at"))
        .where(*_due_in(queue))
        .group_by(*whose)
        .subquery()
    )
    of_it = Turn.workspace_id == waiting.c.workspace_id, Turn.owner == waiting.c.owner
    rows = session.execute(
        select(waiting, func.coalesce(Turn.number, 0)).outerjoin(Turn, and_(Turn.queue == queue, *of_it))
    )
    owners = [_Owner(*row) for row in rows]
    turns = _turns_of_workspaces(session, queue)
    came: dict[str, datetime] = {}
    for owner in owners:
        came[owner.workspace] = min(owner.came_at, came.get(owner.workspace, owner.came_at))

    def turn(owner: _Owner) -> tuple[Any, ...]:
        workspace = turns.get(owner.workspace, 0), came[owner.workspace], owner.workspace
        return *workspace, -owner.priority, owner.served, owner.came_at, owner.name

    return sorted(owners, key=turn)


def _turns_of_workspaces(session: Session, queue: str) -> dict[str, int]:
    """The number of each workspace's last turn."""
    last = select(Turn.workspace_id, func.max(Turn.number)).where(Turn.queue == queue)
    return dict(session.execute(last.group_by(Turn.workspace_id)).all())


def _due_in(queue: str) -> tuple[Any, ...]:
    return Job.state == State.QUEUED, Job.queue == queue, is_due()


def _first_of(session: Session, queue: str, owner: _Owner) -> str | None:
    first = (
        select(Job.id)
        .where(
            *_due_in(queue),
            Job.workspace_id == owner.workspace,
            Job.owner == owner.name,
            Job.priority == owner.priority,
        )
        .order_by(Job.queued_at, Job.id)
        .limit(1)
        .with_for_update(skip_locked=True)
    )
    return session.scalars(first).first()
