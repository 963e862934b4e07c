"""How strongly is a linear model regularised? By cross-validation, as its rows allow.

Rows are taken in an order that follows from what is in them, so theirs does not matter: the same rows give
the same bits.
"""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple, Self

import numpy as np
from threadpoolctl import threadpool_limits

from workers.transfer.data import Array, Task
from workers.transfer.training.linear_models import IN_FOLDS, Fitted, Problem, Space, without_rows

STRENGTHS = (0.01, 0.1, 1.0, 10.0, 100.0)
"""The C that are tried: what the rows' losses count for beside half the kernel's square; of a ridge 1/α."""

FIXED = 1.0
"""C where nothing can be held out."""

FOLDS = 5

CHOICE_ROWS = 2000
"""Rows that C is chosen on, at most: it stands beside a sum over rows, so more of them want no other."""

MOST_VALUES = 1 << 25
"""Values of features, 256 MB of them, that a model is fitted on, at most; of more rows some are taken."""

_TIE = 1e-9

Fold = dict[str, Any]
Kept = Callable[[str, Callable[[], Fold]], Fold]


class LinearModel(NamedTuple):
    """A model of features as they are, and plain JSON values of how it was found.

    report: `C`, of a multilabel task one a label; `by`: cross-validation, or fixed; `folds`; `tried`, the
    out-of-fold loss of each C, of a multilabel task the labels' mean; `rows` that it was fitted on, and
    `rows_to_choose` C on.
    """

    fitted: Fitted
    report: dict[str, Any]


class Content(NamedTuple):
    """What is in rows, in whatever order they come.

    order: places of the rows, by target and then by what is in them.
    digest: of all.
    """

    order: Array
    digest: str

    @classmethod
    def of(cls, features: Array, targets: Array, weights: Array) -> Self:
        """Of features (n, D), targets (n, …) and the weights (n,) of the rows' losses."""
        about = targets.reshape(len(targets), -1).astype(np.float64)
        rows = [
            hashlib.blake2b(np.ascontiguousarray(x).tobytes() + told.tobytes(), digest_size=16).digest()
            for x, told in zip(features, about, strict=True)
        ]
        order = np.array(sorted(range(len(rows)), key=rows.__getitem__), dtype=np.int64)
        # Rows of one target follow one another, so that every n-th of them is a stratified sample.
        order = order[np.lexsort(about[order].T[::-1])]
        digest = hashlib.sha256(f"{features.shape[1:]} {features.dtype.str}".encode())
        for place in order:
            digest.update(rows[place])
        digest.update(weights[order].tobytes())
        return cls(order, digest.hexdigest())


@dataclass(frozen=True, eq=False)
class _Rows:
    """x (n, D), y (n,) or (n, labels) and weight (n,) of mean 1."""

    x: Array
    y: Array
    weight: Array

    def take(self, places: Array) -> "_Rows":
        return _Rows(self.x[places], self.y[places], self.weight[places])


