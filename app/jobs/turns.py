"""Whose turn it is: the highest priority, the owner with the fewest jobs at work, then who came first."""

from __future__ import annotations

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from app.db.locks import lock_name
from app.db.tables import Job
from app.jobs.states import State
from app.jobs.transitions import is_due


def next_job(session: Session, queue: str, most_of_one_owner: int = 0) -> str | None:
    """The id of the job that a worker of this queue should claim; None where none may begin.

    `most_of_one_owner` jobs of an owner run at once; 0 sets no limit. Rows that another worker is about to
    claim are passed over.
    """
    if most_of_one_owner:
        lock_name(session, "jobs", "turns")  # or two workers would both take an owner's last place
    at_work = dict(
        session.execute(
            select(Job.owner, func.count()).where(Job.state == State.RUNNING).group_by(Job.owner)
        ).all()
    )
    waiting = (Job.state == State.QUEUED, Job.queue == queue, is_due())
    owners = session.execute(
        select(Job.owner, Job.priority, func.min(Job.queued_at))
        .where(*waiting)
        .group_by(Job.owner, Job.priority)
    ).all()
    for owner, priority, _ in sorted(owners, key=lambda row: (-row[1], at_work.get(row[0], 0), row[2])):
        if most_of_one_owner and at_work.get(owner, 0) >= most_of_one_owner:
            continue
        first = (
            select(Job.id)
            .where(*waiting, Job.owner == owner, Job.priority == priority)
            .order_by(Job.queued_at, Job.id)
            .limit(1)
            .with_for_update(skip_locked=True)
        )
        if found := session.scalars(first).first():
            return found
    return None
