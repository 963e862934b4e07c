"""Data sets: made from a checked upload, found by id or name, deleted when no job needs them."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Select, func, or_, select
from sqlalchemy.orm import Session

from app.datasets.reading.description import Description
from app.datasets.reading.errors import DatasetError
from app.datasets.reading.file_extensions import without_ending
from app.datasets.reading.profile import Inspection
from app.datasets.schemas import DatasetForm, DatasetSummary, DatasetView
from app.datasets.upload import Upload
from app.db.clock import db_now
from app.db.input_tables import JobInput
from app.db.locks import lock_name, lock_names
from app.db.tables import Dataset, Job
from app.errors import ServiceError, did_you_mean
from app.pages import page
from app.references import is_id, new_id, split_reference


@dataclass(frozen=True)
class Files:
    """What is kept of a data set: its file, and the rows file beside it, by their digests; sizes in bytes."""

    digest: str
    size: int
    rows_digest: str
    rows_size: int


def name_of(form: DatasetForm, filename: str) -> str:
    """The name given, or one made from the file's without its ending, accents and signs."""
    plain = unicodedata.normalize("NFKD", without_ending(filename)).encode("ascii", "ignore").decode()
    made = re.sub(r"[^A-Za-z0-9._-]+", "-", plain).strip("._-")
    if form.name or made:
        return form.name or made[:100].rstrip("._-")
    received = f"none, and the file name {filename} gives none" if filename else "neither it nor a file name"
    message = f"Expected the field `name`. Received: {received}."
    raise ServiceError(
        422, "no_name", message, hint="Send a name of letters (A to Z) and digits, such as name=grades."
    )


def refusal(error: DatasetError) -> ServiceError:
    """A refused file as the service's error."""
    return ServiceError(422, error.code, error.message, hint=error.hint, errors=error.errors)


def create(
    session: Session,
    workspace: str,
    name: str,
    upload: Upload,
    form: DatasetForm,
    inspection: Inspection,
    files: Files,
) -> Dataset:
    """The next version of `name`."""
    lock_name(session, "datasets", f"{workspace}/{name}")
    versions = select(func.max(Dataset.version))
    newest = session.scalar(versions.where(Dataset.workspace_id == workspace, Dataset.name == name))
    dataset = Dataset(
        id=new_id("ds"),
        workspace_id=workspace,
        name=name,
        version=(newest or 0) + 1,
        kind=inspection.description.kind,
        filename=upload.filename or f"{name}.{inspection.description.format}",
        media_type=upload.media_type,
        digest=files.digest,
        size=files.size,
        rows_digest=files.rows_digest,
        rows_size=files.rows_size,
        rows=inspection.description.rows,
        description=inspection.description.model_dump(mode="json"),
        profile=inspection.profile.model_dump(mode="json"),
        warnings=[notice.model_dump(mode="json") for notice in inspection.warnings],
        preview=inspection.preview,
        extra=form.metadata,
    )
    session.add(dataset)
    session.flush()
    session.refresh(dataset)
    return dataset


def find(session: Session, workspace: str, reference: str) -> Dataset:
    """By id, `name@version` or name (its newest version); 404 tells the nearest name."""
    statement = _of(workspace)
    parts = split_reference(reference)
    if is_id(reference):
        statement = statement.where(Dataset.id == reference)
    elif parts is None:
        raise _not_found(session, workspace, reference)
    else:
        name, version = parts
        statement = statement.where(Dataset.name == name).order_by(Dataset.version.desc())
        if version is not None:
            statement = statement.where(Dataset.version == version)
    found = session.scalars(statement.limit(1)).one_or_none()
    if found is None:
        raise _not_found(session, workspace, reference)
    return found


def _of(workspace: str) -> Select[Dataset]:
    """The workspace's data sets that are there."""
    return select(Dataset).where(Dataset.workspace_id == workspace, Dataset.deleted_at.is_(None))


