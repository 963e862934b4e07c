"""The H-score (Bao et al. 2019) with the covariance of Ledoit & Wolf, after Ibrahim et al. (2021)."""

import numpy as np
from sklearn.covariance import ledoit_wolf_shrinkage

from workers.transfer.choosing.scores.logme import marks
from workers.transfer.data import Array, Task


def h_score(x: Array, y: Array, task: Task, classes: int) -> float:
    """(1-a) tr(Σ⁻¹ Σ_between): how much of the features' variance is between classes, up to their number - 1.

    Σ = (1-a) S + a tr(S)/D I, with the shrinkage a of Ledoit and Wolf; of several labels it is their mean.
    Computed in the basis of the rows, which is exact: beyond it Σ_between is 0.

    Args:
        x: features (n, D).
        y: classes (n,), or labels (n, k) of 0 and 1.
    """
    centred = x.astype(np.float64) - x.mean(axis=0, dtype=np.float64)
    shrinkage = float(ledoit_wolf_shrinkage(centred, assume_centered=True))
    u, s, _ = np.linalg.svd(centred, full_matrices=False)
    variances = s**2 / len(x)
    inner = (1 - shrinkage) * variances + shrinkage * variances.sum() / x.shape[1]
    is_inner = inner > inner.max(initial=0) * max(x.shape) * np.finfo(float).eps
    z = (u * s)[:, is_inner] / np.sqrt(inner[is_inner])  # Σ is the identity for these
    columns = marks(y, task, classes)
    if task == "multilabel":
        each = [_between(z, np.stack([1 - column, column], axis=1)) for column in columns.T]
        return (1 - shrinkage) * float(np.mean(each))
    return (1 - shrinkage) * _between(z, columns)


def _between(z: Array, members: Array) -> float:
    """The trace of the class means' covariance; members (n, k) of 0 and 1."""
    sizes = members.sum(axis=0)
    means = (members.T @ z) / sizes[:, None]
    return float((sizes[:, None] * means**2).sum() / len(z))
