"""How one scikit-learn model answers each task in the shape of a network's predictions."""

from collections.abc import Callable, Sequence
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

    def __call__(self, x: Any, y: Array, weights: Array, problem: Problem) -> "Solved": ...


class Classifier(Protocol):
    """Fits on class numbers y (n,) from 0 without a gap, at least two; answers probabilities (n, classes)."""

    def __call__(self, x: Any, y: Array, weights: Array, problem: Problem) -> Answers: ...


Regressor = Classifier
"""Fits on numbers y (n,) in units of the label; answers (n,)."""


@dataclass(frozen=True, eq=False)
class Classes:
    """Probabilities (n, k), by a model of the classes that had rows; of one such class there is no model.

    width: of the features. share: the probability of each class that had none.
    """

    width: int
    k: int
    present: Array
    share: float
    known: Answers | None

    def __call__(self, x: Any) -> Array:
        p = np.full((x.shape[0], self.k), self.share)
        p[:, self.present] = self.rest * (1.0 if self.known is None else self.known(x))
        return p

    @property
    def rest(self) -> float:
        """The probability of all classes that had rows."""
        return 1 - self.share * (self.k - len(self.present))


@dataclass(frozen=True, eq=False)
class Labels:
    """Probabilities (n, labels), each by a model of its own; one label of a binary task."""

    each: Sequence[Classes]

    def __call__(self, x: Any) -> Array:
        return np.stack([answers(x)[:, 1] for answers in self.each], axis=1)


@dataclass(frozen=True, eq=False)
class Number:
    """Numbers (n, 1) in the label's unit, by a model of them in `unit`."""

    width: int
    unit: LabelUnit
    known: Answers

    def __call__(self, x: Any) -> Array:
        return self.unit.labels(self.known(x)).reshape(-1, 1)


Solved = Classes | Labels | Number


def solve(
    x: Any, y: Array, weights: Array, problem: Problem, classifier: Classifier, regressor: Regressor
) -> Solved:
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
        problem.pause()
        units = problem.unit.standardised(y).reshape(-1).astype(np.float64)
        return Number(x.shape[1], problem.unit, regressor(x, units, weights, problem))
    if problem.task == "multiclass":
        return _of_classes(x, y.reshape(-1), weights, problem, problem.classes, classifier)
    columns = y.reshape(len(y), -1)
    return Labels([_of_classes(x, column, weights, problem, 2, classifier) for column in columns.T])


def _of_classes(
    x: Any, y: Array, weights: Array, problem: Problem, k: int, classifier: Classifier
) -> Classes:
    present, numbers = np.unique(y.astype(np.int64), return_inverse=True)
    problem.pause()
    known = classifier(x, numbers, weights, problem) if len(present) > 1 else None
    return Classes(x.shape[1], k, present, 0.5 / (len(y) + k / 2), known)
