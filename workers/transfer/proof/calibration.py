"""Whether probabilities mean what they say: ECE, Brier score, NLL, before and after temperature scaling."""

from typing import Any

import numpy as np
from scipy.optimize import minimize_scalar
from scipy.special import expit, log_softmax, softmax

from workers.transfer import tasks
from workers.transfer.data import Array, Task

BINS = 15
SMALLEST = 1e-12
"""Probabilities are kept this far from 0 where their logarithm is taken."""


def ece(task: Task, y: Array, p: Array, bins: int = BINS) -> float:
    """Expected calibration error over bins of equal mass (Nixon et al. 2019): Σ n_b/n |right_b - p̄_b|.

    The confidence of a row is the probability of the decided class. The bins end at its quantiles, so rows of
    equal confidence share a bin and the order of the rows does not matter.
    """
    q = _both(task, p)
    confidence = q.max(axis=1)
    right = q.argmax(axis=1) == y.reshape(-1).astype(np.int64)
    ends = np.quantile(confidence, np.arange(1, bins) / bins)
    gaps = np.bincount(np.searchsorted(ends, confidence), weights=right - confidence)  # n_b (right_b - p̄_b)
    return float(np.abs(gaps).sum() / len(q))


def brier(task: Task, y: Array, p: Array) -> float:
    """Mean squared distance: (p - y)² of a binary task, Σ_k (p_k - 1[y = k])² of several classes."""
    classes = y.reshape(-1).astype(np.int64)
    if task == "binary":
        return float(np.mean((p.reshape(-1).astype(np.float64) - classes) ** 2))
    return float(np.mean(np.sum((p.astype(np.float64) - np.eye(p.shape[1])[classes]) ** 2, axis=1)))


def nll(task: Task, y: Array, p: Array) -> float:
    """Mean -ln p of the true class."""
    return float(tasks.log_losses(task, y.reshape(-1).astype(np.int64), p).mean())


def logits(task: Task, p: Array) -> Array:
    """Logits that give these probabilities: ln p of classes, ln p - ln(1 - p) of a binary task."""
    p = np.clip(p.astype(np.float64), SMALLEST, 1 - SMALLEST if task == "binary" else 1)
    return np.log(p) - np.log1p(-p) if task == "binary" else np.log(p)


def rescaled(task: Task, p: Array, temperature: float) -> Array:
    """Probabilities of the logits divided by the temperature; above 1 they are less sure."""
    z = logits(task, p) / temperature
    scaled: Array = expit(z) if task == "binary" else softmax(z, axis=1)
    return scaled


def temperature(task: Task, y: Array, p: Array) -> float:
    """The temperature in [0.05, 20] with the lowest NLL on these rows (Guo et al. 2017)."""
    z, classes = logits(task, p), y.reshape(-1).astype(np.int64)

    def loss(log_t: float) -> float:
        scaled = z / np.exp(log_t)
        if task == "binary":
            return float(np.mean(np.logaddexp(0, np.where(classes == 1, -1, 1) * scaled.reshape(-1))))
        return float(-log_softmax(scaled, axis=1)[np.arange(len(z)), classes].mean())

    found = minimize_scalar(
        loss, bounds=(np.log(0.05), np.log(20)), method="bounded", options={"xatol": 1e-6}
    )
    return float(np.exp(found.x))


def calibrate(
    task: Task, y_validation: Array | None, p_validation: Array | None, y: Array, p: Array
) -> dict[str, Any]:
    """`before` and `after` on the test rows y, p, with the temperature fitted on the validation rows.

    Without validation rows, `temperature` and `after` are None. A multilabel task is calibrated over its
    single decisions, each a binary one.
    """
    if task == "multilabel":
        y_known, p_known = (
            None if one is None else one.reshape(-1, 1) for one in (y_validation, p_validation)
        )
        return calibrate("binary", y_known, p_known, y.reshape(-1, 1), p.reshape(-1, 1))
    before = _measures(task, y, p)
    if y_validation is None or p_validation is None:
        return {"temperature": None, "before": before, "after": None}
    fitted = temperature(task, y_validation, p_validation)
    return {"temperature": fitted, "before": before, "after": _measures(task, y, rescaled(task, p, fitted))}


def _measures(task: Task, y: Array, p: Array) -> dict[str, float]:
    return {"ece": ece(task, y, p), "brier": brier(task, y, p), "nll": nll(task, y, p)}


def _both(task: Task, p: Array) -> Array:
    """The probabilities of all classes (n, k), float64."""
    p = p.astype(np.float64)
    return np.concatenate([1 - p.reshape(-1, 1), p.reshape(-1, 1)], axis=1) if task == "binary" else p