def ids_ever(workspace: str, reference: str) -> Select[str]:
    """The ids of all that an id, a name (all of its versions) or `name@version` means or has meant."""
    statement = select(Dataset.id).where(Dataset.workspace_id == workspace)
    if is_id(reference):
        return statement.where(Dataset.id == reference)
    name, version = split_reference(reference) or (reference, None)
    statement = statement.where(Dataset.name == name)
    return statement if version is None else statement.where(Dataset.version == version)


def find_to_use(session: Session, workspace: str, references: Sequence[str]) -> list[Dataset]:
    """Data sets to learn from; none is deleted before the job that asks for them is there."""
    found = [find(session, workspace, reference) for reference in references]
    lock_names(session, "dataset", (dataset.id for dataset in found))
    for dataset, reference in zip(found, references, strict=True):
        session.refresh(dataset)
        if dataset.deleted_at is not None:
            raise _not_found(session, workspace, reference)
    return found


def _not_found(session: Session, workspace: str, reference: str) -> ServiceError:
    known = session.scalars(_of(workspace).with_only_columns(Dataset.name).distinct().limit(1000)).all()
    hint = did_you_mean(reference.partition("@")[0], known) or "GET /v1/datasets lists all data sets."
    message = f"Expected the id, the name or `name@version` of a data set. Received: {reference}."
    return ServiceError(404, "dataset_not_found", message, hint=hint)


def list_page(
    session: Session, workspace: str, name: str | None, after: str | None, limit: int
) -> tuple[list[Dataset], bool]:
    """Newest first."""
    statement = _of(workspace).order_by(Dataset.id.desc())
    if name is not None:
        statement = statement.where(Dataset.name == name)
    if after is not None:
        statement = statement.where(Dataset.id < after)
    return page(session, statement, limit)


def uses_dataset(dataset_id: Any) -> Any:
    """Whether a job reads the data set of this id, or of this column: as source, target or beside them."""
    beside = select(JobInput.job_id).where(JobInput.job_id == Job.id, JobInput.dataset_id == dataset_id)
    is_beside = beside.correlate(Job, Dataset).exists()
    return or_(Job.source_dataset_id == dataset_id, Job.target_dataset_id == dataset_id, is_beside)


def delete(session: Session, workspace: str, reference: str) -> Dataset:
    """Hide the data set; its file goes with the next sweep, its row stays for the lineage of models."""
    dataset = find(session, workspace, reference)
    lock_name(session, "dataset", dataset.id)
    used = select(Job.name).where(uses_dataset(dataset.id), Job.finished_at.is_(None))
    jobs = session.scalars(used.limit(5)).all()
    if jobs:
        message = (
            f"Expected a data set that no unfinished job uses. Received: {reference}, needed by "
            f"{', '.join(jobs)}."
        )
        raise ServiceError(409, "dataset_in_use", message, hint="Cancel these jobs, or wait until they end.")
    dataset.deleted_at = db_now()
    return dataset


def description(dataset: Dataset) -> Description:
    """How the file is read and what is learnt from it."""
    return Description.model_validate(dataset.description)


def ref(dataset: Dataset) -> str:
    """`name@version`."""
    return f"{dataset.name}@{dataset.version}"


def summary(dataset: Dataset) -> DatasetSummary:
    """The data set as lists show it; what grows with its columns is not even read."""
    return DatasetSummary.model_validate(_plain(dataset))


def view(dataset: Dataset) -> DatasetView:
    """The data set as the API shows it."""
    contents = {
        "description": dataset.description,
        "profile": dataset.profile,
        "warnings": dataset.warnings,
    }
    return DatasetView.model_validate({**_plain(dataset), **contents})


def _plain(dataset: Dataset) -> dict[str, Any]:
    return {
        "id": dataset.id,
        "name": dataset.name,
        "version": dataset.version,
        "ref": ref(dataset),
        "kind": dataset.kind,
        "filename": dataset.filename,
        "media_type": dataset.media_type,
        "sha256": dataset.digest,
        "size": dataset.size,
        "rows": dataset.rows,
        "metadata": dataset.extra,
        "created_at": dataset.created_at,
    }
