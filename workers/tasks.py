"""What Celery calls: run the next job. No TensorFlow at module level."""

from __future__ import annotations

import gc
import importlib
import logging
import os
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

from billiard.process import current_process
from sqlalchemy import select
from sqlalchemy.exc import DBAPIError

from app.broker import RUN_NEXT, Broker, queue_name
from app.db.session import Sessions, make_engine, make_sessions
from app.db.tables import Job
from app.errors import is_transient, is_unreachable
from app.jobs import scheduling, transitions
from app.jobs.events import telling
from app.jobs.transitions import MOST_RETRIES, Lease
from app.logs import job_log_context
from app.object_storage import storage_of
from app.settings import Settings, get_settings
from app.storage import Storage
from workers import failures
from workers.celery import app, is_shutting_down, own_attempt
from workers.heartbeat import LOST, Heartbeat, end
from workers.job_rows import JobFacts, find_facts
from workers.journal import Journal, LeaseLost
from workers.oom_kills import count_oom_kills

if TYPE_CHECKING:
    from celery import Task
    from sqlalchemy.orm import Session

    from workers.process_cache import ProcessCache

UNEXPECTED_RETRIES = 2
"""Tries again after an error that nobody foresaw."""

LONGEST_OUTAGE_SECONDS = 3600.0
"""How long a worker waits for a database to tell it how an attempt ended."""

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Services:
    """What a worker's process holds from job to job."""

    settings: Settings
    sessions: Sessions
    storage: Storage
    broker: Broker


