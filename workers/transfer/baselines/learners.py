"""How one scikit-learn model answers each task in the shape of a network's predictions."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from workers.transfer.data import Array, Task
from workers.transfer.tasks import LabelUnit

Answers = Callable[[Any], Array]
"""Features (n, d) to predictions: of a class (n, 1) or (n, k), of a number (n, 1) in the label's unit."""


@dataclass(frozen=True)
class Problem:
    """What is to be learnt.

    classes: how many, of a multilabel task the labels. unit: of a regression's label, that of all train rows.
    pause: called between two fits; may raise.
    """

    task: Task
    classes: int
    unit: LabelUnit | None
    seed: int
    pause: Callable[[], None] = lambda: None


class Learner(Protocol):
    """Fits a model on features x (n, d), targets as in `data.Rows` and the rows' weights (n,)."""

    def __call__(self, x: Any, y: Array, weights: Array, problem: Problem) -> Answers: ...


class Classifier(Protocol):
    """Fits on class numbers y (n,) from 0 without a gap, at least two; answers probabilities (n, classes)."""

    def __call__(self, x: Any, y: Array, weights: Array, problem: Problem) -> Answers: ...


Regressor = Classifier
"""Fits on numbers y (n,) in units of the label; answers (n,)."""


def solve(
    x: Any, y: Array, weights: Array, problem: Problem, classifier: Classifier, regressor: Regressor
) -> Answers:
    """The answers of a task, by a model of classes or of a number; several labels get a model each.

    Rows of weight 0 are as if they were not there, unless all are. A class without rows gets the probability
    ½ / (n + k/2), on average what comes of half a row of each class (Krichevsky & Trofimov 1981).
    """
    counts = weights > 0
    if not counts.all() and counts.any():
        x, y, weights = x[np.flatnonzero(counts)], y[counts], weights[counts]
    weights = weights / weights.mean() if counts.any() else np.ones(len(y))
    if problem.task == "regression":
        assert problem.unit is not None
        unit = problem.unit
        problem.pause()
        number = regressor(x, unit.standardised(y).reshape(-1).astype(np.float64), weights, problem)
        return lambda x: unit.labels(number(x)).reshape(-1, 1)
    if problem.task == "multiclass":
        return _of_classes(x, y.reshape(-1), weights, problem, problem.classes, classifier)
    columns = y.reshape(len(y), -1)
    labels = [_of_classes(x, column, weights, problem, 2, classifier) for column in columns.T]
    return lambda x: np.stack([answers(x)[:, 1] for answers in labels], axis=1)


def _of_classes(
    x: Any, y: Array, weights: Array, problem: Problem, k: int, classifier: Classifier
) -> Answers:
    present, numbers = np.unique(y.astype(np.int64), return_inverse=True)
    problem.pause()
    share = 0.5 / (len(y) + k / 2)
    known = classifier(x, numbers, weights, problem) if len(present) > 1 else None

    def answers(x: Any) -> Array:
        p = np.full((x.shape[0], k), share)
        p[:, present] = (1 - share * (k - len(present))) * (1.0 if known is None else known(x))
        return p

    return answers
