"""Jobs: found by id or name, listed, stopped and continued on request. `acceptance.py` makes them.

A job of another kind than the one that is asked for is answered as if it were not there.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import select, update
from sqlalchemy.orm import Session, defaultload

from app.datasets import service as datasets
from app.db.locks import lock_names
from app.db.tables import Dataset, EpochMetrics, Event, Job, JobStage, StagePart, Version
from app.errors import ServiceError, did_you_mean
from app.jobs import requests
from app.jobs.filters import Wanted, conditions
from app.jobs.schemas import EpochView, EventView, JobSummary, JobView
from app.jobs.states import INTERIM, MEANING, RETRIABLE, TERMINAL, TRAINED, Kind, Stage, State
from app.models import service as models
from app.pages import page
from app.references import is_id
from app.storage import Storage


def noun_of(kind: str) -> str:
    """What jobs of a kind are called, in their addresses and fields as well."""
    return "job" if kind == Kind.TRANSFER else str(kind)


def of_kind(hint: str | None, kind: str) -> str | None:
    """A hint that names a route of jobs, with the route of this kind in its place."""
    noun = noun_of(kind)
    return None if hint is None else hint.replace("/v1/jobs/{job}", f"/v1/{noun}s/{{{noun}}}")


def find(session: Session, workspace: str, reference: str, kind: Kind = Kind.TRANSFER) -> Job:
    """By id or name."""
    of_it = Job.workspace_id == workspace, Job.kind == kind
    found = session.scalars(
        select(Job).where(*of_it, Job.id == reference if is_id(reference) else Job.name == reference)
    ).first()
    if found is None:
        known = session.scalars(select(Job.name).where(*of_it).order_by(Job.id.desc()).limit(1000)).all()
        noun = noun_of(kind)
        hint = did_you_mean(reference, known) or f"GET /v1/{noun}s lists all {noun}s."
        message = f"Expected the id or the name of a {noun}. Received: {reference}."
        raise ServiceError(404, f"{noun}_not_found", message, hint=hint)
    return found


def find_id(session: Session, workspace: str, reference: str, kind: Kind = Kind.TRANSFER) -> str:
    """The same where no more is needed than its id."""
    by = Job.id == reference if is_id(reference) else Job.name == reference
    found = session.scalar(select(Job.id).where(Job.workspace_id == workspace, Job.kind == kind, by))
    return found or find(session, workspace, reference, kind).id


def not_announced(session: Session, job_id: str) -> None:
    """The broker could not be told: let the next sweep do it at once."""
    session.execute(update(Job).where(Job.id == job_id).values(announced_at=None))


def list_page(
    session: Session,
    workspace: str,
    wanted: Wanted,
    after: str | None,
    limit: int,
) -> tuple[list[Job], bool]:
    """Newest first."""
    bare = defaultload(Job.stages).defer(JobStage.output)  # all that a stage wrote down
    of_it = select(Job).where(
        Job.workspace_id == workspace, Job.kind == Kind.TRANSFER, *conditions(workspace, wanted)
    )
    statement = of_it.order_by(Job.id.desc()).options(bare)
    if after is not None:
        statement = statement.where(Job.id < after)
    return page(session, statement, limit)


def cancel(session: Session, workspace: str, reference: str, kind: Kind = Kind.TRANSFER) -> Job:
    """Cancelling what is cancelled is no error; what ended otherwise cannot be cancelled."""
    job = find(session, workspace, reference, kind)
    if not requests.request_cancel(session, job.id):
        session.refresh(job)
        if job.state != State.CANCELLED:
            raise impossible("cancelled", job)
    session.refresh(job)
    return job


def pause(session: Session, workspace: str, reference: str, kind: Kind = Kind.TRANSFER) -> Job:
    """Pausing what is paused is no error."""
    job = find(session, workspace, reference, kind)
    if not requests.request_pause(session, job.id):
        session.refresh(job)
        if job.state != State.PAUSED:
            raise impossible("paused", job)
    session.refresh(job)
    return job


def resume(session: Session, workspace: str, reference: str, kind: Kind = Kind.TRANSFER) -> Job:
    """Resuming what is queued or runs is no error, unless it is about to pause."""
    job = find(session, workspace, reference, kind)
    if not requests.resume(session, job.id):
        session.refresh(job)
        if job.state not in (State.QUEUED, State.RUNNING) or job.stop_request is not None:
            raise impossible("resumed", job)
    session.refresh(job)
    return job


def retry(
    session: Session,
    storage: Storage,
    workspace: str,
    reference: str,
    attempts: int,
    kind: Kind = Kind.TRANSFER,
) -> Job:
    """What failed or was cancelled goes on from its last finished stage; one that is open is none to retry.

    Stages whose files are gone are waiting again, and so are those after them.
    """
    job = find(session, workspace, reference, kind)
    if job.state not in RETRIABLE:
        raise impossible("retried", job)
    _require_inputs(session, job)
    if not requests.reopen(session, job.id, attempts):
        session.refresh(job)
        raise impossible("retried", job)
    lost = False
    for stage in job.stages:
        lost = lost or (stage.output_digest is not None and not storage.exists(stage.output_digest))
        if lost and stage.state == "finished":
            stage.state, stage.finished_at, stage.output_digest = "waiting", None, None
    session.flush()
    session.refresh(job)
    return job


def _require_inputs(session: Session, job: Job) -> None:
    """What the job learns from is there, and is not deleted before the job is open again."""
    used_datasets = [used for used in (job.target_dataset, job.source_dataset) if used is not None]
    version_ids = [] if job.source_version_id is None else [job.source_version_id]
    for beside in job.inputs:
        if beside.version_id is not None:
            version_ids.append(beside.version_id)
        else:
            used_datasets.append(session.get_one(Dataset, beside.dataset_id))
    lock_names(session, "dataset", (dataset.id for dataset in used_datasets))
    lock_names(session, "versions", version_ids)
    versions = [session.get_one(Version, id_, populate_existing=True) for id_ in version_ids]
    for dataset in used_datasets:
        session.refresh(dataset)
    gone = [datasets.ref(dataset) for dataset in used_datasets if dataset.deleted_at is not None]
    gone += [models.ref(version) for version in versions if version.deleted_at is not None]
    if gone:
        message = (
            "Expected a job whose data sets and source versions are there. "
            f"Received: {job.name}, which needs {', '.join(gone)}: deleted since."
        )
        raise ServiceError(
            410, "input_deleted", message, hint="Post a new job with other data sets or versions."
        )


def model_so_far(session: Session, job: Job) -> str:
    """Digest of the target's network as good as it has become, before there is a version of it."""
    kept = {
        part.key: part.digest
        for part in session.scalars(
            select(StagePart).where(StagePart.job_id == job.id, StagePart.stage == Stage.TRANSFER)
        )
    }
    digest = kept.get(TRAINED) or kept.get(INTERIM)
    if digest is None:
        message = (
            f"Expected a job whose target network was saved. Received: {job.name}, which is {job.state}."
        )
        hint = (
            "It is saved from the stage `transfer` on, and kept for some time after a failure. Try "
            "again later."
        )
        raise ServiceError(409, "no_model_yet", message, hint=hint)
    return digest