@lru_cache(maxsize=1)
def get_services() -> Services:
    """Made in the forked process, at its first job: connections must not cross a fork."""
    from workers.transfer.training.runtime import prepare_process

    settings = get_settings()
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    prepare_process(
        settings.worker_threads or max(1, cores // settings.worker_concurrency),
        devices=settings.devices_per_job,
        # Celery numbers its processes; one that takes another's place has its number.
        slot=getattr(current_process(), "index", 0),
    )
    engine = make_engine(settings.effective_database_url)
    broker = Broker(settings.effective_broker_url)
    sessions = telling(make_sessions(engine), broker.tell)
    return Services(settings, sessions, storage_of(settings), broker)


@lru_cache(maxsize=1)
def process_cache(workspace: str) -> ProcessCache:
    """What the forked process keeps from job to job of one workspace: another's begins with nothing.

    Else how soon a job is done would tell of the data, and the networks, of those before it.
    """
    from workers.process_cache import ProcessCache

    return ProcessCache()


@app.task(name=RUN_NEXT, bind=True)  # type: ignore[untyped-decorator]
def run_next(self: Task) -> None:
    """Run the next job, if there is one.

    A message may come twice or too late: the claim decides.
    """
    services, queue = get_services(), queue_name(self.request.delivery_info["routing_key"])
    lease = _claim(services, queue)
    if lease is None:
        log.info("no job to run")
        return
    own_attempt().begin(lease, count_oom_kills())
    try:
        with job_log_context(lease.job_id, lease.attempt):
            log.info("%s attempt %d begins", lease.job_id, lease.attempt)
            with Heartbeat(services.sessions, lease, services.settings, is_shutting_down) as heartbeat:
                _attempt(services, lease, heartbeat)
    finally:
        own_attempt().end()
    if gc.get_freeze_count():  # else it would look through the libraries, too
        gc.collect()  # networks refer to themselves; the next job has their room from its start
    _notify_again(services, queue)


def _claim(services: Services, queue: str) -> Lease | None:
    worker = f"{socket.gethostname()}/{os.getpid()}"
    settings = services.settings
    with services.sessions.begin() as session:
        job_id = scheduling.next_job(session, queue, settings.jobs_of_one_owner, settings.max_running_jobs)
        if job_id is None:
            return None
        return transitions.claim(session, job_id, worker, settings.lease_seconds)


def _notify_again(services: Services, queue: str) -> None:
    """For a job whose notification came while as many ran of its owner or workspace as may."""
    if is_shutting_down():
        return
    most = services.settings.jobs_of_one_owner, services.settings.max_running_jobs
    with services.sessions.begin() as session:
        waits = scheduling.next_job(session, queue, *most) if scheduling.are_limited(session, *most) else None
    if waits is not None:
        services.broker.notify(queue)


def _attempt(services: Services, lease: Lease, heartbeat: Heartbeat) -> None:
    from workers.attempt import Attempt
    from workers.transfer.training.features import FeatureStore
    from workers.transfer.training.options import Stopped

    journal = Journal(services.sessions, lease)
    facts: JobFacts | None = None
    try:
        with services.sessions() as session:
            kind, workspace = session.execute(
                select(Job.kind, Job.workspace_id).where(Job.id == lease.job_id)
            ).one()
            facts = find_facts(session, lease.job_id)
        attempt = Attempt(
            journal,
            services.storage,
            should_stop=lambda: heartbeat.reason,
            checkpoint_seconds=services.settings.checkpoint_seconds,
            features=FeatureStore(
                services.settings.features_dir, services.settings.feature_cache_bytes, of=workspace
            ),
            cache=process_cache(workspace),
            preset_dir=services.settings.effective_preset_dir,
            devices=services.settings.devices_per_job,
        )
        importlib.import_module(f"workers.kinds.{kind}").run(attempt)
    except LeaseLost:
        log.warning("%s attempt %d lost its lease", lease.job_id, lease.attempt)
    except Stopped as stopped:
        reason = stopped.reason
        if reason != LOST:
            _conclude(services, heartbeat, lambda session: end(session, lease, reason))
    except Exception as error:  # the runner's edge: whatever happens, the job must end
        # The job tells in this service's words; what the libraries said is in the log alone.
        known = failures.permanent(error, facts, journal.began)
        if known is not None:
            log.warning("%s attempt %d failed: %s", lease.job_id, lease.attempt, known.code, exc_info=error)
            _conclude(
                services,
                heartbeat,
                lambda session: transitions.fail(session, lease, known.code, known.message, known.hint),
            )
            return
        if is_transient(error):
            log.exception("%s attempt %d met a temporary error", lease.job_id, lease.attempt)
            message = failures.transient(error)
            _conclude(services, heartbeat, lambda session: transitions.requeue(session, lease, message))
            return
        log.exception("%s attempt %d failed", lease.job_id, lease.attempt)
        # Libraries tell of a full disk in many ways, so nothing is held for a defect at its first sight.
        most = MOST_RETRIES if _was_outside(error) else UNEXPECTED_RETRIES
        unexpected = failures.unexpected(error, lease, journal.began)
        _conclude(
            services,
            heartbeat,
            lambda session: transitions.requeue(
                session,
                lease,
                unexpected.message,
                most=most,
                code=unexpected.code,
                hint=unexpected.hint,
            ),
        )


def _conclude(services: Services, heartbeat: Heartbeat, move: Callable[[Session], object]) -> None:
    """Write how the attempt ended; a database that is away is waited for: the attempt was not in vain.

    The heartbeat goes on meanwhile. It tells if the job was given to another, and ends the process where the
    worker is to stop.
    """
    deadline = time.monotonic() + LONGEST_OUTAGE_SECONDS
    while True:
        try:
            with services.sessions.begin() as session:
                move(session)
        except DBAPIError as error:
            if not is_unreachable(error) or heartbeat.reason == LOST or time.monotonic() > deadline:
                raise
            log.warning("the end of the attempt waits for the database: %s", error)
            time.sleep(1)
        else:
            return


def _was_outside(error: BaseException | None) -> bool:
    """Whether a disk, a storage or a database that failed led to this error."""
    while error is not None:
        if is_transient(error):
            return True
        error = error.__cause__ or error.__context__
    return False
