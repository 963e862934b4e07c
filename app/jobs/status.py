"""How a job is, as clients ask again and again: what has not changed since is not made into an answer anew.

Each time the rows are read, in two statements that read nothing but what is answered. Only to parse, check
and write them takes longer than that, and is left out where they are the same as the last time. To load the
job with its data sets, its version and all that its stages wrote would take eight times as long.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

from sqlalchemy import JSON, Engine, Text, bindparam, cast, select
from sqlalchemy.orm import Session

from app.db.tables import Dataset, Job, JobStage, Version
from app.jobs import service
from app.jobs.states import Kind
from app.references import is_id

_KEPT = 256
_LARGEST = 1 << 16
"""Jobs whose last answer is kept, and bytes of one."""

_JOB, _STAGE, _VERSION = Job.__table__, JobStage.__table__, Version.__table__
_SOURCE, _TARGET = Dataset.__table__.alias("source"), Dataset.__table__.alias("target")
_OBJECTS = tuple(column.name for column in _JOB.c if isinstance(column.type, JSON))

_STATUS = (
    select(
        # Objects as text: most of them are parsed once alone.
        *(cast(one, Text).label(one.name) if one.name in _OBJECTS else one for one in _JOB.c),
        _SOURCE.c.name.label("source_name"),
        _SOURCE.c.version.label("source_number"),
        _VERSION.c.model.label("version_model"),
        _VERSION.c.number.label("version_number"),
        _TARGET.c.name.label("target_name"),
        _TARGET.c.version.label("target_number"),
    )
    .select_from(_JOB)
    .join(_TARGET, _TARGET.c.id == _JOB.c.target_dataset_id)
    .outerjoin(_SOURCE, _SOURCE.c.id == _JOB.c.source_dataset_id)
    .outerjoin(_VERSION, _VERSION.c.id == _JOB.c.source_version_id)
)
_OWN = _STATUS.where(_JOB.c.workspace_id == bindparam("workspace"), _JOB.c.kind == Kind.TRANSFER)
_BY_ID = _OWN.where(_JOB.c.id == bindparam("reference"))
_BY_NAME = _OWN.where(_JOB.c.name == bindparam("reference"))

_STAGES = (
    select(_STAGE.c.stage, _STAGE.c.state, _STAGE.c.reused, _STAGE.c.started_at, _STAGE.c.finished_at)
    .where(_STAGE.c.job_id == bindparam("job_id"))
    .order_by(_STAGE.c.position)
)


@dataclass(frozen=True)
class Status:
    """A job's answer, and what is asked of it besides."""

    id: str
    ended: bool
    body: bytes


class Statuses:
    """Answers of jobs, read from this database."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine.execution_options(readonly=True)
        self._kept: dict[str, tuple[object, Status]] = {}
        self._lock = threading.Lock()

    def read(self, workspace: str, reference: str) -> Status:
        """The workspace's job by id or name, as the API answers it."""
        with self._engine.connect() as connection:
            by = _BY_ID if is_id(reference) else _BY_NAME
            job = connection.execute(by, {"workspace": workspace, "reference": reference}).first()
            if job is None:
                with Session(connection) as session:
                    service.find(session, workspace, reference)  # which says what there is
                return self.read(workspace, reference)
            stages = connection.execute(_STAGES, {"job_id": job.id}).all()
        rows = (job, stages)
        with self._lock:
            known, status = self._kept.pop(job.id, (None, None))
        if status is None or known != rows:
            status = Status(job.id, job.finished_at is not None, _answer(job, stages))
        if len(status.body) <= _LARGEST:
            self._keep(rows, status)
        return status

    def _keep(self, rows: object, status: Status) -> None:
        with self._lock:
            self._kept[status.id] = (rows, status)
            if len(self._kept) > _KEPT:
                del self._kept[next(iter(self._kept))]  # the one that was asked for longest ago


def _answer(row: Any, stages: Sequence[Any]) -> bytes:
    job = SimpleNamespace(**row._mapping)
    for name in _OBJECTS:
        text = getattr(job, name)
        setattr(job, name, None if text is None else json.loads(text))
    view = service.shown(job, _source(job), f"{job.target_name}@{job.target_number}", stages)
    return view.model_dump_json().encode()


def _source(job: SimpleNamespace) -> dict[str, str]:
    if job.source_dataset_id is not None:
        return {"dataset": f"{job.source_name}@{job.source_number}", "id": job.source_dataset_id}
    if job.source_version_id is not None:
        return {"version": f"{job.version_model}@{job.version_number}", "id": job.source_version_id}
    return {"preset": job.source_preset}