def fit_linear(
    features: Array,
    targets: Array,
    task: Task,
    classes: int,
    weights: Array,
    content: Content,
    *,
    kept: Kept = lambda _, compute: compute(),
    pause: Callable[[], None] = lambda: None,
) -> LinearModel:
    """The linear model of lowest loss on rows, with the C of lowest out-of-fold loss.

    One C for all classes, for a multilabel task one a label; of equally good ones the strongest
    regularisation. Where a class has one row, this is never held out, and C is `FIXED` where fewer than two
    classes have more. At most `FOLDS` folds, and not more than the smallest class that is held out has rows.

    Args:
        features: (n, D), finite; may be mapped into memory.
        targets: as in `data.Rows`, of a regression in the unit that the model answers in.
        classes: the number of classes or labels.
        weights: (n,), of each row's loss; rows of weight 0 are as if they were not there.
        content: of these rows.
        kept: called with a fold's name and what computes its losses; may answer what an earlier run kept.
        pause: called between two fits; may raise.
    """
    problems = Problem.all_of(task, classes)
    order = content.order[weights[content.order] > 0]
    if not len(order):
        model = _side_by_side([without_rows(problem, features.shape[1]) for problem in problems])
        return LinearModel(model, {"by": "fixed", "folds": 0, "tried": [], "rows": 0})
    weight = weights[order].astype(np.float64)
    y = (targets if task == "multilabel" else targets.reshape(-1))[order].astype(np.float64)
    whole = _Rows(order, y, weight / weight.mean())  # x are places, until they are loaded
    with threadpool_limits(1, user_api="blas"):  # several threads sum in another order
        few = _loaded(features, whole, task, CHOICE_ROWS)
        chosen, report = _choose(problems, few, kept, pause)
        if len(few.y) < len(order):
            few = _loaded(features, whole, task, max(CHOICE_ROWS, MOST_VALUES // features.shape[1]))
        space, z = Space.of(few.x)
        fits = [
            problem.fit(z, problem.of(few.y), few.weight, [strength], pause)[0]
            for problem, strength in zip(problems, chosen, strict=True)
        ]
        model = space.back(_side_by_side(fits))
    c = list(chosen) if task == "multilabel" else chosen[0]
    return LinearModel(model, {"C": c, **report, "rows": len(few.y)})


def _side_by_side(fits: Sequence[Fitted]) -> Fitted:
    kernels, biases = zip(*fits, strict=True)
    return Fitted(np.concatenate(kernels, axis=1), np.concatenate(biases))


def _loaded(features: Array, rows: _Rows, task: Task, most: int) -> _Rows:
    """At most about so many of the rows, spread over the targets, in double precision."""
    places = np.arange(len(rows.y))
    if len(places) > most:
        spread = [np.linspace(0, len(places) - 1, most).round().astype(np.int64)]
        if task != "regression":  # no class is lost
            marks = rows.y.T if task == "multilabel" else [rows.y]
            spread += [np.flatnonzero(mark == value)[:2] for mark in marks for value in np.unique(mark)]
        places = np.unique(np.concatenate(spread))
    taken = rows.take(places)
    by_place = np.argsort(taken.x, kind="stable")  # as they follow one another in a file
    x = np.empty((len(places), features.shape[1]))
    x[by_place] = features[taken.x[by_place]]
    return _Rows(x, taken.y, taken.weight)


def _choose(
    problems: Sequence[Problem], rows: _Rows, kept: Kept, pause: Callable[[], None]
) -> tuple[list[float], dict[str, Any]]:
    """C for each problem, and what is told of the choice."""
    is_open = [_several(problem, rows).sum() > 1 for problem in problems]
    asked = [problem for problem, can_choose in zip(problems, is_open, strict=True) if can_choose]
    if not asked:
        return [FIXED] * len(problems), {"by": "fixed", "folds": 0, "tried": []}
    of_fold = _folds(problems[0], rows)
    count = int(of_fold.max()) + 1
    folds = [
        kept(f"fold {number}", partial(_fold, asked, rows, of_fold == number, pause))
        for number in range(count)
    ]
    losses, weights = (np.array([fold[name] for fold in folds], np.float64) for name in ("losses", "weights"))
    mean = losses.sum(axis=0) / np.maximum(weights.sum(axis=0), np.finfo(float).tiny)[:, None]
    best = iter(_strongest_of_best(mean))
    chosen = [next(best) if can_choose else FIXED for can_choose in is_open]
    tried = [{"C": c, "loss": float(loss)} for c, loss in zip(STRENGTHS, mean.mean(axis=0), strict=True)]
    return chosen, {"by": "cross-validation", "folds": count, "tried": tried, "rows_to_choose": len(rows.y)}


def _several(problem: Problem, rows: _Rows) -> Array:
    """Of each class whether several rows have it, (classes,); numbers are one by one, all of one class."""
    if problem.task == "regression":
        return np.full(2, len(rows.y) > 1)
    several: Array = np.bincount(problem.of(rows.y).astype(np.int64), minlength=problem.classes) > 1
    return several


def _folds(problem: Problem, rows: _Rows) -> Array:
    """The fold that each row is held out in, (n,), -1 for none: every n-th, by target."""
    count, may = min(FOLDS, len(rows.y)), np.ones(len(rows.y), bool)
    if problem.label is None and problem.task != "regression":
        several = _several(problem, rows)
        classes = rows.y.astype(np.int64)
        may = several[classes]
        count = min(FOLDS, int(np.bincount(classes[may], minlength=problem.classes)[several].min()))
    folds = np.full(len(may), -1)
    folds[may] = np.arange(may.sum()) % count
    return folds


def _fold(problems: Sequence[Problem], rows: _Rows, is_held_out: Array, pause: Callable[[], None]) -> Fold:
    """The sums of the held-out rows' weighted losses by problem and C, and of their weights."""
    train, test = rows.take(~is_held_out), rows.take(is_held_out)
    space, z = Space.of(train.x)
    z_test = space.rows(test.x)
    losses, weights = [], []
    for problem in problems:
        y, y_test = problem.of(train.y), problem.of(test.y)
        # Of a label that has one value without these rows nothing can be said by them.
        says = problem.task == "regression" or len(np.unique(y)) > 1
        fits = problem.fit(z, y, train.weight, STRENGTHS, pause, IN_FOLDS) if says else []
        sums = [float((test.weight * problem.losses(z_test, y_test, fitted)).sum()) for fitted in fits]
        losses.append(sums or [0.0] * len(STRENGTHS))
        weights.append(float(test.weight.sum()) if says else 0.0)
    return {"losses": losses, "weights": weights}


def _strongest_of_best(losses: Array) -> list[float]:
    """For each problem's losses by C the smallest C of those that are equal to the best."""
    best = losses.min(axis=1, keepdims=True)
    return [STRENGTHS[place] for place in (losses <= best * (1 + _TIE)).argmax(axis=1)]
