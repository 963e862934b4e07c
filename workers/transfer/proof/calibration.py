"""Do probabilities mean what they say? Calibration error, Brier score, NLL, before and after scaling."""

from typing import Any

import numpy as np
from scipy.optimize import minimize_scalar
from scipy.special import expit, log_softmax, softmax

from workers.transfer import tasks
from workers.transfer.data import Array, Task

BINS = 15

LEAST_ROWS = 100
"""Of fewer, no calibration error is told: what chance alone makes of it is larger than most models' own."""

_LEAST_BIN_ROWS = 10

SMALLEST = 1e-12
"""Probabilities are kept this far from 0 where their logarithm is taken."""


def calibration_error(task: Task, y: Array, p: Array) -> float:
    """The root of `squared_error`, 0 where that is below 0."""
    return float(np.sqrt(max(0.0, squared_error(task, y, p))))


def squared_error(task: Task, y: Array, p: Array, bins: int | None = None) -> float:
    """Debiased squared calibration error: Σ_b n_b/n ((right_b - p̄_b)² - s²_b/n_b), right - p of variance s².

    The squared gap of a bin is too large by the variance of its mean, and the second term takes that away:
    what is left is, on average, the square of the true gap, and of a calibrated model 0 (Kumar, Liang & Ma
    2019, whose right_b (1 - right_b)/(n_b - 1) is the second term where a bin has one confidence). The
    confidence of a row is the probability of the decided class. Bins of equal mass (Nixon et al. 2019) end at
    its quantiles, so rows of equal confidence share a bin and the order of the rows does not matter; there
    are `BINS`, or as many as have ten rows each. A bin of one row goes to its neighbour.
    """
    q = _both(task, p)
    confidence = q.max(axis=1)
    gaps = (q.argmax(axis=1) == y.reshape(-1).astype(np.int64)) - confidence
    bins = max(1, min(BINS, len(q) // _LEAST_BIN_ROWS)) if bins is None else bins
    bin_of = _bins(confidence, bins)
    rows = np.bincount(bin_of)
    sums, squares = np.bincount(bin_of, weights=gaps), np.bincount(bin_of, weights=gaps**2)
    # The mean of gap_i gap_j over pairs of different rows: no row's chance is squared.
    pairs = (sums**2 - squares) / np.maximum(rows * (rows - 1), 1)
    return float(np.sum(rows * pairs) / len(q))


def _bins(confidence: Array, bins: int) -> Array:
    """The bin of each row, (n,), from 0; each has two rows at least, if there are so many."""
    ends = np.quantile(confidence, np.arange(1, bins) / bins)
    _, bin_of = np.unique(np.searchsorted(ends, confidence), return_inverse=True)
    counts = np.bincount(bin_of)
    while len(counts) > 1 and counts.min() < 2:
        lone = int(np.argmin(counts))
        bin_of[bin_of >= max(lone, 1)] -= 1  # to the one below; the lowest takes the one above
        counts = np.bincount(bin_of)
    return bin_of


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

    Without validation rows, `temperature` and `after` are None; of fewer than `LEAST_ROWS` rows so is the
    calibration error. A multilabel task is calibrated over its single decisions, each a binary one.
    """
    is_told = len(y) >= LEAST_ROWS
    if task == "multilabel":
        y_known, p_known = (
            None if one is None else one.reshape(-1, 1) for one in (y_validation, p_validation)
        )
        return _calibrate("binary", y_known, p_known, y.reshape(-1, 1), p.reshape(-1, 1), is_told)
    return _calibrate(task, y_validation, p_validation, y, p, is_told)


def _calibrate(
    task: Task, y_validation: Array | None, p_validation: Array | None, y: Array, p: Array, is_told: bool
) -> dict[str, Any]:
    before = _measures(task, y, p, is_told)
    if y_validation is None or p_validation is None:
        return {"temperature": None, "before": before, "after": None}
    fitted = temperature(task, y_validation, p_validation)
    return {
        "temperature": fitted,
        "before": before,
        "after": _measures(task, y, rescaled(task, p, fitted), is_told),
    }


def _measures(task: Task, y: Array, p: Array, is_told: bool) -> dict[str, float | None]:
    error = calibration_error(task, y, p) if is_told else None
    return {"calibration_error": error, "brier": brier(task, y, p), "nll": nll(task, y, p)}


def _both(task: Task, p: Array) -> Array:
    """The probabilities of all classes (n, k), float64."""
    p = p.astype(np.float64)
    return np.concatenate([1 - p.reshape(-1, 1), p.reshape(-1, 1)], axis=1) if task == "binary" else p
