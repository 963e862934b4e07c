"""Task vectors: asked for, found, compared."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Select, func, select
from sqlalchemy.orm import Session

from app.datasets import service as datasets
from app.db.tables import Dataset, Job
from app.errors import ServiceError
from app.jobs.opening import open_job
from app.jobs.service import common
from app.jobs.states import TERMINAL, Kind, State
from app.settings import Settings
from app.vectors.distance import distance
from app.vectors.schemas import (
    DatasetVector,
    Neighbour,
    NeighbourList,
    VectorRequest,
    VectorSpec,
    VectorView,
)

TASKS = ("binary", "multiclass", "multilabel", "regression")


def accept(session: Session, workspace: str, owner: str, request: VectorRequest, settings: Settings) -> Job:
    """A queued job; the caller announces it after the commit.

    Raises:
        ServiceError: 404, there is no such data set; 422, its task has no vector.
    """
    (dataset,) = datasets.find_to_use(session, workspace, [request.dataset])
    task = dataset.description["task"]
    if task not in TASKS:
        message = f"dataset: expected a task among {', '.join(TASKS)}. Received: {datasets.ref(dataset)}, "
        raise ServiceError(
            422,
            "no_vector_of_task",
            f"{message}whose task is {task}.",
            hint="Vectors are made of classes, labels or numbers; choose such a data set.",
        )
    return open_job(
        session,
        Kind.VECTOR,
        request,
        VectorSpec(),
        settings,
        workspace=workspace,
        owner=owner,
        called=f"vector-{dataset.name}",
        target_dataset=dataset,
    )


def show(session: Session, job: Job) -> VectorView:
    """The job as the API shows it."""
    dataset = job.target_dataset
    assert dataset is not None  # it was accepted with one
    about = {"dataset": datasets.ref(dataset), "id": dataset.id}
    return VectorView.model_validate({**common(job, job.stages), "dataset": about, "result": job.result})


def vector_of(session: Session, workspace: str, reference: str) -> DatasetVector:
    """The newest vector of a data set.

    Raises:
        ServiceError: 404, there is no such data set, or it has none.
    """
    dataset = datasets.find(session, workspace, reference)
    newest = _made(workspace).where(Job.target_dataset_id == dataset.id).order_by(Job.id.desc()).limit(1)
    job = session.scalars(newest).one_or_none()
    ref = datasets.ref(dataset)
    if job is None:
        message = f"Expected a data set whose vector was made. Received: {ref}, which has none."
        hint = f'POST /v1/vectors with {{"dataset": "{ref}"}} makes it, in seconds, on a worker.'
        raise ServiceError(404, "vector_not_found", message, hint=hint)
    return DatasetVector.model_validate(
        {**(job.result or {}), "dataset": ref, "id": dataset.id, "made_by": job.id}
    )


def neighbours(session: Session, workspace: str, reference: str, limit: int) -> NeighbourList:
    """Other data sets by the distance of their newest vectors of the same probe.

    Raises:
        ServiceError: 404, there is no such data set, or it has no vector.
    """
    own = vector_of(session, workspace, reference)
    kind = session.scalars(select(Dataset.kind).where(Dataset.id == own.id)).one()
    of_kind = Dataset.kind == kind, Dataset.deleted_at.is_(None), Dataset.id != own.id
    made = _made(workspace).join(Dataset, Dataset.id == Job.target_dataset_id).where(*of_kind)
    columns = made.with_only_columns(Dataset, Job.result).order_by(Job.id)
    newest: dict[str, tuple[Dataset, dict[str, Any]]] = {}
    for dataset, result in session.execute(columns):
        if result is not None and result["probe"] == own.probe:
            newest[dataset.id] = dataset, result
    found = [_neighbour(own, dataset, result) for dataset, result in newest.values()]
    others = select(func.count()).select_from(Dataset).where(Dataset.workspace_id == workspace, *of_kind)
    return NeighbourList(
        dataset=own.dataset,
        probe=own.probe,
        data=sorted(found, key=lambda one: (one.distance, one.dataset))[:limit],
        without_vector=(session.scalar(others) or 0) - len(found),
    )


def is_being_made(session: Session, dataset_id: str) -> bool:
    """Whether a job that has not ended makes a data set's vector."""
    jobs = select(Job.id).where(Job.target_dataset_id == dataset_id, Job.kind == Kind.VECTOR)
    return session.scalar(jobs.where(Job.state.not_in(sorted(TERMINAL))).limit(1)) is not None


def _neighbour(own: DatasetVector, dataset: Dataset, result: dict[str, Any]) -> Neighbour:
    return Neighbour(
        dataset=datasets.ref(dataset),
        id=dataset.id,
        distance=distance(own.fisher, own.separation, result["fisher"], result["separation"]),
        task=result["task"],
        rows=result["rows"],
        classes=result["classes"],
    )


def _made(workspace: str) -> Select[Job]:
    """The jobs that made a vector."""
    return select(Job).where(
        Job.workspace_id == workspace, Job.kind == Kind.VECTOR, Job.state == State.SUCCEEDED
    )
