"""What a running job writes: stages, checkpoints, epochs and progress, each write fenced by its lease."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

from sqlalchemy import delete, null, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from app.db.clock import db_now
from app.db.session import Sessions
from app.db.tables import EpochMetrics, Job, JobStage, SourceRun, StagePart
from app.jobs import transitions
from app.jobs.events import record
from app.jobs.states import INTERIM, STAGES, Stage
from app.jobs.transitions import Lease

FLUSH_SECONDS = 0.25

_LAST = frozenset(stages[-1] for stages in STAGES.values())


class LeaseLost(Exception):
    """The job is not this worker's any more: it must stop and change nothing."""


class Journal:
    """Fenced writes of one attempt. Epochs are gathered and written a few times a second.

    `began` is the last stage that this attempt marked as running.
    """

    def __init__(self, sessions: Sessions, lease: Lease) -> None:
        self.lease = lease
        self.began: Stage | None = None
        self._sessions = sessions
        self._epochs: list[tuple[Stage, str, int, dict[str, float]]] = []
        self._progress: dict[str, Any] | None = None
        self._flushed_at = 0.0

    @contextmanager
    def transaction(self, *, kept: bool = False) -> Iterator[Session]:
        """A transaction that only the holder of the lease gets into; `kept` if it makes something durable.

        Raises:
            LeaseLost: the job is another's, or has ended.
        """
        with self._sessions.begin() as session:
            if not transitions.check_lease(session, self.lease, kept=kept):
                raise LeaseLost(self.lease.job_id)
            yield session

    def fraction(self) -> float:
        """How far the job's progress was when it was last written."""
        with self._sessions() as session:
            progress = session.scalars(select(Job.progress).where(Job.id == self.lease.job_id)).one_or_none()
            return float((progress or {}).get("fraction", 0.0))

    def reading(self) -> Session:
        """A session to read with, a context."""
        return self._sessions()

    def stage(self, session: Session, stage: Stage) -> JobStage:
        """The row of a stage."""
        return session.get_one(JobStage, (self.lease.job_id, stage))

    def finished(self, stage: Stage) -> JobStage | None:
        """The stage's row, if an earlier attempt finished it."""
        with self._sessions() as session:
            row = self.stage(session, stage)
            return row if row.state == "finished" else None

    def checkpoints_of(self, stage: Stage) -> list[str]:
        """Digests of the stage's newest checkpoint and of the one before, as far as they are there."""
        with self._sessions() as session:
            row = self.stage(session, stage)
            return [digest for digest in (row.checkpoint_digest, row.checkpoint_before) if digest]

    def started(self, stage: Stage, progress: dict[str, Any]) -> None:
        """Mark a stage as running."""
        self.began = stage
        with self.transaction() as session:
            session.execute(
                update(JobStage)
                .where(JobStage.job_id == self.lease.job_id, JobStage.stage == stage)
                # It may have been finished by an attempt that died before it published.
                .values(state="running", started_at=db_now(), finished_at=null())
            )
            self._write_progress(session, progress)
            record(
                session,
                self.lease.job_id,
                self.lease.attempt,
                "stage.started",
                f"Stage {stage} began.",
                stage=stage,
            )

    def ended(
        self,
        stage: Stage,
        output: dict[str, Any],
        digest: str | None,
        message: str,
        *,
        reused: bool = False,
        source_key: str | None = None,
        rows_digest: str | None = None,
    ) -> None:
        """Make a stage's output durable: it is not run again.

        A source's is kept for other jobs, too, with the file of the rows that it was trained on.
        """
        with self.transaction(kept=stage not in _LAST) as session:  # after it, publishing may yet fail
            self._write_pending(session)
            row = self.stage(session, stage)
            row.state, row.output, row.output_digest, row.reused = "finished", output, digest, reused
            row.checkpoint_digest = row.checkpoint_before = None
            row.finished_at = db_now()
            if source_key is not None:
                self._add_source_run(session, source_key, output, digest, rows_digest)
            record(
                session,
                self.lease.job_id,
                self.lease.attempt,
                "stage.finished",
                message,
                stage=stage,
                reused=reused,
            )

    def part(self, stage: Stage, key: str) -> StagePart | None:
        """What an earlier attempt, or an earlier stage, kept of a stage under this key."""
        with self._sessions() as session:
            return session.get(StagePart, (self.lease.job_id, stage, key))

    def values(self, stage: Stage) -> list[dict[str, Any]]:
        """The values of all parts of a stage that have one, by key."""
        parts = select(StagePart).where(StagePart.job_id == self.lease.job_id, StagePart.stage == stage)
        with self._sessions() as session:
            return [part.value for part in session.scalars(parts.order_by(StagePart.key)) if part.value]

    def save_part(
        self, stage: Stage, key: str, *, digest: str | None = None, value: dict[str, Any] | None = None
    ) -> None:
        """Make a part of a stage durable; it is dropped when the job has ended.

        What an earlier attempt kept under the key is no progress: else a job could fail for ever behind it.
        """
        with self.transaction() as session:
            if key != INTERIM and session.get(StagePart, (self.lease.job_id, stage, key)) is None:
                transitions.check_lease(session, self.lease, kept=True)
            self._write_pending(session)
            part = StagePart(job_id=self.lease.job_id, stage=stage, key=key, digest=digest, value=value)
            session.merge(part)

    def event(self, type_: str, message: str, **data: Any) -> None:
        """Tell what happened."""
        with self.transaction() as session:
            record(session, self.lease.job_id, self.lease.attempt, type_, message, **data)

    def keep_source_run(self, key: str, output: dict[str, Any], digest: str, rows_digest: str) -> None:
        """Keep a source's training for other jobs, beside the one that the stage ends with."""
        with self.transaction() as session:
            self._add_source_run(session, key, output, digest, rows_digest)

    def source_run(self, key: str) -> SourceRun | None:
        """A source training of an earlier job of the workspace that was exactly this one."""
        with self._sessions() as session:
            return self._source_run(session, key)

    def forget_source_run(self, key: str) -> None:
        """Its file is gone."""
        with self.transaction() as session:
            of_it = SourceRun.workspace_id == self._workspace(session), SourceRun.key == key
            session.execute(delete(SourceRun).where(*of_it))

    def _add_source_run(
        self,
        session: Session,
        key: str,
        output: dict[str, Any],
        digest: str | None,
        rows_digest: str | None,
    ) -> None:
        if self._source_run(session, key) is None:
            with suppress(IntegrityError), session.begin_nested():  # an equal job may be as far
                about = {"workspace_id": self._workspace(session), "key": key}
                digests = {"output_digest": digest, "rows_digest": rows_digest}
                session.add(SourceRun(**about, output=output, **digests))

    def _source_run(self, session: Session, key: str) -> SourceRun | None:
        return session.get(SourceRun, (self._workspace(session), key))

    def _workspace(self, session: Session) -> str:
        """Whose job it is: nothing is looked for, or kept, for another workspace's."""
        return session.scalars(select(Job.workspace_id).where(Job.id == self.lease.job_id)).one()

    def checkpoint(self, stage: Stage, digest: str) -> str | None:
        """Point to a new checkpoint, keep the one before; answer the digest of one that is kept no longer."""
        with self.transaction(kept=True) as session:
            self._write_pending(session)
            row = self.stage(session, stage)
            if digest == row.checkpoint_digest:
                return None
            oldest = row.checkpoint_before
            row.checkpoint_digest, row.checkpoint_before = digest, row.checkpoint_digest
            return oldest if oldest != digest else None

    def epoch(
        self, stage: Stage, run: str, epoch: int, values: dict[str, float], progress: dict[str, Any]
    ) -> None:
        """Note an epoch's metrics and the progress; written now and then, and at the stage's end."""
        self._epochs.append((stage, run, epoch, values))
        self.progress(progress)

    def progress(self, progress: dict[str, Any]) -> None:
        """Note how far the job is; written now and then, and at the stage's end."""
        self._progress = progress
        if time.monotonic() - self._flushed_at >= FLUSH_SECONDS:
            with self.transaction() as session:
                self._write_pending(session)

    def _write_pending(self, session: Session) -> None:
        for stage, run, epoch, values in self._epochs:
            of = {"job_id": self.lease.job_id, "stage": stage, "run": run, "epoch": epoch}
            session.merge(EpochMetrics(**of, values=values))
        self._epochs = []
        if self._progress is not None:
            self._write_progress(session, self._progress)
            self._progress = None
        self._flushed_at = time.monotonic()

    def _write_progress(self, session: Session, progress: dict[str, Any]) -> None:
        session.execute(update(Job).where(Job.id == self.lease.job_id).values(progress=progress))
