"""A job of any kind that is accepted becomes a row that waits, with its stages and its first event."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pydantic import BaseModel
from sqlalchemy import select
from sqlalchemy.orm import Session

from app.access import quotas
from app.datasets.reading.profile import Notice
from app.db.clock import db_now
from app.db.input_tables import JobInput
from app.db.locks import lock_name
from app.db.tables import Dataset, Job, JobStage, Version
from app.errors import ServiceError, did_you_mean
from app.jobs import running_time
from app.jobs.events import record
from app.jobs.schemas import WorkRequest
from app.jobs.states import MEANING, STAGES, Kind, Stage, State
from app.references import new_id
from app.settings import Settings


def open_job(
    session: Session,
    kind: Kind,
    request: WorkRequest,
    spec: BaseModel,
    settings: Settings,
    *,
    workspace: str,
    owner: str,
    stages: Sequence[Stage] | None = None,
    called: str | None = None,
    warnings: Sequence[Notice] = (),
    inputs: Sequence[Dataset | Version] = (),
    **columns: Any,
) -> Job:
    """A queued job; the caller announces it after the commit.

    `called` begins the name of a job without one, `inputs` are read beside its source and target, `columns`
    are those of its kind: the model, source and target of a transfer.

    Raises:
        ServiceError: 409 for a name that is taken, 422 for a queue or a time that it cannot have.
    """
    job_id = new_id("job")
    job = Job(
        id=job_id,
        workspace_id=workspace,
        kind=kind,
        name=request.name or f"{(called or str(kind))[:90]}-{job_id[-8:]}",
        spec=spec.model_dump(mode="json"),
        extra=request.metadata,
        max_attempts=settings.max_attempts,
        max_seconds=running_time.allowed(
            request.limits, quotas.allowed(session, workspace, "max_job_seconds", settings)
        ),
        queue=queue_of(request, settings.queue_names),
        owner=owner,
        priority=request.priority,
        announced_at=db_now(),
        stages=[JobStage(stage=one, position=place) for place, one in enumerate(stages or STAGES[kind])],
        **columns,
    )
    name_is_free(session, workspace, job.name)
    session.add(job)
    session.flush()
    _add_inputs(session, job, inputs)
    record(session, job.id, 0, "job.created", f"Accepted; {MEANING[State.QUEUED]}.")
    for notice in warnings:
        record(session, job.id, 0, "job.warning", notice.message, level="warning", code=notice.code)
    session.refresh(job)
    return job


def _add_inputs(session: Session, job: Job, inputs: Sequence[Dataset | Version]) -> None:
    for position, one in enumerate(inputs):
        of = {"job_id": job.id, "position": position, "workspace_id": job.workspace_id}
        what = {"version_id": one.id} if isinstance(one, Version) else {"dataset_id": one.id}
        session.add(JobInput(**of, **what))
    session.flush()


def queue_of(request: WorkRequest, known: list[str]) -> str:
    """The queue that is asked for.

    Raises:
        ServiceError: 422; nobody knows it.
    """
    if request.queue is None:
        return known[0]
    if request.queue not in known:
        message = f"queue: expected one of {', '.join(known)}. Received: {request.queue}."
        hint = (
            did_you_mean(request.queue, known)
            or "Leave `queue` out; the operator can add queues to MODEL_TRANSFER_QUEUES."
        )
        raise ServiceError(422, "queue_unknown", message, hint=hint)
    return request.queue


def name_is_free(session: Session, workspace: str, name: str) -> None:
    """Nothing, until the transaction ends.

    Raises:
        ServiceError: 409; a job has it.
    """
    lock_name(session, "jobs", f"{workspace}/{name}")
    taken = select(Job.id).where(Job.workspace_id == workspace, Job.name == name)
    if session.scalars(taken).first() is not None:
        message = f"Expected a job name that is not taken. Received: {name}."
        raise ServiceError(
            409,
            "job_name_taken",
            message,
            hint="Choose another name, or leave `name` out to get a generated one.",
        )
