"""How far is an answer from a row's label, and what does it say?"""

from typing import Any

import numpy as np

from workers.transfer import tasks
from workers.transfer.data import Array, Signature, Task

TASKS = frozenset(tasks.METRICS) - tasks.OF_TEXTS
"""Those whose answers are probabilities or numbers, which this can tell of."""


def row_losses(task: Task, y: Array, p: Array) -> Array:
    """The loss of each answer (n, k), (n,): log loss, of several labels the mean of theirs, squared error.

    Infinite where an answer is not finite.
    """
    wide = _wide(p).astype(np.float64)
    known = np.isfinite(wide).all(axis=1)
    losses = np.full(len(wide), np.inf)
    if task == "regression":
        losses[known] = (y.reshape(-1)[known] - wide[known, 0]) ** 2
    elif task == "multilabel":
        losses[known] = tasks.mark_losses(y[known], wide[known])
    else:
        losses[known] = tasks.log_losses(task, y.reshape(-1)[known].astype(np.int64), wide[known])
    return losses


def label_probabilities(task: Task, y: Array, p: Array) -> Array | None:
    """What each answer (n, k) gives to the row's own class, (n,); None of several labels and of numbers."""
    if task not in ("binary", "multiclass"):
        return None
    p = _wide(p).astype(np.float64)
    wide = np.concatenate([1 - p, p], axis=1) if task == "binary" else p
    own: Array = wide[np.arange(len(wide)), y.reshape(-1).astype(np.int64)]
    return own


def said(signature: Signature, p: Array) -> list[Any]:
    """Each answer (n, k) in words: a class, a list of labels, a number; None where it is not finite."""
    p = _wide(p)
    known: Array = np.logical_and.reduce(np.isfinite(p), axis=1)
    if signature.task == "regression":
        return [float(value) if is_known else None for value, is_known in zip(p[:, 0], known, strict=True)]
    if signature.task == "multilabel":
        found: list[Any] = [[signature.classes[k] for k in np.flatnonzero(row > 0.5)] for row in p]
    else:
        filled = np.where(known[:, None], p, 0)
        found = [signature.classes[int(number)] for number in tasks.decide(signature.task, filled)]
    return [one if is_known else None for one, is_known in zip(found, known, strict=True)]


def _wide(p: Array) -> Array:
    """(n, k), of no rows, too."""
    return p if p.ndim == 2 else p.reshape(-1, 1)


def labels(signature: Signature, targets: Array) -> list[Any]:
    """Targets as they stand in a file: classes, lists of labels, numbers."""
    if signature.task == "regression":
        return [float(value) for value in targets.reshape(-1)]
    if signature.task == "multilabel":
        return [[signature.classes[k] for k in np.flatnonzero(row > 0.5)] for row in targets]
    return [signature.classes[int(number)] for number in targets.reshape(-1)]
