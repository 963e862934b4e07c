"""The sweep: announces jobs whose message was lost, takes jobs from silent workers, deletes orphan files.

It runs beside the broker, not through it: what heals lost messages must not need one.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from datetime import datetime
from typing import Any

from sqlalchemy import and_, case, delete, func, or_, select, update
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from app.broker import Broker
from app.datasets.service import uses_dataset
from app.db.clock import db_now
from app.db.output_tables import JobFile
from app.db.session import Sessions
from app.db.tables import Artifact, Dataset, Job, JobStage, SourceRun, StagePart, TrainedRows
from app.jobs import retention, transitions
from app.jobs.states import RETRIABLE, Kind, State
from app.jobs.transitions import MOST_RETRIES, is_due, wait_before
from app.settings import Settings
from app.storage import Storage

log = logging.getLogger(__name__)


class DatabaseClock:
    """Tells when the database's clock is set forward, as it is where a laptop wakes up.

    Every lease has run out then, though its worker is well: it needs a moment to renew it.
    """

    def __init__(self, lease_seconds: float, elapsed: Callable[[], float] = time.monotonic) -> None:
        self._lease_seconds, self._elapsed = lease_seconds, elapsed
        self._seen: tuple[datetime, float] | None = None
        self._settled_at = elapsed()

    def unsettle(self) -> None:
        """No lease could be renewed while the database was away."""
        self._settled_at = self._elapsed() + self._lease_seconds

    def is_settled(self, sessions: Sessions) -> bool:
        """Whether it ran evenly for as long as a lease lasts."""
        with sessions() as session:
            now = session.execute(select(db_now())).scalar_one()
        elapsed = self._elapsed()
        if self._seen is not None:
            ahead = (now - self._seen[0]).total_seconds() - (elapsed - self._seen[1])
            if ahead > self._lease_seconds / 2:
                log.warning("the database's clock was set forward by %.0f s; no lease expires for now", ahead)
                self._settled_at = elapsed + self._lease_seconds
        self._seen = now, elapsed
        return elapsed >= self._settled_at


def shorten_leases(sessions: Sessions, lease_seconds: float) -> int:
    """Shorten leases and waits that end later than they can: the clock was set back since. How many?

    A worker that lives renews its lease as always; one that is gone would hold its job for so long.
    """
    running = Job.state == State.RUNNING, Job.lease_expires_at > db_now(2 * lease_seconds)
    waiting = Job.state == State.QUEUED, Job.retry_at > _next_try(2)
    statements = (
        update(Job).where(*running).values(lease_expires_at=db_now(lease_seconds)),
        update(Job).where(*waiting).values(retry_at=_next_try(1)),
    )
    with sessions.begin() as session:
        done = [session.execute(one.returning(Job.id)).all() for one in statements]
    return sum(map(len, done))


def _next_try(times: float) -> Any:
    """When a job is tried again after so many times the wait that its retries mean."""
    waits = {retries: wait_before(retries) for retries in range(1, MOST_RETRIES + 1)}
    moments = {retries: db_now(times * wait) for retries, wait in waits.items()}
    return case(moments, value=Job.retries, else_=db_now(times * waits[MOST_RETRIES]))


def expire_leases(sessions: Sessions) -> list[str]:
    """Take running jobs from workers that let their lease run out; answer the jobs' ids."""
    with sessions.begin() as session:
        lost = session.execute(
            select(Job.id, Job.attempt).where(Job.state == State.RUNNING, Job.lease_expires_at < db_now())
        ).all()
        return [job_id for job_id, attempt in lost if transitions.expire(session, job_id, attempt)]


def announce(sessions: Sessions, broker: Broker, resend_seconds: float) -> list[str]:
    """Send queued jobs that no message in the broker can stand for; answer their ids."""
    with sessions.begin() as session:
        due = _due(session, resend_seconds)
        counted = (
            select(Job.queue, func.count()).where(Job.state == State.QUEUED, is_due()).group_by(Job.queue)
        )
        queued = dict(session.execute(counted).all())
    sent = []
    for queue, job_ids in due.items():
        waiting = broker.count_waiting(queue)
        if waiting is not None and waiting < queued.get(queue, 0):
            sent += [job_id for job_id in job_ids if broker.notify(queue)]
    with sessions.begin() as session:
        session.execute(update(Job).where(Job.id.in_(sent)).values(announced_at=db_now()))
    return sent


