"""LogME, the logarithm of the maximum evidence of a Bayesian linear model (You et al. 2021).

y ~ N(Fw, 1/β), w ~ N(0, 1/α), at the α and β of the largest evidence. The published code counts all D
features where the evidence has the rank of F, and takes MacKay's fixed point, which may end at a lower
maximum; here their ratio is searched.
"""

import math

import numpy as np
from scipy.optimize import minimize_scalar

from workers.transfer.data import Array, Task
from workers.transfer.training.linear_models import Space

LARGEST = 1e12
"""Of β and α/β, and 1 over it the smallest ratio: where y is explained wholly or not at all, one has none."""

_RATIOS = np.linspace(-math.log(LARGEST), math.log(LARGEST), 221)
"""Logarithms of α/β that are looked at, a quarter apart; the largest evidence is near the best of them."""


def logme(x: Array, y: Array, task: Task, classes: int) -> float:
    """The evidence in nats a row, the mean over classes that some rows are of, over labels, or of the number.

    Features (n, D) are standardised, and there is an intercept, whose weight has the others' prior.

    Args:
        y: classes (n,), labels (n, k) of 0 and 1, or numbers (n,).
    """
    _, z = Space.of(x.astype(np.float64))
    features = np.concatenate([z, np.ones((len(z), 1))], axis=1)
    u, s, _ = np.linalg.svd(features, full_matrices=False)
    kept = s > s[0] * max(features.shape) * np.finfo(float).eps
    columns = marks(y, task, classes)
    return float(np.mean([evidence(u[:, kept], s[kept], column) for column in columns.T]))


def marks(y: Array, task: Task, classes: int) -> Array:
    """What is fitted, (n, m) float64: classes one-hot, those that vary, labels that vary, or the number."""
    if task == "regression":
        return y.reshape(-1, 1).astype(np.float64)
    if task != "multilabel":
        y = np.eye(max(classes, 2))[y]
    columns: Array = y[:, y.min(axis=0) < y.max(axis=0)].astype(np.float64)
    return columns


def evidence(u: Array, s: Array, y: Array) -> float:
    """The largest log evidence of y (n,) over n, for features of the singular vectors u (n, k) and values s.

    With t = α/β and S = yᵀ(I + FFᵀ/t)⁻¹y it is ½ [n ln β - Σ ln(1+σ²/t) - β S - n ln 2π], and β = n/S.
    """
    n = len(y)
    along = (u.T @ y) ** 2
    beyond = max(float(y @ y - along.sum()), 0.0)

    def at(logarithms: Array) -> Array:
        """For each ln t of (m,)."""
        scales = 1 + s**2 * np.exp(-logarithms)[:, None]
        squares = (along / scales).sum(axis=1) + beyond
        beta = np.minimum(n / np.maximum(squares, n / LARGEST), LARGEST)
        total = n * np.log(beta / (2 * math.pi)) - np.log(scales).sum(axis=1) - beta * squares
        return np.asarray(0.5 * total / n)

    best = _RATIOS[int(at(_RATIOS).argmax())]
    step = _RATIOS[1] - _RATIOS[0]
    bounds = (max(best - step, _RATIOS[0]), min(best + step, _RATIOS[-1]))
    found = minimize_scalar(
        lambda x: -float(at(np.array([x]))[0]), bounds=bounds, method="bounded", options={"xatol": 1e-8}
    )
    return max(-float(found.fun), float(at(np.array([best]))[0]))
