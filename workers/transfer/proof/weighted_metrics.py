"""Metrics under row weights, for thousands of weightings at once.

The closed forms equal scikit-learn's metrics on rows repeated by their weight. Weights W are (draws, n),
whole numbers whose rows sum to n; results are (draws,), NaN where a draw leaves the metric undefined.
"""

from collections.abc import Callable

import numpy as np

from workers.transfer import tasks, text_metrics
from workers.transfer.data import Array, Task


def weighted_metric(task: Task, metric: str, y: Array, p: Array, weights: Array) -> Array:
    """The metric under each row of weights; targets y and predictions p as `tasks.metrics` takes them."""
    if task in tasks.OF_TEXTS:
        return text_metrics.metrics(task, weights @ p)[metric]
    if task == "regression":
        y, p = y.reshape(-1).astype(np.float64), p.reshape(-1).astype(np.float64)
        return _regression(metric, y, p, weights)
    if task == "multilabel":
        return _several(metric, y, p, weights)
    classes = y.reshape(-1).astype(np.int64)
    if metric == "auc":
        return _auc(task, classes, p, weights)
    if metric == "log_loss":
        return _mean(tasks.log_losses(task, classes, p), weights)
    count = 2 if task == "binary" else p.shape[1]
    return _CLASS_METRICS[metric](classes, tasks.decide(task, p), count, weights)


def _mean(values: Array, weights: Array) -> Array:
    result: Array = weights @ values / weights.sum(axis=1)
    return result


def _accuracy(y: Array, decided: Array, count: int, weights: Array) -> Array:
    return _mean((y == decided).astype(np.float64), weights)


def _balanced_accuracy(y: Array, decided: Array, count: int, weights: Array) -> Array:
    rows = weights @ _one_hot(y, count)  # (draws, classes)
    right = weights @ (_one_hot(y, count) * (y == decided)[:, None])
    return _mean_defined(right, rows)


def _f1(y: Array, decided: Array, count: int, weights: Array) -> Array:
    hits, mentions = _hits_and_mentions(y, decided, count, weights)
    f1: Array = np.divide(2 * hits[:, 1], mentions[:, 1], out=np.zeros(len(hits)), where=mentions[:, 1] > 0)
    return f1


def _macro_f1(y: Array, decided: Array, count: int, weights: Array) -> Array:
    """Mean over the classes that occur in y or among the decisions."""
    hits, mentions = _hits_and_mentions(y, decided, count, weights)
    return _mean_defined(2 * hits, mentions)


def _hits_and_mentions(y: Array, decided: Array, count: int, weights: Array) -> tuple[Array, Array]:
    """True positives, and 2·TP + FP + FN, by class (draws, classes)."""
    true, predicted = _one_hot(y, count), _one_hot(decided, count)
    return weights @ (true * predicted), weights @ (true + predicted)


def _mean_defined(numerator: Array, denominator: Array) -> Array:
    """Mean of the ratios by row, over the columns whose denominator is above 0."""
    defined = denominator > 0
    ratios = np.divide(numerator, denominator, out=np.zeros_like(denominator), where=defined)
    result: Array = ratios.sum(axis=1) / defined.sum(axis=1)
    return result


def _one_hot(classes: Array, count: int) -> Array:
    return np.eye(count)[classes]


_CLASS_METRICS: dict[str, Callable[[Array, Array, int, Array], Array]] = {
    "accuracy": _accuracy,
    "balanced_accuracy": _balanced_accuracy,
    "f1": _f1,
    "macro_f1": _macro_f1,
}


def _auc(task: Task, classes: Array, p: Array, weights: Array) -> Array:
    if task == "binary":
        return _area(classes == 1, p.reshape(-1), weights)
    areas = [_area(classes == number, p[:, number], weights) for number in range(p.shape[1])]
    mean: Array = np.mean(areas, axis=0)
    return mean


def _area(positive: Array, score: Array, weights: Array) -> Array:
    """P(score of a positive > of a negative) + ½ P(equal).

    Each positive wins over the negatives below it: two places in the cumulative weights of the negatives
    in order of score, before and after those of equal score.
    """
    negatives = np.flatnonzero(~positive)
    negatives = negatives[np.argsort(score[negatives], kind="stable")]
    below = np.zeros((len(weights), len(negatives) + 1))
    np.cumsum(weights[:, negatives], axis=1, out=below[:, 1:])
    won = [np.searchsorted(score[negatives], score[positive], side) for side in ("left", "right")]
    of_positives = weights[:, positive]
    wins = sum(np.einsum("dp,dp->d", of_positives, below[:, place]) for place in won) / 2
    pairs = of_positives.sum(axis=1) * below[:, -1]
    area: Array = np.divide(wins, pairs, out=np.full(len(pairs), np.nan), where=pairs > 0)
    return area


def _several(metric: str, y: Array, p: Array, weights: Array) -> Array:
    """A metric of a multilabel task, y and p (n, k)."""
    true, predicted = (y > 0.5).astype(np.float64), (p > 0.5).astype(np.float64)
    if metric == "accuracy":
        return _mean((true == predicted).mean(axis=1), weights)
    if metric == "exact_match":
        return _mean((true == predicted).all(axis=1).astype(np.float64), weights)
    if metric == "log_loss":
        return _mean(tasks.mark_losses(y, p), weights)
    if metric == "auc":
        areas = np.stack([_area(true[:, k] > 0, p[:, k], weights) for k in range(y.shape[1])], axis=1)
        defined = ~np.isnan(areas)
        sums, counts = np.where(defined, areas, 0).sum(axis=1), defined.sum(axis=1)
        mean: Array = np.divide(sums, counts, out=np.full(len(areas), np.nan), where=counts > 0)
        return mean
    hits, mentions = weights @ (true * predicted), weights @ (true + predicted)  # (draws, k)
    if metric == "micro_f1":
        hits, mentions = hits.sum(axis=1), mentions.sum(axis=1)
        f1: Array = np.divide(2 * hits, mentions, out=np.zeros(len(hits)), where=mentions > 0)
        return f1
    return _mean_defined(2 * hits, mentions)


def _regression(metric: str, y: Array, p: Array, weights: Array) -> Array:
    scale = tasks.power_of_two(y, p)
    y, p = y / scale, p / scale
    if metric == "mae":
        return _mean(np.abs(y - p), weights) * scale
    error = _mean((y - p) ** 2, weights)
    if metric == "rmse":
        root: Array = np.sqrt(error) * scale
        return root
    centred = y - y.mean()  # keeps the difference below from cancelling
    variance = _mean(centred**2, weights) - _mean(centred, weights) ** 2
    defined = variance > 1e-12 * np.mean(centred**2)
    r2: Array = 1 - np.divide(error, variance, out=np.full(len(error), np.nan), where=defined)
    return r2
