"""Rankings: which candidates can serve for a target, and how a ranking is shown."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from app.datasets import service as datasets
from app.db.tables import Dataset, Job, Version
from app.errors import ServiceError
from app.jobs import service as jobs
from app.jobs.acceptance import resolve
from app.jobs.evaluation import METRICS_OF_TASK
from app.jobs.opening import open_job
from app.jobs.schemas import JobRequest
from app.jobs.states import Kind
from app.models import service as models
from app.presets.service import PresetCatalogue
from app.rankings.schemas import (
    MOST_CANDIDATES,
    CandidateRequest,
    CandidateSpec,
    RankingRequest,
    RankingSpec,
    RankingView,
    Refused,
)
from app.settings import Settings

_TASKS = ("binary", "multiclass", "multilabel", "regression")


def accept(session: Session, workspace: str, owner: str, request: RankingRequest, settings: Settings) -> Job:
    """A queued ranking of the candidates that can serve; the caller announces it after the commit.

    Raises:
        ServiceError: 422 where none can, or the target is none to rank for.
    """
    target = datasets.find_to_use(session, workspace, [request.target])[0]
    _rankable(target, request.metric)
    found: list[CandidateSpec] = []
    refused: list[Refused] = []
    inputs: list[Dataset | Version] = []
    for candidate in _asked(session, workspace, request, settings):
        name = candidate.version or candidate.preset or ""
        try:
            one, version = _candidate(session, workspace, candidate, target, settings)
        except ServiceError as error:
            if error.status == 404 and request.candidates != "all":
                raise
            refused.append(Refused(name=name, code=error.code, reason=error.message, hint=error.hint))
            continue
        if one.name not in {known.name for known in found}:
            found.append(one)
            inputs += [version] if version is not None else []
    if not found:
        told = "; ".join(f"{one.name}: {one.reason}" for one in refused[:5]) or "no version and no preset"
        message = f"Expected at least one source that can serve for {datasets.ref(target)}. Received: {told}"
        hint = "Train a source on data of the same kind and columns first: POST /v1/jobs."
        raise ServiceError(422, "no_candidates", message, hint=hint)
    spec = RankingSpec(candidates=found, refused=refused, metric=request.metric, seed=request.seed)
    return open_job(
        session,
        Kind.RANKING,
        request,
        spec,
        settings,
        workspace=workspace,
        owner=owner,
        inputs=inputs,
        target_dataset=target,
    )


def _rankable(target: Dataset, metric: str | None) -> None:
    task = datasets.description(target).task
    if task not in _TASKS:
        message = f"Expected a target whose task is one of {', '.join(_TASKS)}. Received: {task}."
        hint = "Start a job for each source instead, and compare their models."
        raise ServiceError(422, "task_not_rankable", message, hint=hint)
    if metric is not None and metric not in METRICS_OF_TASK[task]:
        known = ", ".join(sorted(METRICS_OF_TASK[task]))
        message = f"metric: expected one of a {task} task: {known}. Received: {metric}."
        raise ServiceError(
            422, "metric_of_other_task", message, hint="Leave `metric` out to use the default."
        )


def _asked(
    session: Session, workspace: str, request: RankingRequest, settings: Settings
) -> list[CandidateRequest]:
    if request.candidates != "all":
        return request.candidates
    return list(_all(session, workspace, settings))[:MOST_CANDIDATES]


def _all(session: Session, workspace: str, settings: Settings) -> Iterator[CandidateRequest]:
    of_it = Version.workspace_id == workspace, Version.deleted_at.is_(None)
    newest = select(Version.model, func.max(Version.number).label("number")).where(*of_it)
    found = session.execute(newest.group_by(Version.model).order_by(func.max(Version.created_at).desc()))
    for model, number in found.all():
        yield CandidateRequest(version=f"{model}@{number}")
    for view in PresetCatalogue(settings.effective_preset_dir).views.values():
        if view.here:
            yield CandidateRequest(preset=view.name)


def _candidate(
    session: Session, workspace: str, candidate: CandidateRequest, target: Dataset, settings: Settings
) -> tuple[CandidateSpec, Version | None]:
    """The source as a job by parameter transfer would use it.

    Raises:
        ServiceError: as such a job would be refused.
    """
    source = candidate.model_dump(exclude_none=True)
    asked = {"model": "ranked", "source": source, "target": {"dataset": target.id}}
    found = resolve(session, workspace, JobRequest.model_validate(asked), settings)
    job, warnings = found.spec.estimate, found.spec.warnings
    if not found.versions:
        network = found.spec.source_network.model_dump(mode="json")
        name = candidate.preset or ""
        return CandidateSpec(name=name, preset=name, network=network, job=job, warnings=warnings), None
    version = found.versions[0]
    known = {rows.dataset: rows.rows for rows in version.trained_rows}
    about = {"rows": sum(known.values()), "metrics": version.metrics.get("transfer", {})}
    spec = CandidateSpec(
        name=models.ref(version), version=version.id, source=about, job=job, warnings=warnings
    )
    return spec, version


def show(session: Session, job: Job) -> RankingView:
    """The ranking as the API shows it."""
    assert job.target_dataset is not None
    spec: dict[str, Any] = job.spec
    return RankingView.model_validate(
        {
            **jobs.common(job, job.stages),
            "target": {"dataset": datasets.ref(job.target_dataset), "id": job.target_dataset.id},
            "candidates": [one["name"] for one in spec["candidates"]],
            "refused": spec["refused"],
            "metric": spec["metric"],
            "seed": spec["seed"],
            "result": job.result,
        }
    )
