"""The states of a job and the moves between them, a sentence for each."""

from __future__ import annotations

from enum import StrEnum


class State(StrEnum):
    """The state of a job."""

    QUEUED = "queued"
    RUNNING = "running"
    PAUSED = "paused"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"


TERMINAL = frozenset({State.SUCCEEDED, State.FAILED, State.CANCELLED})
"""No worker changes the job any more; of what failed or was cancelled, a user may still ask for more."""

RETRIABLE = frozenset({State.FAILED, State.CANCELLED})

MEANING = {
    State.QUEUED: "waits for a worker",
    State.RUNNING: "a worker holds its lease",
    State.PAUSED: "stopped on request, its checkpoint kept",
    State.SUCCEEDED: "its result is available",
    State.FAILED: "ended with an error that its `error` field explains",
    State.CANCELLED: "ended by request",
}

MOVES = {
    (State.QUEUED, State.RUNNING): "a worker claims it",
    (State.QUEUED, State.PAUSED): "paused before it began",
    (State.QUEUED, State.CANCELLED): "cancelled before it began",
    (State.RUNNING, State.SUCCEEDED): "its result, and a transfer's version, are committed together",
    (State.RUNNING, State.FAILED): "a permanent error, or no attempts left",
    (State.RUNNING, State.CANCELLED): "its worker stopped as asked",
    (State.RUNNING, State.PAUSED): "its worker saved a checkpoint and stopped as asked",
    (State.RUNNING, State.QUEUED): "its lease ran out, its worker shut down, or a temporary error",
    (State.PAUSED, State.QUEUED): "resumed",
    (State.PAUSED, State.CANCELLED): "cancelled while paused",
    (State.FAILED, State.QUEUED): "retried by request",
    (State.CANCELLED, State.QUEUED): "retried by request",
}


TRAINED, INTERIM = "network", "network so far"
"""Keys of the parts of the stage `transfer` that hold the target's network, when it is trained and before."""


class Kind(StrEnum):
    """What a job does. A worker finds how by the kind's name: `workers/kinds/`."""

    TRANSFER = "transfer"
    RANKING = "ranking"
    VECTOR = "vector"
    PREDICTION = "prediction"


class Stage(StrEnum):
    """The durable steps of jobs, those of a kind in their order."""

    SOURCE = "source"
    TRANSFER = "transfer"
    CONTROL = "control"
    EVALUATE = "evaluate"
    EXPORT = "export"
    RANK = "rank"
    DESCRIBE = "describe"
    PREDICT = "predict"


STAGES: dict[Kind, tuple[Stage, ...]] = {
    Kind.TRANSFER: (Stage.SOURCE, Stage.TRANSFER, Stage.CONTROL, Stage.EVALUATE, Stage.EXPORT),
    Kind.RANKING: (Stage.RANK,),
    Kind.VECTOR: (Stage.DESCRIBE,),
    Kind.PREDICTION: (Stage.PREDICT,),
}
"""The stages that a job of a kind may have."""
