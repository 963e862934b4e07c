"""L2-regularised linear models of features, fitted to convergence in double precision.

Features are standardised and divided by √D, so that a row's mean squared length is 1 and one C suits any
width. Where there are fewer rows than features, they are taken in the basis of the rows, which is exact: the
best kernel lies in it.
"""

import math
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Self

import numpy as np
from scipy.special import logsumexp
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression, Ridge

from workers.transfer import tasks
from workers.transfer.data import Array, Task

TOLERANCE, IN_FOLDS = 1e-7, 1e-5
"""The largest slope of a row's mean loss where a fit ends; folds only compare."""

_FEW_STEPS = 64
"""A feature that varies by fewer steps of float32 than this is noise to a kernel of float32."""
_SMALLEST_DEVIATION = 1e-30


class Fitted(NamedTuple):
    """x · kernel (D, k) + bias (k,): logits, of a binary task one, or a number."""

    kernel: Array
    bias: Array


class Space(NamedTuple):
    """Scaled features over √D; `basis` (D, r) is that of the rows where these are fewer than features.

    A feature is centred and divided by its deviation, or by the root mean square of all deviations where its
    own is smaller: a unit of a network that is hardly ever active would else be read through a large weight.
    What does not vary is times 0, and so not counted in D.
    """

    mean: Array
    scale: Array
    basis: Array | None = None

    @classmethod
    def of(cls, x: Array) -> tuple[Self, Array]:
        """The space of rows (n, D) in double precision, n > 0, and the rows in it."""
        mean, deviation = x.mean(axis=0), x.std(axis=0)
        steps = np.spacing(np.abs(mean).astype(np.float32)).astype(np.float64)
        varies = deviation > np.maximum(_SMALLEST_DEVIATION, _FEW_STEPS * steps)
        width = math.sqrt(max(1, int(varies.sum())))
        usual = math.sqrt(float(np.mean(deviation[varies] ** 2))) if varies.any() else 1.0
        scale = np.where(varies, 1 / (np.maximum(deviation, usual) * width), 0.0)
        z = (x - mean) * scale
        if z.shape[1] <= len(z):
            return cls(mean, scale), z
        u, s, vt = np.linalg.svd(z, full_matrices=False)
        kept = s > s[0] * max(z.shape) * np.finfo(float).eps
        kept[0] = True
        return cls(mean, scale, vt[kept].T), u[:, kept] * s[kept]

    def rows(self, x: Array) -> Array:
        """Other rows in this space."""
        z: Array = (x - self.mean) * self.scale
        return z if self.basis is None else z @ self.basis

    def back(self, fitted: Fitted) -> Fitted:
        """The same model on the features themselves: W/σ, b - Wᵀμ/σ."""
        kernel = fitted.kernel if self.basis is None else self.basis @ fitted.kernel
        kernel = self.scale[:, None] * kernel
        return Fitted(kernel, fitted.bias - self.mean @ kernel)


@dataclass(frozen=True)
class Problem:
    """What one C is for: all classes together, the numbers, or one label of several."""

    task: Task
    classes: int
    label: int | None = None

    @classmethod
    def all_of(cls, task: Task, classes: int) -> "list[Problem]":
        """Those of a task with so many classes or labels."""
        if task == "multilabel":
            return [cls("binary", 2, label) for label in range(classes)]
        return [cls(task, 2 if task == "binary" else classes)]

    def of(self, y: Array) -> Array:
        """Its own targets (n,) of all."""
        mine: Array = y if self.label is None else y[:, self.label]
        return mine

    def fit(
        self,
        z: Array,
        y: Array,
        weight: Array,
        strengths: Sequence[float],
        pause: Callable[[], None],
        tolerance: float = TOLERANCE,
    ) -> list[Fitted]:
        """The model of lowest C · Σ loss + half the kernel's square for each C, in rising order.

        The loss is log loss, or half the squared error. A class without rows answers 0 to the features, and
        gets, on average, (m + ½)/(n + k/2) with m = 0 (Krichevsky & Trofimov 1981): no probability is 0.
        `pause` is called before each fit.
        """
        if self.task == "regression":
            return [_ridge(z, y, weight, strength, pause) for strength in strengths]
        present = np.unique(y).astype(np.int64)
        fits = [Fitted(np.zeros((z.shape[1], 1)), np.zeros(1))] * len(strengths)
        if len(present) > 1:
            fits = _logistic(z, y, weight, strengths, pause, tolerance)
        fits = [_of_all_classes(z, fitted, present, self.classes, weight) for fitted in fits]
        return [_second_over_first(fitted) for fitted in fits] if self.task == "binary" else fits

    def losses(self, z: Array, y: Array, fitted: Fitted) -> Array:
        """Of each row, (n,); probabilities are clipped as in all losses."""
        answers = z @ fitted.kernel + fitted.bias
        if self.task == "regression":
            squares: Array = (answers[:, 0] - y) ** 2
            return squares
        if self.task == "binary":
            answers = np.concatenate([0 * answers, answers], axis=1)
        p = np.exp(answers - logsumexp(answers, axis=1, keepdims=True))
        return tasks.log_losses("multiclass", y.astype(np.int64), p)


def without_rows(problem: Problem, width: int) -> Fitted:
    """The model where no row counts: the same for every class, or 0."""
    k = 1 if problem.task in ("binary", "regression") else problem.classes
    return Fitted(np.zeros((width, k)), np.zeros(k))


def _ridge(z: Array, y: Array, weight: Array, strength: float, pause: Callable[[], None]) -> Fitted:
    pause()
    model = Ridge(alpha=1 / strength, solver="cholesky").fit(z, y, sample_weight=weight)
    return Fitted(model.coef_.reshape(-1, 1), np.array([model.intercept_]))


def _logistic(
    z: Array,
    y: Array,
    weight: Array,
    strengths: Sequence[float],
    pause: Callable[[], None],
    tolerance: float,
) -> list[Fitted]:
    """Each begins where the one before ended. Two classes have one column, that of the second."""
    model = LogisticRegression(tol=tolerance, max_iter=5000, warm_start=True)
    fits = []
    for strength in strengths:
        pause()
        with warnings.catch_warnings():
            # Where rounding hides all progress the line search ends, which is told as a failure.
            warnings.simplefilter("ignore", ConvergenceWarning)
            model.set_params(C=strength).fit(z, y, sample_weight=weight)
        fits.append(Fitted(np.array(model.coef_.T), np.array(model.intercept_)))
    return fits


def _of_all_classes(z: Array, fitted: Fitted, present: Array, k: int, weight: Array) -> Fitted:
    """One column a class, of those with rows and those without."""
    kernel, bias = fitted
    if len(present) == 2:
        kernel, bias = np.concatenate([-kernel, kernel], axis=1) / 2, np.concatenate([-bias, bias]) / 2
    if len(present) == k:
        return Fitted(kernel, bias)
    share = 0.5 / (weight.sum() + k / 2)
    size = float(logsumexp(z @ kernel + bias, axis=1).mean())
    whole = Fitted(np.zeros((len(kernel), k)), np.full(k, size + math.log(share)))
    whole.kernel[:, present] = kernel
    whole.bias[present] = bias + math.log(1 - (k - len(present)) * share)
    return whole


def _second_over_first(fitted: Fitted) -> Fitted:
    return Fitted(fitted.kernel[:, 1:] - fitted.kernel[:, :1], fitted.bias[1:] - fitted.bias[:1])
