"""A report is put together from what the job's stages wrote and what its version says of itself."""

from __future__ import annotations

from typing import Any

from sqlalchemy.orm import Session

from app.db.tables import Job, JobStage, Version
from app.jobs import service as jobs
from app.jobs.schemas import JobRequest, JobSpec
from app.jobs.states import Stage
from app.models import service as models
from app.models.receipt import Receipt
from app.models.schemas import Lineage
from app.reports.proof import Evaluated
from app.reports.schemas import ReportView


def live_page(session: Session, workspace: str, reference: str) -> str | None:
    """Where a job that has not succeeded is watched; None of one that has."""
    job = jobs.find(session, workspace, reference)
    return f"/ui/jobs/{job.name}" if job.result is None else None


def report(session: Session, workspace: str, reference: str) -> ReportView:
    """The report of a job that succeeded; 409 before."""
    job = jobs.find(session, workspace, reference)
    if job.result is None:
        raise jobs.impossible("reported", job)
    version = models.find_version(session, workspace, job.result["version"])
    evaluated = session.get_one(JobStage, (job.id, Stage.EVALUATE))
    return ReportView(
        job=jobs.view(job),
        evaluation=Evaluated.model_validate(evaluated.output or {}),
        receipt=Receipt.model_validate(version.receipt),
        lineage=Lineage.model_validate(version.lineage),
        version=version.id,
        weights_sha256=version.weights_digest,
        artifacts=models.summary(session, version).artifacts,
        published_at=version.created_at,
        request=JobRequest.model_validate(_request(session, job)),
    )


def _request(session: Session, job: Job) -> dict[str, Any]:
    """The request with every default and reference filled in."""
    spec = JobSpec.model_validate(job.spec, extra="ignore")
    view = jobs.view(job)
    target: dict[str, Any] = {"dataset": view.target["dataset"]}
    if spec.pseudo_labels is not None:
        target["pseudo_labels"] = spec.pseudo_labels
    return {
        "model": job.model,
        "source": _source(session, job, spec, view.source),
        "target": target,
        "method": spec.method.model_dump(mode="json"),
        "network": spec.network.model_dump(mode="json"),
        "training": spec.training.model_dump(mode="json"),
        "evaluation": spec.evaluation.model_dump(mode="json"),
        "champion": spec.champion,
        **({} if job.max_seconds is None else {"limits": {"max_seconds": job.max_seconds}}),
    }


def _source(session: Session, job: Job, spec: JobSpec, shown: dict[str, str]) -> dict[str, Any]:
    if job.source_dataset is not None and spec.source_training is not None:
        return {
            "dataset": shown["dataset"],
            "training": spec.source_training.model_dump(mode="json"),
            "network": spec.source_network.model_dump(mode="json"),
        }
    if job.source_preset is not None:
        return {"preset": job.source_preset}
    if not spec.other_versions:
        return {"version": shown["version"]}
    others = [models.ref(session.get_one(Version, other)) for other in spec.other_versions]
    return {"versions": [shown["version"], *others]}
