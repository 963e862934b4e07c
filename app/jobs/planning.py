"""What would a job be and take, if it were posted? Nothing is written, and nothing is trained."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import quantiles

from pydantic import BaseModel, Field
from sqlalchemy import select
from sqlalchemy.orm import Session

from app.access import quotas
from app.datasets import service as datasets
from app.datasets.reading.profile import Notice
from app.db.tables import Job
from app.jobs import running_time
from app.jobs.acceptance import Resolved, resolve
from app.jobs.opening import name_is_free
from app.jobs.schemas import JobRequest
from app.jobs.states import Kind, Stage, State
from app.models.signature import Signature, signature
from app.settings import Settings

_JOBS = 50
"""The newest finished jobs that times are told from; older ones ran on what may be other machines."""

_FEW = 5
"""Below so many the range is theirs, from the least to the most, and twice as wide."""


class Match(BaseModel):
    """What source and target have alike by name, and for columns by type."""

    matched: list[str]
    new: list[str] = Field(description="In the target alone: starts without the source's knowledge.")
    dropped: list[str] = Field(description="In the source alone: not carried.")


class Seconds(BaseModel):
    """Processor time, as jobs of this workspace took it for each step that they were estimated at."""

    low: float
    high: float
    from_jobs: int = Field(description="Finished jobs with a network of this kind.")


class PlanView(BaseModel):
    """What a job would be, with every default filled in, and what it would take."""

    target: str
    source: str
    stages: list[Stage]
    steps: int = Field(description="Training steps of the whole job at most: trainings may end earlier.")
    parameters: int
    memory_bytes: int = Field(description="Memory that the largest step needs at least.")
    cpu_seconds: Seconds | None = Field(description="Null before a job with such a network has finished.")
    columns: Match
    classes: Match
    warnings: list[Notice]


def plan(session: Session, workspace: str, request: JobRequest, settings: Settings) -> PlanView:
    """The same request as a plan.

    Raises:
        ServiceError: as the job itself would be refused.
    """
    found = resolve(session, workspace, request, settings)
    if request.name is not None:
        name_is_free(session, workspace, request.name)
    running_time.allowed(request.limits, quotas.allowed(session, workspace, "max_job_seconds", settings))
    estimate = found.spec.estimate
    assert estimate is not None  # `resolve` made it
    theirs, ours = found.learnt[0], signature(datasets.description(found.target))
    return PlanView(
        target=datasets.ref(found.target),
        source=_source(found, request),
        stages=found.stages,
        steps=estimate.steps,
        parameters=estimate.parameters,
        memory_bytes=estimate.memory_bytes,
        cpu_seconds=_seconds(session, workspace, found.spec.network.kind, estimate.steps),
        columns=_match(_columns(theirs), _columns(ours)),
        classes=_match(theirs.classes, ours.classes),
        warnings=found.spec.warnings,
    )


def _source(found: Resolved, request: JobRequest) -> str:
    if found.source is not None:
        return datasets.ref(found.source)
    if found.versions:
        return ", ".join(f"{version.model}@{version.number}" for version in found.versions)
    return request.source.preset or ""


def _columns(described: Signature) -> list[str]:
    return [f"{column.name} ({column.type})" for column in described.columns]


def _match(theirs: Sequence[str], ours: Sequence[str]) -> Match:
    known, wanted = set(theirs), set(ours)
    return Match(
        matched=[one for one in ours if one in known],
        new=[one for one in ours if one not in known],
        dropped=[one for one in theirs if one not in wanted],
    )


def _seconds(session: Session, workspace: str, network: str, steps: int) -> Seconds | None:
    """From the jobs' own `cost`, so that each finished job makes the next plan better."""
    done = select(Job.spec, Job.result).where(
        Job.workspace_id == workspace, Job.kind == Kind.TRANSFER, Job.state == State.SUCCEEDED
    )
    rates = []
    for spec, result in session.execute(done.order_by(Job.finished_at.desc()).limit(_JOBS)):
        cost, estimate = (result or {}).get("cost"), spec.get("estimate")
        if cost and estimate and estimate["steps"] and spec["network"]["kind"] == network:
            rates.append(cost["total"]["cpu_seconds"] / estimate["steps"])
    if not rates:
        return None
    low, high = min(rates) / 2, max(rates) * 2
    if len(rates) >= _FEW:
        tenths = quantiles(rates, n=10, method="inclusive")
        low, high = tenths[0], tenths[-1]
    return Seconds(low=round(low * steps, 2), high=round(high * steps, 2), from_jobs=len(rates))