def impossible(wish: str, job: Job) -> ServiceError:
    """The 409 of a job whose state does not allow what is wished."""
    state = State(job.state)
    asked = f", and is asked to {job.stop_request}" if job.stop_request else ""
    is_ = f"which is {state} ({MEANING[state]}){asked}"
    message = f"Expected a job that can be {wish}. Received: {job.name}, {is_}."
    hint = "Try again in a moment."
    if state in RETRIABLE:
        hint = "POST /v1/jobs/{job}:retry continues it from its last finished stage."
    elif state in TERMINAL:
        hint = "A job that succeeded cannot be changed. Post a new one."
    elif wish == "retried":
        hint = "It has not ended yet, so nothing needs to be done."
    return ServiceError(409, "job_state", message, hint=of_kind(hint, job.kind))


def events_page(session: Session, job_id: str, after: int, limit: int) -> tuple[list[EventView], bool]:
    """Oldest first, from the event after `after`."""
    statement = select(Event).where(Event.job_id == job_id, Event.id > after).order_by(Event.id)
    events, has_more = page(session, statement, limit)
    return [EventView.model_validate(event, from_attributes=True) for event in events], has_more


def epochs(session: Session, job_id: str) -> list[EpochView]:
    """By stage, in the order of the stages, then by training and epoch."""
    found = session.scalars(
        select(EpochMetrics)
        .where(EpochMetrics.job_id == job_id)
        .order_by(EpochMetrics.run, EpochMetrics.epoch)
    )
    views = [EpochView.model_validate(row, from_attributes=True) for row in found]
    order = list(Stage)
    return sorted(views, key=lambda view: order.index(view.stage))


def summary(job: Job) -> JobSummary:
    """The job as lists show it."""
    return JobSummary.model_validate(_plain(job, _source(job), _target(job), job.stages))


def view(job: Job) -> JobView:
    """The job as the API shows it."""
    return shown(job, _source(job), _target(job), job.stages)


def shown(job: Any, source: dict[str, str], target: str, stages: Sequence[Any]) -> JobView:
    """The same of a job, or a row with what it has, and of its source, its target's reference, its stages."""
    options = {part: job.spec[part] for part in ("method", "network", "training", "evaluation")}
    told = {**_plain(job, source, target, stages), **options, "warnings": job.spec.get("warnings", [])}
    return JobView.model_validate(told)


def _target(job: Job) -> str:
    assert job.target_dataset is not None  # the table's CHECK says so
    return datasets.ref(job.target_dataset)


def _source(job: Job) -> dict[str, str]:
    if job.source_dataset is not None:
        return {"dataset": datasets.ref(job.source_dataset), "id": job.source_dataset.id}
    if job.source_version is not None:
        return {"version": models.ref(job.source_version), "id": job.source_version.id}
    return {"preset": job.source_preset or ""}


def _plain(job: Any, source: dict[str, str], target: str, stages: Sequence[Any]) -> dict[str, Any]:
    return {
        **common(job, stages),
        "model": job.model,
        "source": source,
        "target": {"dataset": target, "id": job.target_dataset_id},
        "result": job.result,
    }


def common(job: Any, stages: Sequence[Any]) -> dict[str, Any]:
    """What jobs of all kinds tell: the fields of `JobCommon`."""
    error = None
    if job.error_code is not None:
        error = {
            "code": job.error_code,
            "message": job.error_message,
            "hint": of_kind(job.error_hint, job.kind),
        }
    return {
        "id": job.id,
        "name": job.name,
        "state": job.state,
        "terminal": job.state in TERMINAL,
        "attempt": job.attempt,
        "max_attempts": job.max_attempts,
        "stop_request": job.stop_request,
        "queue": job.queue,
        "owner": job.owner or None,
        "priority": job.priority,
        "retry_at": job.retry_at,
        "limits": {"max_seconds": job.max_seconds},
        "ran_seconds": job.ran_seconds,
        "metadata": job.extra,
        "progress": job.progress,
        "stages": [
            {
                "stage": stage.stage,
                "state": stage.state,
                "reused": stage.reused,
                "started_at": stage.started_at,
                "finished_at": stage.finished_at,
            }
            for stage in stages
        ],
        "error": error,
        "created_at": job.created_at,
        "started_at": job.started_at,
        "finished_at": job.finished_at,
    }
