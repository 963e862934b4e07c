"""Features that give the label away, on a sample of the first rows."""

from __future__ import annotations

import math

import pyarrow as pa
import pyarrow.compute as pc

SURE = 0.99
CORRELATED = 0.999
MIN_ROWS = 20
_REPEATS = 5


def tells_class(feature: pa.Array, labels: pa.Array) -> float | None:
    """The share of rows whose class the feature alone tells, if that is at least 99 %; labels have no nulls.

    A feature tells classes by its values, if these repeat (5 rows a value, or a value a class), or a number
    by its order, if every class is one stretch of it. It must err ten times less than the most frequent
    class would.
    """
    if len(labels) < MIN_ROWS:
        return None
    counts = pc.value_counts(labels).field(1)
    usual, classes = pc.max(counts).as_py() / len(labels), len(counts)
    share = max(_by_value(feature, labels, classes), _by_order(feature, labels, classes))
    return share if share >= SURE and 1 - share <= (1 - usual) / 10 else None


def _by_value(feature: pa.Array, labels: pa.Array, classes: int) -> float:
    distinct = pc.count_distinct(feature, mode="all").as_py()
    if distinct > classes and distinct * _REPEATS > len(labels):
        return 0.0
    table = pa.table({"value": feature, "label": labels})
    pairs = table.group_by(["value", "label"]).aggregate([([], "count_all")])
    most = pairs.group_by("value").aggregate([("count_all", "max")])
    return float(pc.sum(most["count_all_max"]).as_py() / len(labels))


def _by_order(feature: pa.Array, labels: pa.Array, classes: int) -> float:
    if not pa.types.is_floating(feature.type):
        return 0.0
    there = pc.is_valid(feature)
    feature, labels = feature.filter(there), labels.filter(there)
    if len(feature) < MIN_ROWS:
        return 0.0
    order = pc.sort_indices(feature)
    feature, labels = feature.take(order), labels.take(order)
    changes = pc.not_equal(labels[1:], labels[:-1])
    if pc.sum(changes).as_py() != classes - 1:
        return 0.0
    # Equal numbers of two classes lie side by side only by the sorting's chance.
    ties = pc.any(pc.and_(changes, pc.equal(feature[1:], feature[:-1]))).as_py()
    return 0.0 if ties else len(feature) / len(there)


def tells_number(feature: pa.Array, labels: pa.Array) -> float | None:
    """Pearson's correlation with a label of numbers, if beyond ±0.999."""
    there = pc.and_(pc.is_valid(feature), pc.is_valid(labels))
    x, y = feature.filter(there), labels.filter(there)
    if len(x) < MIN_ROWS or len(x) < SURE * len(labels):
        return None
    x, y = pc.subtract(x, pc.mean(x)), pc.subtract(y, pc.mean(y))
    spread = math.sqrt(_dot(x, x)) * math.sqrt(_dot(y, y))
    correlation = _dot(x, y) / spread if spread > 0 else 0.0
    return correlation if abs(correlation) > CORRELATED else None


def _dot(x: pa.Array, y: pa.Array) -> float:
    return float(pc.sum(pc.multiply(x, y)).as_py())
