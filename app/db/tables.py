"""The tables. The database refuses the impossible before Python does."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    CheckConstraint,
    Double,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    Integer,
    String,
    UniqueConstraint,
    text,
)
from sqlalchemy.orm import Mapped, mapped_column, relationship

from app.db import access_tables, output_tables  # noqa: F401  # all tables are known where these are
from app.db.base import Base, Json, one_of
from app.db.clock import db_now
from app.db.input_tables import JobInput
from app.jobs.states import TERMINAL, Kind, Stage, State


class Dataset(Base):
    """An immutable, validated version `name@version` of a table of examples."""

    __tablename__ = "datasets"
    __table_args__ = (
        UniqueConstraint("workspace_id", "name", "version"),
        UniqueConstraint("workspace_id", "id"),
        CheckConstraint("version >= 1", "version_positive"),
        CheckConstraint("rows >= 1", "has_rows"),
    )

    id: Mapped[str] = mapped_column(String(40), primary_key=True)
    workspace_id: Mapped[str] = mapped_column(ForeignKey("workspaces.id"))
    name: Mapped[str] = mapped_column(String(100))
    version: Mapped[int]
    kind: Mapped[str] = mapped_column(String(20))
    filename: Mapped[str] = mapped_column(String(255))
    media_type: Mapped[str] = mapped_column(String(100))
    digest: Mapped[str] = mapped_column(String(64), index=True)
    size: Mapped[int] = mapped_column(BigInteger)
    # The part, the key and the like of each row: `app/datasets/partition/rows_file.py`.
    rows_digest: Mapped[str] = mapped_column(String(64), index=True)
    rows_size: Mapped[int] = mapped_column(BigInteger)
    rows: Mapped[int] = mapped_column(BigInteger)
    # Read together when one of them is asked for: a job's status has no use for them.
    description: Mapped[Json] = mapped_column(deferred=True, deferred_group="contents")
    profile: Mapped[Json] = mapped_column(deferred=True, deferred_group="contents")
    warnings: Mapped[list[Any]] = mapped_column(deferred=True, deferred_group="contents")
    preview: Mapped[list[Any]] = mapped_column(deferred=True, deferred_group="preview")
    extra: Mapped[Json]
    created_at: Mapped[datetime] = mapped_column(default=db_now())
    deleted_at: Mapped[datetime | None]


class Job(Base):
    """One request for work. The row is the truth; the broker's message is only a notification.

    What its source and target are, and which options and result it has, is its kind's.
    """

    __tablename__ = "jobs"
    __table_args__ = (
        CheckConstraint(one_of("state", State), "state_known"),
        CheckConstraint("(state = 'running') = (lease_expires_at IS NOT NULL)", "lease_while_running"),
        CheckConstraint(
            f"({one_of('state', sorted(TERMINAL))}) = (finished_at IS NOT NULL)", "finished_at_end"
        ),
        CheckConstraint("attempt >= 0 AND attempt <= max_attempts", "attempts_bounded"),
        CheckConstraint("(state = 'failed') = (error_code IS NOT NULL)", "failed_says_why"),
        CheckConstraint("stop_request IS NULL OR stop_request IN ('cancel', 'pause')", "stop_request_known"),
        CheckConstraint(
            f"kind <> '{Kind.TRANSFER}' OR ("
            + " + ".join(
                f"(CASE WHEN {column} IS NULL THEN 0 ELSE 1 END)"
                for column in ("source_dataset_id", "source_version_id", "source_preset")
            )
            + " = 1 AND model IS NOT NULL AND target_dataset_id IS NOT NULL)",
            "transfer_has_all",
        ),
        CheckConstraint(one_of("kind", Kind), "kind_known"),
        UniqueConstraint("workspace_id", "name"),
        UniqueConstraint("workspace_id", "id"),
        # What a job learns from is its own workspace's.
        ForeignKeyConstraint(["workspace_id", "source_dataset_id"], ["datasets.workspace_id", "datasets.id"]),
        ForeignKeyConstraint(["workspace_id", "target_dataset_id"], ["datasets.workspace_id", "datasets.id"]),
        ForeignKeyConstraint(
            ["workspace_id", "source_version_id"], ["versions.workspace_id", "versions.id"], use_alter=True
        ),
        # The rows that sweeps and queues look for are few among many finished ones.
        Index("ix_jobs_open", "state", "queued_at", postgresql_where=text("finished_at IS NULL")),
        Index(
            "ix_jobs_turns", "state", "queue", "workspace_id", "owner", "priority", "queued_at", "retry_at"
        ),
    )

    id: Mapped[str] = mapped_column(String(40), primary_key=True)
    workspace_id: Mapped[str] = mapped_column(ForeignKey("workspaces.id"))
    name: Mapped[str] = mapped_column(String(140))
    kind: Mapped[str] = mapped_column(String(20), default=Kind.TRANSFER, server_default=Kind.TRANSFER.value)
    model: Mapped[str | None] = mapped_column(String(100), index=True)
    spec: Mapped[Json]
    extra: Mapped[Json]
    source_dataset_id: Mapped[str | None] = mapped_column(String(40))
    source_version_id: Mapped[str | None] = mapped_column(String(40))
    source_preset: Mapped[str | None] = mapped_column(String(200))
    target_dataset_id: Mapped[str | None] = mapped_column(String(40))

    state: Mapped[str] = mapped_column(String(20), default=State.QUEUED)
    attempt: Mapped[int] = mapped_column(Integer, default=0)
    max_attempts: Mapped[int]
    kept_attempt: Mapped[int] = mapped_column(default=0, server_default="0")
    retries: Mapped[int] = mapped_column(default=0, server_default="0")
    retry_at: Mapped[datetime | None]
    queue: Mapped[str] = mapped_column(String(50), default="default", server_default="default")
    owner: Mapped[str] = mapped_column(String(100), default="", server_default="")
    priority: Mapped[int] = mapped_column(default=0, server_default="0")
    # Over all attempts since the last retry, as told at each heartbeat.
    ran_seconds: Mapped[float] = mapped_column(Double, default=0.0, server_default="0")
    max_seconds: Mapped[float | None] = mapped_column(Double)
    worker: Mapped[str | None] = mapped_column(String(200))
    lease_expires_at: Mapped[datetime | None]
    stop_request: Mapped[str | None] = mapped_column(String(10))
    progress: Mapped[Json | None] = mapped_column(JSON(none_as_null=True))
    result: Mapped[Json | None] = mapped_column(JSON(none_as_null=True))
    error_code: Mapped[str | None] = mapped_column(String(100))
    error_message: Mapped[str | None]
    error_hint: Mapped[str | None]

    created_at: Mapped[datetime] = mapped_column(default=db_now())
    queued_at: Mapped[datetime] = mapped_column(default=db_now())
    announced_at: Mapped[datetime | None]
    started_at: Mapped[datetime | None]
    finished_at: Mapped[datetime | None]

    stages: Mapped[list[JobStage]] = relationship(order_by="JobStage.position", lazy="selectin")
    source_dataset: Mapped[Dataset | None] = relationship(foreign_keys=[source_dataset_id], lazy="joined")
    target_dataset: Mapped[Dataset | None] = relationship(foreign_keys=[target_dataset_id], lazy="joined")
    source_version: Mapped[Version | None] = relationship(foreign_keys=[source_version_id], lazy="joined")
    inputs: Mapped[list[JobInput]] = relationship(order_by="JobInput.position")


class JobStage(Base):
    """A durable step of a job: finished ones are not run again."""

    __tablename__ = "stages"
    __table_args__ = (
        CheckConstraint(one_of("stage", Stage), "stage_known"),
        CheckConstraint("state IN ('waiting', 'running', 'finished')", "state_known"),
        CheckConstraint("(state = 'finished') = (finished_at IS NOT NULL)", "finished_at_end"),
    )

    job_id: Mapped[str] = mapped_column(ForeignKey("jobs.id", ondelete="CASCADE"), primary_key=True)
    stage: Mapped[str] = mapped_column(String(20), primary_key=True)
    position: Mapped[int]
    state: Mapped[str] = mapped_column(String(20), default="waiting")
    reused: Mapped[bool] = mapped_column(default=False)
    output: Mapped[Json | None] = mapped_column(JSON(none_as_null=True))
    output_digest: Mapped[str | None] = mapped_column(String(64))
    checkpoint_digest: Mapped[str | None] = mapped_column(String(64))
    checkpoint_before: Mapped[str | None] = mapped_column(String(64))
    started_at: Mapped[datetime | None]
    finished_at: Mapped[datetime | None]


class Event(Base):
    """What happened to a job, in the order in which it was written."""

    __tablename__ = "events"
    __table_args__ = (CheckConstraint("level IN ('info', 'warning', 'error')", "level_known"),)

    # SQLite numbers rows by itself only in a column of type INTEGER.
    id: Mapped[int] = mapped_column(BigInteger().with_variant(Integer, "sqlite"), primary_key=True)
    job_id: Mapped[str] = mapped_column(ForeignKey("jobs.id", ondelete="CASCADE"), index=True)
    attempt: Mapped[int]
    level: Mapped[str] = mapped_column(String(10))
    type: Mapped[str] = mapped_column(String(50))
    message: Mapped[str]
    data: Mapped[Json]
    created_at: Mapped[datetime] = mapped_column(default=db_now())


class StagePart(Base):
    """What a stage keeps before its end, by key: a trial, a training, a phase of one. None is done twice."""

    __tablename__ = "stage_parts"

    job_id: Mapped[str] = mapped_column(ForeignKey("jobs.id", ondelete="CASCADE"), primary_key=True)
    stage: Mapped[str] = mapped_column(String(20), primary_key=True)
    key: Mapped[str] = mapped_column(String(200), primary_key=True)
    digest: Mapped[str | None] = mapped_column(String(64))
    value: Mapped[Json | None] = mapped_column(JSON(none_as_null=True))


class EpochMetrics(Base):
    """The metrics of one epoch of one training of a stage; a repeated epoch replaces itself."""

    __tablename__ = "epoch_metrics"
    __table_args__ = (CheckConstraint("epoch >= 1", "epoch_positive"),)

    job_id: Mapped[str] = mapped_column(ForeignKey("jobs.id", ondelete="CASCADE"), primary_key=True)
    stage: Mapped[str] = mapped_column(String(20), primary_key=True)
    run: Mapped[str] = mapped_column(String(100), primary_key=True)
    epoch: Mapped[int] = mapped_column(primary_key=True)
    values: Mapped[Json]


class Turn(Base):
    """Which claim of a queue's jobs was an owner's last: who goes first next time."""

    __tablename__ = "turns"

    queue: Mapped[str] = mapped_column(String(50), primary_key=True)
    workspace_id: Mapped[str] = mapped_column(ForeignKey("workspaces.id"), primary_key=True)
    owner: Mapped[str] = mapped_column(String(100), primary_key=True)
    # The id of that claim's event. Moments would do if no two claims fell into one millisecond.
    number: Mapped[int] = mapped_column(BigInteger)
    served_at: Mapped[datetime] = mapped_column(default=db_now())


class SourceRun(Base):
    """A finished source training, kept under the hash of all that went into it, for its workspace alone."""

    __tablename__ = "source_runs"

    workspace_id: Mapped[str] = mapped_column(ForeignKey("workspaces.id"), primary_key=True)
    key: Mapped[str] = mapped_column(String(64), primary_key=True)
    output: Mapped[Json]
    output_digest: Mapped[str] = mapped_column(String(64))
    # The file of the rows that it was trained or validated on, as `trained_rows.digest`.
    rows_digest: Mapped[str] = mapped_column(String(64))
    created_at: Mapped[datetime] = mapped_column(default=db_now())


class Reply(Base):
    """What was answered to a request, for when it comes again under its `Idempotency-Key`."""

    __tablename__ = "replies"

    workspace_id: Mapped[str] = mapped_column(ForeignKey("workspaces.id"), primary_key=True)
    key: Mapped[str] = mapped_column(String(200), primary_key=True)
    request: Mapped[str] = mapped_column(String(64))
    body: Mapped[Json]
    created_at: Mapped[datetime] = mapped_column(default=db_now())


class Model(Base):
    """A named model; its versions hold everything else."""

    __tablename__ = "models"

    workspace_id: Mapped[str] = mapped_column(ForeignKey("workspaces.id"), primary_key=True)
    name: Mapped[str] = mapped_column(String(100), primary_key=True)
    created_at: Mapped[datetime] = mapped_column(default=db_now())


class Version(Base):
    """An immutable version `model@number`, with its lineage and the proof."""

    __tablename__ = "versions"
    __table_args__ = (
        UniqueConstraint("workspace_id", "model", "number"),
        UniqueConstraint("workspace_id", "id"),
        ForeignKeyConstraint(["workspace_id", "model"], ["models.workspace_id", "models.name"]),
        ForeignKeyConstraint(["workspace_id", "job_id"], ["jobs.workspace_id", "jobs.id"]),
        ForeignKeyConstraint(["workspace_id", "parent_id"], ["versions.workspace_id", "versions.id"]),
        CheckConstraint("number >= 1", "number_positive"),
        # NULL where nothing can be told; a test keeps the words those of the API.
        CheckConstraint("verdict IN ('helped', 'no difference', 'hurt')", "verdict_known"),
    )

    id: Mapped[str] = mapped_column(String(40), primary_key=True)
    workspace_id: Mapped[str] = mapped_column(String(40))
    model: Mapped[str] = mapped_column(String(100))
    number: Mapped[int]
    job_id: Mapped[str] = mapped_column(String(40), unique=True)
    parent_id: Mapped[str | None] = mapped_column(String(40))
    signature: Mapped[Json]
    network: Mapped[Json]
    receipt: Mapped[Json] = mapped_column(deferred=True)
    metrics: Mapped[Json]
    verdict: Mapped[str | None] = mapped_column(String(20))
    gain: Mapped[Json | None] = mapped_column(JSON(none_as_null=True))
    lineage: Mapped[Json]
    weights_digest: Mapped[str] = mapped_column(String(64))
    created_at: Mapped[datetime] = mapped_column(default=db_now())
    deleted_at: Mapped[datetime | None]

    artifacts: Mapped[list[Artifact]] = relationship(
        order_by="Artifact.format", lazy="selectin", cascade="all, delete-orphan"
    )
    aliases: Mapped[list[Alias]] = relationship(order_by="Alias.alias", lazy="selectin")
    trained_rows: Mapped[list[TrainedRows]] = relationship(cascade="all, delete-orphan")


class TrainedRows(Base):
    """A file of the rows of one data set that a version, a source or an ancestor of it was trained or
    validated on: by their keys, see `workers/trained_rows.py`. It is kept though the data set is deleted."""

    __tablename__ = "trained_rows"
    __table_args__ = (CheckConstraint("rows >= 0", "rows_not_negative"),)

    version_id: Mapped[str] = mapped_column(ForeignKey("versions.id"), primary_key=True)
    dataset: Mapped[str] = mapped_column(String(120), primary_key=True)
    digest: Mapped[str] = mapped_column(String(64), primary_key=True)
    rows: Mapped[int] = mapped_column(BigInteger)


class Alias(Base):
    """A name that moves from version to version of a model, `model@champion`."""

    __tablename__ = "aliases"
    __table_args__ = (
        ForeignKeyConstraint(["workspace_id", "model"], ["models.workspace_id", "models.name"]),
        ForeignKeyConstraint(["workspace_id", "version_id"], ["versions.workspace_id", "versions.id"]),
    )

    workspace_id: Mapped[str] = mapped_column(String(40), primary_key=True)
    model: Mapped[str] = mapped_column(String(100), primary_key=True)
    alias: Mapped[str] = mapped_column(String(50), primary_key=True)
    version_id: Mapped[str] = mapped_column(String(40))
    updated_at: Mapped[datetime] = mapped_column(default=db_now(), onupdate=db_now())


class Artifact(Base):
    """One downloadable file of a version: the model of one of its job's arms, or a file of `all` of them."""

    __tablename__ = "artifacts"

    version_id: Mapped[str] = mapped_column(ForeignKey("versions.id"), primary_key=True)
    arm: Mapped[str] = mapped_column(String(20), primary_key=True)
    format: Mapped[str] = mapped_column(String(20), primary_key=True)
    digest: Mapped[str] = mapped_column(String(64), index=True)
    size: Mapped[int] = mapped_column(BigInteger)
    filename: Mapped[str] = mapped_column(String(255))
    media_type: Mapped[str] = mapped_column(String(100))
