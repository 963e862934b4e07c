"""What a job is about, read from the database once, as plain values."""

from __future__ import annotations

from dataclasses import dataclass
from operator import attrgetter
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.datasets import service as datasets
from app.datasets.reading.description import Description
from app.db.tables import Dataset, Job, Version
from app.jobs.schemas import JobSpec
from app.jobs.states import Kind
from app.models import service as models


@dataclass(frozen=True)
class DatasetFacts:
    """A data set as a job needs it."""

    ref: str
    digest: str
    rows_digest: str
    description: Description


@dataclass(frozen=True)
class RowsFile:
    """The file of rows of a data set, by its name and version, that something was trained or validated on."""

    dataset: str
    digest: str
    rows: int


@dataclass(frozen=True)
class VersionFacts:
    """A source version as a job needs it.

    `trained_on` are rows that it, its sources or ancestors were trained or validated on; of `unknown` presets
    and versions that is not known.
    """

    ref: str
    digest: str
    signature: dict[str, Any]
    network: dict[str, Any]
    trained_on: list[RowsFile]
    unknown: list[str]


@dataclass(frozen=True)
class PresetFacts:
    """A pretrained backbone as a job needs it."""

    ref: str


@dataclass(frozen=True)
class JobFacts:
    """A claimed job's inputs, read from the database once."""

    workspace: str
    name: str
    model: str
    spec: JobSpec
    source: DatasetFacts | VersionFacts | PresetFacts
    others: list[VersionFacts]
    target: DatasetFacts

    @property
    def sources(self) -> list[DatasetFacts | VersionFacts | PresetFacts]:
        """All sources: one, or the teachers of a distillation."""
        return [self.source, *self.others]


def find_facts(session: Session, job_id: str) -> JobFacts | None:
    """The inputs of a transfer job; None of a job of another kind."""
    kind = session.scalars(select(Job.kind).where(Job.id == job_id)).one()
    return read_facts(session, job_id) if kind == Kind.TRANSFER else None


def read_facts(session: Session, job_id: str) -> JobFacts:
    """The inputs of a transfer job."""
    job = session.get_one(Job, job_id)
    source: DatasetFacts | VersionFacts | PresetFacts
    if job.source_version is not None:
        source = read_version(session, job.source_version)
    elif job.source_preset is not None:
        source = PresetFacts(job.source_preset)
    else:
        assert job.source_dataset is not None  # the table's CHECK says so
        source = read_dataset(job.source_dataset)
    assert job.target_dataset is not None
    assert job.model is not None
    spec = JobSpec.model_validate(job.spec)
    others = [read_version(session, session.get_one(Version, id_)) for id_ in spec.other_versions]
    target = read_dataset(job.target_dataset)
    return JobFacts(job.workspace_id, job.name, job.model, spec, source, others, target)


def read_dataset(dataset: Dataset) -> DatasetFacts:
    """A data set as a job needs it."""
    return DatasetFacts(
        datasets.ref(dataset), dataset.digest, dataset.rows_digest, datasets.description(dataset)
    )


def read_version(session: Session, version: Version) -> VersionFacts:
    """A version as a job needs it."""
    digest = models.find_artifact(session, version.workspace_id, version.id, "keras").digest
    ref, unknown = models.ref(version), models.trained_on(version).unknown
    files = [RowsFile(rows.dataset, rows.digest, rows.rows) for rows in version.trained_rows]
    files.sort(key=attrgetter("dataset", "digest"))  # databases do not agree on the order of texts
    return VersionFacts(
        ref, digest, version.signature, version.network, files, unknown if files else [*unknown, ref]
    )
