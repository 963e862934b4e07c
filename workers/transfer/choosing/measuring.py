"""What the target's rows say of a candidate, of a baseline, and of one answer for all: rows out of fold."""

import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Literal, Self

import numpy as np
from threadpoolctl import threadpool_limits

from workers.transfer import tasks
from workers.transfer.baselines.choosing import out_of_fold, readings_of
from workers.transfer.choosing.candidates import Candidate
from workers.transfer.choosing.scores.h_score import h_score
from workers.transfer.choosing.scores.leep import leep
from workers.transfer.choosing.scores.linear_probe import out_of_fold as probe
from workers.transfer.choosing.scores.logme import logme
from workers.transfer.choosing.scores.nce import nce
from workers.transfer.choosing.scores.nearest_mean import nearest_mean
from workers.transfer.choosing.scores.nearest_neighbours import nearest_neighbours
from workers.transfer.choosing.target import Target
from workers.transfer.data import Array
from workers.transfer.tasks import LabelUnit
from workers.transfer.training.features import stopwatch
from workers.transfer.training.options import Hooks, Training

Of = Literal["candidate", "baseline", "none"]

NONE = "none"
"""The name of the answer that knows no input: the classes' shares, or the mean, of the other folds."""


@dataclass(frozen=True)
class Measured:
    """What one way to answer came to on the rows that are held out, in their order; plain JSON values.

    log_likelihoods: of each row in nats, of several labels their mean; of a number minus the squared error
        in deviations of the label.
    right: of each row whether it was decided rightly, of several labels the share of decisions; empty for a
        number.
    metrics: of the task, by name, over all rows; None where undefined.
    scores: others, see `scores/`; None where a candidate does not have what it takes.
    strengths: C of each fold and label.
    """

    name: str
    of: Of
    log_likelihoods: list[float]
    right: list[float]
    metrics: dict[str, float | None]
    scores: dict[str, float | None] = field(default_factory=dict)
    strengths: list[list[float]] = field(default_factory=list)
    cpu_seconds: float = 0.0

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Self:
        """The inverse of `to_dict`."""
        return cls(**values)

    @property
    def score(self) -> float:
        """The mean log-likelihood of a row, or minus the mean squared error."""
        return float(np.mean(self.log_likelihoods))

    @property
    def judged(self) -> Array:
        """By which it is compared with models of another form, (h,): right, or minus squared errors."""
        return np.asarray(self.right or self.log_likelihoods)


def measure(
    candidate: Candidate, target: Target, *, pause: Callable[[], None] = lambda: None, others: bool = True
) -> Measured:
    """A linear model of the candidate's features, out of fold; with `others` the scores beside it.

    `pause` is called between two fits; it may raise.
    """
    begun = time.process_time()
    found = probe(candidate.features, target.targets, target.task, target.classes, target.fold, pause)
    p = found.predictions
    if target.task == "regression":
        p = LabelUnit.of(target.rows.targets).labels(p)
    measured = _judged(candidate.name, "candidate", p, target)
    scores: dict[str, float | None] = {}
    if others:
        with threadpool_limits(1):  # several threads sum in another order
            scores = _others(candidate, target, pause)
    seconds = time.process_time() - begun
    return replace(measured, scores=scores, strengths=found.strengths.tolist(), cpu_seconds=seconds)


def _others(candidate: Candidate, target: Target, pause: Callable[[], None]) -> dict[str, float | None]:
    x, y, task, classes = candidate.features, target.targets, target.task, target.classes
    pause()
    found: dict[str, float | None] = {"logme": logme(x, y, task, classes)}
    if task == "regression":
        return found
    pause()
    found["h_score"] = h_score(x, y, task, classes)
    found["nearest_neighbours"] = nearest_neighbours(x, y, target.fold)
    found["nearest_mean"] = nearest_mean(x, y, task, classes, target.units)
    p = candidate.source_probabilities
    for name, score in (("leep", leep), ("nce", nce)):
        if p is None:
            found[name] = None
        elif task == "multilabel":
            found[name] = float(np.mean([score(p, column, 2) for column in y.T]))
        else:
            found[name] = score(p, y, max(classes, 2))
    return found


def measure_baselines(target: Target, seed: int = 0, hooks: Hooks | None = None) -> list[Measured]:
    """What a practitioner would use for such data, without any source: each candidate of `baselines`.

    Each is durable by the hooks' `save_value`, so that a later attempt does not fit it again.

    Raises:
        Stopped: the hooks' `should_stop`, asked between two fits, gave a reason.
    """
    hooks = hooks or Hooks()
    training = Training(epochs=1, batch_size=32, learning_rate=1e-3, seed=seed)
    readings = readings_of(target.data)
    known = {name: _recalled(name, hooks) for reading in readings for name in reading.learners}
    left_out = {name for name, measured in known.items() if measured is not None}
    seconds = stopwatch(hooks.features)
    for name, p in out_of_fold(readings, target.data, training, target.fold, hooks, left_out):
        measured = replace(_judged(name, "baseline", p, target), cpu_seconds=seconds())
        if hooks.save_value:
            hooks.save_value(_key(name), measured.to_dict())
        known[name] = measured
        seconds = stopwatch(hooks.features)
    return [measured for measured in known.values() if measured is not None]


def _key(name: str) -> str:
    return f"out of fold {name}"


def _recalled(name: str, hooks: Hooks) -> Measured | None:
    values = hooks.load_value and hooks.load_value(_key(name))
    return Measured.from_dict(values) if values else None


def measure_none(target: Target) -> Measured:
    """One answer for all rows of a fold: the mean of the other rows' targets."""
    y = target.rows.targets
    width = target.classes if target.task in ("multiclass", "multilabel") else 1
    p = np.full((len(y), width), np.nan)
    for number in range(int(target.fold.max()) + 1):
        held = target.fold == number
        p[held] = tasks.one_answer(target.task, y[~held], p[held])
    return _judged(NONE, "none", p, target)


def _judged(name: str, of: Of, p: Array, target: Target) -> Measured:
    """Of predictions (n, …) as a network's, for the rows that are held out."""
    held, task = target.is_held_out, target.task
    y, p = target.rows.targets[held], p[held]
    metrics = tasks.metrics(task, y, p)
    if task == "regression":
        unit = LabelUnit.of(target.rows.targets)
        squares = (unit.standardised(y) - unit.standardised(p)).astype(np.float64) ** 2
        return Measured(name, of, (-squares[:, 0]).tolist(), [], metrics)
    if task == "multilabel":
        right = (tasks.decide(task, p) == (y > 0.5)).mean(axis=1)
        return Measured(name, of, (-tasks.mark_losses(y, p)).tolist(), right.tolist(), metrics)
    classes = y.reshape(-1).astype(np.int64)
    right = (tasks.decide(task, p) == classes).astype(np.float64)
    return Measured(name, of, (-tasks.log_losses(task, classes, p)).tolist(), right.tolist(), metrics)
