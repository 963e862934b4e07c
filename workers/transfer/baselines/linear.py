"""L2-regularised linear models: logistic regression, of a number ridge regression, C by cross-validation.

Dense features are standardised and divided by √d, so that a row's mean squared length is 1, as that of tf-idf
is, and one grid of C suits any width. Where there are fewer rows than features they are taken in the basis of
the rows, which is exact, since the best weights lie in it.
"""

import math
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.sparse
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression, Ridge

from workers.transfer import tasks
from workers.transfer.baselines.learners import Answers, Problem, Solved, solve
from workers.transfer.baselines.readings import spread
from workers.transfer.data import Array

STRENGTHS = (0.01, 0.1, 1.0, 10.0, 100.0)
"""The C that are tried: what the rows' losses count for beside half the weights' square; of a ridge 1/α."""

FIXED = 1.0
"""C where nothing can be held out."""

FOLDS = 5

CHOICE_ROWS = 2000
"""Rows that C is chosen on, at most."""

TOLERANCE, IN_FOLDS = 1e-6, 1e-4

Fit = Callable[[Any, Array, Array, Sequence[float], Problem, float], list[Answers]]
"""Scaled features, targets, weights, rising C, the problem and a tolerance to a model for each C."""


def linear(x: Any, y: Array, weights: Array, problem: Problem) -> Solved:
    """Logistic regression, or ridge regression of a number."""
    return solve(x, y, weights, problem, _classes, _numbers)


def _classes(x: Any, y: Array, weights: Array, problem: Problem) -> Answers:
    return _chosen(x, y, weights, problem, y, _logistic, lambda p, y: tasks.log_losses("multiclass", y, p))


def _numbers(x: Any, y: Array, weights: Array, problem: Problem) -> Answers:
    return _chosen(x, y, weights, problem, None, _ridge, lambda p, y: (p - y) ** 2)


def _chosen(
    x: Any,
    y: Array,
    weights: Array,
    problem: Problem,
    classes: Array | None,
    fit: Fit,
    losses: Callable[[Array, Array], Array],
) -> Answers:
    """The model of the C of lowest out-of-fold loss, of equal ones the strongest regularisation."""
    some = spread(y, CHOICE_ROWS)
    fold = folds(len(some), None if classes is None else classes[some], problem.seed)
    total = np.zeros(len(STRENGTHS))
    for number in range(fold.max(initial=-1) + 1):
        train, test = some[fold != number], some[fold == number]
        scale, z = scaled(x[train])
        z_test = x[test] if scale is None else scale(x[test])
        for place, model in enumerate(fit(z, y[train], weights[train], STRENGTHS, problem, IN_FOLDS)):
            total[place] += (weights[test] * losses(model(z_test), y[test])).sum()
    strength = STRENGTHS[int(total.argmin())] if fold.max(initial=-1) >= 0 else FIXED
    scale, z = scaled(x)
    (best,) = fit(z, y, weights, [strength], problem, TOLERANCE)
    return Linear(scale, best)


def folds(rows: int, classes: Array | None, seed: int) -> Array:
    """The fold that each row is held out in, (n,), -1 for none; each class is dealt out evenly.

    At most `FOLDS`, and not more than the smallest class has rows. The one row of a class is never held out;
    there are no folds where fewer than two classes have more, or there are fewer than two rows.
    """
    order = np.random.Generator(np.random.Philox(seed)).permutation(rows)
    count = min(FOLDS, rows)
    if classes is not None:
        sizes = np.bincount(classes)
        order = order[np.argsort(classes[order], kind="stable")]
        order = order[sizes[classes[order]] > 1]
        count = min(FOLDS, int(sizes[sizes > 1].min(initial=FOLDS)))
        if np.sum(sizes > 1) < 2:
            return np.full(rows, -1)
    fold = np.full(rows, -1)
    if count > 1:
        fold[order] = np.arange(len(order)) % count
    return fold


