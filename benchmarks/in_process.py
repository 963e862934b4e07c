"""Jobs in this process, without HTTP and workers: what a job runs, from its acceptance to its result.

Importing it imports TensorFlow.
"""

from __future__ import annotations

import os
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
from sqlalchemy import update

from app.datasets import service as datasets
from app.datasets.inspection.inspect_file import inspect
from app.datasets.partition.rows_file import RowFacts, write_rows_file
from app.datasets.reading.declaration import Declaration
from app.datasets.schemas import DatasetForm
from app.datasets.upload import Upload as Arrived
from app.db.access_tables import DEFAULT_WORKSPACE
from app.db.migrate import upgrade
from app.db.session import make_engine, make_sessions
from app.db.tables import Job, JobStage
from app.jobs import transitions
from app.jobs.acceptance import accept
from app.jobs.schemas import JobRequest
from app.jobs.states import Stage
from app.settings import Settings
from app.storage import Storage
from benchmarks.cases import Upload
from workers.job_context import JobContext
from workers.job_rows import read_facts
from workers.journal import Journal
from workers.process_cache import ProcessCache
from workers.runner import run
from workers.transfer.training.features import FeatureStore
from workers.transfer.training.runtime import prepare_process

_A_DAY = 86_400.0


@dataclass
class _Prepared:
    """What is settled once a process: TensorFlow's threads, and the graphs that jobs leave to later ones."""

    cache: ProcessCache | None = None

    def once(self) -> ProcessCache:
        if self.cache is None:
            prepare_process(1)
            self.cache = ProcessCache()
        return self.cache


_prepared = _Prepared()


class Workplace:
    """A database and a storage in a folder, on which jobs are accepted and run one after the other."""

    def __init__(self, folder: Path) -> None:
        # What this shell has set for its own service must not change the numbers.
        for name in [name for name in os.environ if name.startswith("MODEL_TRANSFER_")]:
            del os.environ[name]
        self.cache = _prepared.once()
        self.settings = Settings(data_dir=folder)
        folder.mkdir(parents=True, exist_ok=True)
        self._engine = make_engine(self.settings.effective_database_url)
        upgrade(self._engine)
        self._sessions = make_sessions(self._engine)
        self._storage = Storage(self.settings.storage_dir)
        self._storage.prepare()

    def close(self) -> None:
        """Leave the database."""
        self._engine.dispose()

    def store(self, upload: Upload) -> None:
        """Validate a file in this process, and make it a data set."""
        declared = dict(upload.declared)
        name = declared.pop("name", upload.path.stem)
        facts: list[RowFacts] = []
        declaration = Declaration.model_validate({"filename": upload.path.name, **declared})
        found = inspect(upload.path, declaration, on_facts=facts.append)
        with self._storage.incoming() as incoming, self._storage.incoming() as rows:
            incoming.write(upload.path.read_bytes())
            written = pa.BufferOutputStream()
            write_rows_file(written, facts[0])
            rows.write(written.getvalue())
            kept = self._storage.keep(incoming), incoming.size, self._storage.keep(rows), rows.size
        with self._sessions.begin() as session:
            arrived = Arrived(filename=upload.path.name)
            datasets.create(
                session, DEFAULT_WORKSPACE, name, arrived, DatasetForm(), found, datasets.Files(*kept)
            )

    def accept(self, request: dict[str, Any]) -> str:
        """The id of a queued job, every default filled in.

        Raises:
            ServiceError: the service would not accept it either.
        """
        with self._sessions.begin() as session:
            asked = JobRequest.model_validate(request)
            return accept(session, DEFAULT_WORKSPACE, "", asked, self.settings).id

    def run(self, job_id: str, candidates: Collection[str] | None = None) -> dict[str, Any]:
        """The result of all stages; of the control's candidates only those named, by default all."""
        with self._sessions.begin() as session:
            lease = transitions.claim(session, job_id, "benchmark", lease_seconds=_A_DAY)
            assert lease is not None  # it was queued, and there is no other worker
            facts = read_facts(session, job_id)
        context = JobContext(
            Journal(self._sessions, lease),
            self._storage,
            should_stop=lambda: None,
            checkpoint_seconds=_A_DAY,
            features=FeatureStore(
                self.settings.features_dir, self.settings.feature_cache_bytes, of=DEFAULT_WORKSPACE
            ),
            cache=self.cache,
            preset_dir=self.settings.effective_preset_dir,
            job=facts,
            candidates=None if candidates is None else frozenset(candidates),
        )
        return run(context).result

    def ask_for_seeds(self, job_id: str, seeds: int) -> None:
        """Queue a job again that has run, with more seeds an arm: what it has trained is there."""
        with self._sessions.begin() as session:
            job = session.get_one(Job, job_id)
            evaluation = {**job.spec["evaluation"], "seeds": seeds}
            job.spec = {**job.spec, "evaluation": evaluation}
            job.state = "queued"
            job.worker = job.lease_expires_at = None
            changed = (Stage.TRANSFER, Stage.CONTROL, Stage.EVALUATE, Stage.EXPORT)
            of_job = update(JobStage).where(JobStage.job_id == job_id, JobStage.stage.in_(changed))
            session.execute(of_job.values(state="waiting", finished_at=None))
