"""What Prometheus reads: counted in the database at each scrape, so that every API process tells the same."""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Iterator
from pathlib import Path

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    Metric,
    SummaryMetricFamily,
)
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from app.access.quotas import kept_bytes
from app.db.clock import db_now, seconds_between
from app.db.session import Sessions
from app.db.tables import Event, Job, JobStage
from app.jobs.states import State

_COUNTED_EVENTS = {
    "job.lease_expired": ("lease_expiries", "Attempts whose worker stopped responding."),
    "job.started": ("attempts", "Attempts that began."),
    "job.retried": ("retries", "Attempts that ended with a temporary error."),
}


class ServiceCollector:
    """Asked by a registry; `storage` is where the files are kept."""

    def __init__(self, readers: Sessions, storage: Path) -> None:
        self._readers, self._storage = readers, storage

    def collect(self) -> Iterator[Metric]:
        """Every metric of the service."""
        with self._readers() as session:
            yield from _jobs(session)
            yield from _stages(session)
            yield from _events(session)
            yield from _kept(session)
        yield from _disk(self._storage)


def exposition(readers: Sessions, storage: Path) -> bytes:
    """The text that a scrape gets."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(ServiceCollector(readers, storage))
    return generate_latest(registry)


def _gauge(
    name: str, meaning: str, labels: list[str], rows: Iterable[tuple[list[str], float]]
) -> GaugeMetricFamily:
    family = GaugeMetricFamily(f"model_transfer_{name}", meaning, labels=labels)
    for values, number in rows:
        family.add_metric(values, number)
    return family


def _jobs(session: Session) -> Iterator[Metric]:
    counted = session.execute(select(Job.queue, Job.state, func.count()).group_by(Job.queue, Job.state)).all()
    known = {(queue, state): count for queue, state, count in counted}
    queues = {queue for queue, _ in known} | {"default"}
    rows = [([queue, state], known.get((queue, state), 0)) for queue in sorted(queues) for state in State]
    yield _gauge("jobs", "Jobs by queue and state.", ["queue", "state"], rows)
    waits = session.execute(
        select(Job.queue, seconds_between(func.min(Job.queued_at), db_now()))
        .where(Job.state == State.QUEUED)
        .group_by(Job.queue)
    ).all()
    oldest: dict[str, float] = dict.fromkeys(queues, 0.0) | dict(waits)
    ages = [([queue], seconds) for queue, seconds in sorted(oldest.items())]
    yield _gauge("queue_oldest_seconds", "How long the longest-waiting job has waited.", ["queue"], ages)
    wait = SummaryMetricFamily(
        "model_transfer_job_wait_seconds", "Time from a job's acceptance to its first attempt."
    )
    begun = select(func.count(), func.sum(seconds_between(Job.created_at, Job.started_at)))
    count, seconds = session.execute(begun.where(Job.started_at.is_not(None))).one()
    wait.add_metric([], count_value=count, sum_value=seconds or 0.0)
    yield wait
    workers = select(func.count(func.distinct(Job.worker))).where(Job.state == State.RUNNING)
    busy = session.scalar(workers) or 0
    yield _gauge("busy_workers", "Worker processes that run a job.", [], [([], busy)])


def _stages(session: Session) -> Iterator[Metric]:
    family = SummaryMetricFamily(
        "model_transfer_stage_seconds", "Time that finished stages took.", labels=["stage"]
    )
    took = func.sum(seconds_between(JobStage.started_at, JobStage.finished_at))
    done = (JobStage.finished_at.is_not(None), JobStage.started_at.is_not(None))
    rows = session.execute(select(JobStage.stage, func.count(), took).where(*done).group_by(JobStage.stage))
    for stage, count, seconds in rows:
        family.add_metric([stage], count_value=count, sum_value=seconds or 0.0)
    yield family


def _events(session: Session) -> Iterator[Metric]:
    counted = select(Event.type, func.count()).where(Event.type.in_(_COUNTED_EVENTS)).group_by(Event.type)
    known = dict(session.execute(counted).all())
    for type_, (name, meaning) in _COUNTED_EVENTS.items():
        family = CounterMetricFamily(f"model_transfer_{name}", meaning)
        family.add_metric([], known.get(type_, 0))
        yield family


def _kept(session: Session) -> Iterator[Metric]:
    rows = [([what], float(size)) for what, size in kept_bytes(session).items()]
    yield _gauge("kept_bytes", "Size of stored files, before deduplication.", ["what"], rows)


def _disk(storage: Path) -> Iterator[Metric]:
    try:
        usage = shutil.disk_usage(storage)
    except OSError:  # away: the other metrics are wanted all the more
        return
    yield _gauge("storage_free_bytes", "Free space on the disk with the files.", [], [([], usage.free)])
    yield _gauge("storage_total_bytes", "Size of the disk with the files.", [], [([], usage.total)])