@dataclass(frozen=True, eq=False)
class Scale:
    """(x - mean) · factor, in the basis (d, rank) if there is one."""

    mean: Array
    factor: Array
    basis: Array | None = None

    def __call__(self, x: Any) -> Array:
        z = (np.asarray(x, np.float64) - self.mean) * self.factor
        return z if self.basis is None else np.asarray(z @ self.basis)


@dataclass(frozen=True, eq=False)
class Linear:
    """A linear model of features that are scaled before; sparse ones are not."""

    scale: Scale | None
    model: Any

    def __call__(self, x: Any) -> Array:
        answers: Array = self.model(x if self.scale is None else self.scale(x))
        return answers

    def weights(self) -> tuple[Array, Array]:
        """Kernel (d, m) and bias (m,) on the features as they come; m is 1 of two classes, or of a number."""
        estimator = self.model.estimator
        kernel = np.atleast_2d(estimator.coef_).T
        bias = np.atleast_1d(np.asarray(estimator.intercept_, np.float64))
        if self.scale is None:
            return kernel, bias
        if self.scale.basis is not None:
            kernel = self.scale.basis @ kernel
        kernel = self.scale.factor[:, None] * kernel
        return kernel, bias - self.scale.mean @ kernel


@dataclass(frozen=True, eq=False)
class Estimated:
    """What an estimator of scikit-learn answers."""

    estimator: LogisticRegression | Ridge

    def __call__(self, x: Any) -> Array:
        if isinstance(self.estimator, LogisticRegression):
            return np.asarray(self.estimator.predict_proba(x))
        return np.asarray(self.estimator.predict(x))


def scaled(x: Any) -> tuple[Scale | None, Any]:
    """What scales features (n, d) as those of the train rows want it, and these scaled.

    Sparse ones are of one length a row and stay as they are.
    """
    if scipy.sparse.issparse(x):
        return None, x
    x = np.asarray(x, np.float64)
    mean, deviation = x.mean(axis=0), x.std(axis=0)
    varies = deviation > 1e-9 * np.maximum(1e-9, np.abs(mean))
    factor = np.where(varies, 1 / np.where(varies, deviation, 1.0), 0.0) / math.sqrt(max(1, varies.sum()))
    z = (x - mean) * factor
    if z.shape[1] <= len(z):
        return Scale(mean, factor), z
    u, s, vt = np.linalg.svd(z, full_matrices=False)
    kept = s > s[0] * max(z.shape) * np.finfo(float).eps
    kept[0] = True
    return Scale(mean, factor, vt[kept].T), u[:, kept] * s[kept]


def _logistic(
    z: Any, y: Array, weights: Array, strengths: Sequence[float], problem: Problem, tolerance: float
) -> list[Answers]:
    """Each begins where the one before ended; a class that no row is of here has no probability."""
    classes = int(y.max()) + 1
    present = np.unique(y)
    if len(present) < 2:
        return [lambda x: np.eye(classes)[np.full(x.shape[0], present[0])]] * len(strengths)
    begin, models = None, []
    for strength in strengths:
        problem.pause()
        model = LogisticRegression(C=strength, tol=tolerance, max_iter=2000, warm_start=True)
        if begin is not None:
            model.coef_, model.intercept_ = begin
        with warnings.catch_warnings():
            # Where rounding hides all progress the line search ends, which is told as a failure.
            warnings.simplefilter("ignore", ConvergenceWarning)
            model.fit(z, y, sample_weight=weights)
        begin = model.coef_.copy(), model.intercept_.copy()
        models.append(model)
    return [Estimated(model) for model in models]


def _ridge(
    z: Any, y: Array, weights: Array, strengths: Sequence[float], problem: Problem, tolerance: float
) -> list[Answers]:
    models = []
    for strength in strengths:
        problem.pause()
        solver = "sparse_cg" if scipy.sparse.issparse(z) else "cholesky"
        models.append(Ridge(1 / strength, solver=solver, tol=tolerance).fit(z, y, sample_weight=weights))
    return [Estimated(model) for model in models]
