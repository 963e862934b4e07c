"""The nearest class mean, leaving one out (for ranking: Kornblith et al. 2019; Mensink et al. 2013)."""

import numpy as np

from workers.transfer.data import Array, Task
from workers.transfer.training.linear_models import Space


def nearest_mean(x: Array, y: Array, task: Task, classes: int, units: Array) -> float:
    """The share of rows whose class has the nearest mean, without the row and those that belong to it.

    Features are standardised. A class without other rows has no mean. Of several labels it is their mean.

    Args:
        x: features (n, D).
        y: classes (n,), or labels (n, k) of 0 and 1.
        units: (n,), from 0; rows that belong together have one number.
    """
    _, z = Space.of(x.astype(np.float64))
    columns = y.T if task == "multilabel" else [y]
    return float(np.mean([_one(z, column, max(classes, 2), units) for column in columns]))


def _one(z: Array, y: Array, classes: int, units: Array) -> float:
    members = np.eye(classes)[y]
    sums, sizes = members.T @ z, members.sum(axis=0)
    right = 0
    order = np.argsort(units, kind="stable")
    for places in np.split(order, np.flatnonzero(np.diff(units[order])) + 1):
        left_sizes = sizes - members[places].sum(axis=0)
        left = (sums - members[places].T @ z[places]) / np.maximum(left_sizes, 1)[:, None]
        distances = ((z[places][:, None] - left[None]) ** 2).sum(axis=2)
        distances[:, left_sizes == 0] = np.inf
        right += int((distances.argmin(axis=1) == y[places]).sum())
    return right / len(y)