def _due(session: Session, resend_seconds: float) -> dict[str, list[str]]:
    """Ids by queue."""
    silent = or_(
        Job.announced_at.is_(None),
        Job.announced_at < db_now(-resend_seconds),
        Job.announced_at > db_now(),  # the clock was set back
    )
    due = Job.state == State.QUEUED, is_due(), silent
    queues = session.scalars(select(Job.queue).where(*due).distinct()).all()
    oldest = select(Job.id).where(*due).order_by(Job.queued_at).limit(1000)
    # Each by itself: a long queue must not hide what was lost of another.
    return {queue: list(session.scalars(oldest.where(Job.queue == queue))) for queue in queues}


def _open_or_retriable(retry_seconds: float) -> Any:
    """Whether a job is open, or may be retried from where it stood."""
    lately = and_(Job.state.in_(sorted(RETRIABLE)), Job.finished_at > db_now(-retry_seconds))
    return or_(Job.finished_at.is_(None), lately)


def orphans(sessions: Sessions, storage: Storage, seconds: float, retry_seconds: float) -> set[str]:
    """Digests of files that nothing refers to and that nobody put for a while."""
    old = set(storage.old(seconds))
    if not old:
        return old
    with sessions() as session:
        return old - referenced(session, retry_seconds)


def forget_parts(sessions: Sessions, retry_seconds: float) -> int:
    """Drop what stages of ended jobs kept of their trainings: no attempt will ask for it again."""
    wanted = select(Job.id).where(_open_or_retriable(retry_seconds))
    with sessions.begin() as session:
        gone = delete(StagePart).where(StagePart.job_id.not_in(wanted)).returning(StagePart.key)
        return len(session.scalars(gone).all())


def referenced(session: Session, retry_seconds: float) -> set[str]:
    """Digests of all files that something still needs."""
    open_jobs = select(Job.id).where(_open_or_retriable(retry_seconds))
    kept_jobs = select(Job.id).where(Job.kind != Kind.TRANSFER, Job.state == State.SUCCEEDED)
    uses = uses_dataset(Dataset.id)
    queries = (
        select(Dataset.digest).where(Dataset.deleted_at.is_(None)),
        select(Dataset.rows_digest).where(Dataset.deleted_at.is_(None)),
        select(Dataset.digest).join(Job, uses).where(Job.finished_at.is_(None)),
        select(Dataset.rows_digest).join(Job, uses).where(Job.finished_at.is_(None)),
        select(Artifact.digest),
        select(TrainedRows.digest),
        select(SourceRun.output_digest),
        select(SourceRun.rows_digest),
        select(JobStage.output_digest).where(JobStage.job_id.in_(open_jobs)),
        # A version has the files of a transfer; a job of another kind keeps its own as long as it is there.
        select(JobStage.output_digest).where(JobStage.job_id.in_(kept_jobs)),
        select(JobStage.checkpoint_digest).where(JobStage.job_id.in_(open_jobs)),
        select(JobStage.checkpoint_before).where(JobStage.job_id.in_(open_jobs)),
        select(StagePart.digest),
        select(JobFile.digest),
    )
    return {digest for query in queries for digest in session.scalars(query) if digest is not None}


def sweep_forever(
    sessions: Sessions, broker: Broker, storage: Storage, settings: Settings, over: threading.Event
) -> None:
    """Sweep until `over`; a database, broker or storage that is away is met again at the next sweep."""
    cleaned_at = time.monotonic()
    clock = DatabaseClock(settings.lease_seconds)
    suspected: set[str] = set()
    while not over.wait(settings.sweep_seconds):
        try:
            shorten_leases(sessions, settings.lease_seconds)
            for job_id in expire_leases(sessions) if clock.is_settled(sessions) else ():
                log.warning("the worker of %s stopped responding", job_id)
            for job_id in announce(sessions, broker, settings.resend_seconds):
                log.info("workers are notified of %s again", job_id)
            if time.monotonic() - cleaned_at > settings.orphan_seconds:
                cleaned_at = time.monotonic()
                suspected = clean(sessions, storage, settings, suspected)
        except SQLAlchemyError as error:
            log.warning("the sweep waits for the database: %s", error)
            clock.unsettle()
        except OSError as error:
            log.warning("the sweep waits for the storage: %s", error)


def clean(sessions: Sessions, storage: Storage, settings: Settings, suspected: set[str]) -> set[str]:
    """Let go what is not kept; answer the files that will be deleted if they are orphans next time too.

    A clock set forward makes a file look old that was put this moment and is about to be referred to.
    """
    for what, count in retention.clean(sessions, settings).items():
        log.info("%d %s were deleted, since they are no longer kept", count, what)
    forget_parts(sessions, settings.retry_seconds)
    found = orphans(sessions, storage, settings.orphan_seconds, settings.retry_seconds)
    deleted = [digest for digest in found & suspected if storage.discard(digest, settings.orphan_seconds)]
    log.info("%d orphan files deleted", len(deleted))
    return found.difference(deleted)
