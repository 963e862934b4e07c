"""Predictions of whole files: accepted, shown, and the files that they leave."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.datasets import service as datasets
from app.datasets.reading.description import Column, Description, Reading
from app.db.output_tables import JobFile
from app.db.tables import Dataset, Job, Version
from app.errors import ServiceError
from app.jobs import service as jobs
from app.jobs.opening import open_job
from app.jobs.states import Kind
from app.models import service as models
from app.predictions.batch_schemas import BatchOptions, BatchRequest, BatchSpec, BatchView, ResultFormat
from app.settings import Settings

INPUT = "input"
"""The format of the file that was sent with a job."""


@dataclass(frozen=True)
class SentFile:
    """A file of rows that came with the request."""

    digest: str
    size: int
    filename: str
    media_type: str


def accept(session: Session, workspace: str, owner: str, request: BatchRequest, settings: Settings) -> Job:
    """A queued prediction of a data set; the caller announces it after the commit.

    Raises:
        ServiceError: 404, 410 for what is not there; 422 where the model cannot read the data set.
    """
    (dataset,) = datasets.find_to_use(session, workspace, [request.dataset])
    version, bundle, reading = _version(session, workspace, request.model)
    description = datasets.description(dataset)
    _require_inputs(version, reading, dataset, description)
    _require_kept(request, dataset, description)
    spec = BatchSpec(
        version=models.ref(version),
        bundle=bundle,
        dataset=datasets.ref(dataset),
        digest=dataset.digest,
        filename=dataset.filename,
        format=description.format,
        like=description.reading,
        keep=request.keep,
        formats=sorted(set(request.formats)),
    )
    return _opened(session, workspace, owner, request, spec, version, settings, target_dataset=dataset)


def accept_file(
    session: Session, workspace: str, owner: str, request: BatchOptions, sent: SentFile, settings: Settings
) -> Job:
    """The same of a file that was sent, which is read, and refused as a whole, when a worker opens it.

    Raises:
        ServiceError: 404, 410 for what is not there.
    """
    version, bundle, _ = _version(session, workspace, request.model)
    spec = BatchSpec(
        version=models.ref(version),
        bundle=bundle,
        dataset=None,
        digest=sent.digest,
        filename=sent.filename,
        keep=request.keep,
        formats=sorted(set(request.formats)),
    )
    job = _opened(session, workspace, owner, request, spec, version, settings)
    about = {"filename": sent.filename or "rows", "media_type": sent.media_type}
    session.add(JobFile(job_id=job.id, format=INPUT, digest=sent.digest, size=sent.size, **about))
    session.flush()
    return job


def _version(session: Session, workspace: str, reference: str) -> tuple[Version, str, Reading]:
    """The version, the digest of its bundle, and how rows for it are read."""
    (version,) = models.find_to_use(session, workspace, [reference])
    bundle = models.find_artifact(session, workspace, version.id, "bundle").digest
    target = session.get_one(Job, version.job_id).target_dataset
    assert target is not None  # of a transfer the table's CHECK says so
    return version, bundle, datasets.description(target).reading


def _opened(
    session: Session,
    workspace: str,
    owner: str,
    request: BatchOptions,
    spec: BatchSpec,
    version: Version,
    settings: Settings,
    **columns: Any,
) -> Job:
    return open_job(
        session,
        Kind.PREDICTION,
        request,
        spec,
        settings,
        workspace=workspace,
        owner=owner,
        inputs=[version],
        **columns,
    )


def _require_inputs(version: Version, reading: Reading, dataset: Dataset, description: Description) -> None:
    ref, of = models.ref(version), datasets.ref(dataset)
    if description.kind != reading.kind:
        message = (
            f"dataset: expected {reading.kind} data, as {ref} reads. Received: {of}, {dataset.kind} data."
        )
        hint = "Choose another data set. If its kind was guessed wrong, upload that file again with `kind`."
        raise ServiceError(422, "kind_differs", message, hint=hint)
    there = {column.name for column in like(reading, description).features}
    missing = sorted(there - set(_columns(description)))
    if missing:
        message = (
            f"dataset: expected the columns that {ref} reads. "
            f"Received: {of}, which lacks {', '.join(missing[:20])}."
        )
        hint = "Upload the rows with these columns; cells that are missing may be empty."
        raise ServiceError(422, "missing_columns", message, hint=hint)


def _require_kept(request: BatchOptions, dataset: Dataset, description: Description) -> None:
    known = _columns(description)
    unknown = [] if request.keep == "all" else [name for name in request.keep if name not in known]
    if unknown:
        message = (
            f"keep: expected columns of {datasets.ref(dataset)}: {', '.join(known[:50]) or 'it has none'}. "
            f"Received: {', '.join(unknown[:20])}."
        )
        raise ServiceError(422, "column_unknown", message, hint="`all` keeps all columns.")


def _columns(description: Description) -> list[str]:
    """The columns of a data set's file, other than those that an archive's files stand for."""
    options = description.options
    if options.columns:
        return options.columns
    named = [column.name for column in description.columns if column.role == "feature"]
    return [*named, "header"] if description.format == "fasta" else named


def like(reading: Reading, other: Reading | None) -> Reading:
    """How the cells of another file are read: its one input, or its part, may have another name."""
    if other is None or reading.kind == "tabular":
        return reading
    names = {column.input: column.name for column in other.features}

    def renamed(column: Column) -> Column:
        if column.role != "feature":
            return column
        return column.model_copy(update={"name": names.get(column.input, column.name)})

    return reading.model_copy(update={"columns": [renamed(column) for column in reading.columns]})


def show(session: Session, job: Job) -> BatchView:
    """The job as the API shows it."""
    spec: dict[str, Any] = job.spec
    result = None
    if job.result is not None:
        files = [
            {
                "format": file.format,
                "filename": file.filename,
                "size": file.size,
                "sha256": file.digest,
                "url": f"/v1/predictions/{job.id}/download?format={file.format}",
            }
            for file in _files(session, job)
            if file.format != INPUT
        ]
        result = {**job.result, "files": files}
    about = {name: spec[name] for name in ("version", "dataset", "filename", "keep")}
    return BatchView.model_validate({**jobs.common(job, job.stages), **about, "result": result})


def find_file(
    session: Session, workspace: str, reference: str, format_: ResultFormat | None
) -> tuple[Job, JobFile]:
    """A file of the result; by default the first of CSV, JSON lines and Parquet that was asked for.

    Raises:
        ServiceError: 404, there is no such prediction or file; 409, it has not succeeded.
    """
    job = jobs.find(session, workspace, reference, Kind.PREDICTION)
    known = {file.format: file for file in _files(session, job) if file.format != INPUT}
    if job.result is None:
        message = f"Expected a prediction that has succeeded. Received: {job.name}, which is {job.state}."
        hint = "GET /v1/predictions/{prediction}?wait=60 waits for its end."
        raise ServiceError(409, "no_result_yet", message, hint=hint)
    wanted = format_ or next(name for name in ("csv", "jsonl", "parquet") if name in known)
    if wanted not in known:
        message = f"Expected a file that {job.name} has: {', '.join(known)}. Received: {wanted}."
        raise ServiceError(404, "format_not_found", message, hint="Ask for one of these.")
    return job, known[wanted]


def _files(session: Session, job: Job) -> list[JobFile]:
    of_it = select(JobFile).where(JobFile.job_id == job.id).order_by(JobFile.format)
    return list(session.scalars(of_it))
