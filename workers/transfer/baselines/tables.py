"""Tables: columns to the features that a network reads, for logistic regression and ensembles of trees."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np

from workers.transfer.baselines.learners import Learner
from workers.transfer.baselines.linear import linear
from workers.transfer.baselines.readings import MOST_VALUES, Inputs, Reading
from workers.transfer.baselines.trees import MOST_CLASSES, extra_trees, gradient_boosting
from workers.transfer.data import LARGEST_NUMBER, Array, Column, Data, Rows
from workers.transfer.networks.standardisation import Scales, scales

BOOSTED_ROWS = 400
"""Train rows from which gradient boosting is a candidate."""

MOST_CATEGORIES, MOST_FEATURES = 256, 2048
"""Values of a category that are features, at most, and of all columns together; rarer ones are unknown."""

DOMAIN = "\0domain"
"""The column of pooled rows that tells the target's own, 1, from the source's, 0. No column is called so."""

_DAYS = np.array([0, 31, 62, 93, 124, 155, 186, 217, 248, 279, 310, 341]) / 372
"""Of a year, where each month begins if all have 31 days, as the networks read dates."""


def readings(data: Data, pool: Rows | None = None) -> list[Reading]:
    """All columns, one-hot and standardised; with a pool also the source's rows, told by a domain column."""
    columns = data.signature.columns
    found = [_reading(columns, len(data.train), len(data.signature.classes))]
    if pool is not None:
        domain = (*columns, Column(DOMAIN, "number"))
        pooled = _reading(domain, len(data.train) + len(pool), len(data.signature.classes), "pooled_")
        mine, others = partial(_marked, 1.0), partial(_marked, 0.0)
        found.append(replace(pooled, prepare=mine, pool=pool, prepare_pool=others))
    return found


def _reading(columns: Sequence[Column], rows: int, classes: int, prefix: str = "") -> Reading:
    learners: dict[str, Learner] = {f"{prefix}linear": linear, f"{prefix}extra_trees": extra_trees}
    if rows >= BOOSTED_ROWS and classes <= MOST_CLASSES:
        learners[f"{prefix}gradient_boosting"] = gradient_boosting
    width = MOST_FEATURES + 8 * len(columns)
    return Reading(learners, partial(learn, columns), most_rows=min(20_000, MOST_VALUES // width))


def _marked(value: float, inputs: Inputs) -> Inputs:
    rows = len(next(iter(inputs.values())))
    return {**inputs, DOMAIN: np.full(rows, value, np.float32)}


def learn(columns: Sequence[Column], train: Inputs) -> Callable[[Inputs], Array]:
    """What makes features (n, d) of inputs, as the networks' preprocessing part does; those that never vary
    in the train rows are left out.

    Numbers and booleans are standardised, a missing one is the mean and has an indicator. Categories are
    one-hot with a place for what is not known; dates are years since 2000, month, day and hour.
    """
    categories = sum(column.type == "category" for column in columns)
    most = min(MOST_CATEGORIES, max(2, MOST_FEATURES // max(categories, 1)))
    parts = [_column(column, train[column.name], most) for column in columns]
    whole = _side_by_side(parts, train)
    varies = np.ptp(whole, axis=0) > 0 if len(whole) else np.zeros(whole.shape[1], bool)
    if not varies.any():
        return lambda inputs: np.zeros((len(inputs[columns[0].name]), 1))
    return lambda inputs: _side_by_side(parts, inputs)[:, varies]


Part = Callable[[Inputs], Array]
"""Inputs to some features (n, d)."""


def _side_by_side(parts: Sequence[Part], inputs: Inputs) -> Array:
    return np.concatenate([part(inputs) for part in parts], axis=1)


def _column(column: Column, values: Array, most: int) -> Part:
    name = column.name
    if column.type == "category":
        counts = sorted(Counter(values.tolist()).items(), key=lambda item: (-item[1], item[0]))
        return partial(_one_hot, name, {value: place for place, (value, _) in enumerate(counts[:most])})
    if column.type == "date":
        found = scales(date_parts(values), unit=1.0)
        return lambda inputs: _scaled(date_parts(inputs[name]), found)
    found = scales(values.reshape(-1, 1))
    return lambda inputs: _scaled(inputs[name].reshape(-1, 1), found)


def _one_hot(name: str, known: dict[Any, int], inputs: Inputs) -> Array:
    """(n, known + 1), the last for what is not known."""
    places = np.array([known.get(value, len(known)) for value in inputs[name].tolist()], np.int64)
    return np.eye(len(known) + 1, dtype=np.float32)[places]


def _scaled(matrix: Array, found: Scales) -> Array:
    """The columns scaled, 0 for missing, and whether any is missing: (n, d + 1)."""
    with np.errstate(over="ignore"):  # far beyond the train rows
        x = (matrix.astype(np.float64) * found.factor - found.mean) / np.sqrt(found.variance)
    most = np.where(found.rare, 1.0, LARGEST_NUMBER)
    x = np.where(found.varies & ~np.isnan(x), np.clip(x, -most, most), 0.0)
    missing = np.isnan(matrix).any(axis=1, keepdims=True)
    return np.concatenate([x, missing], axis=1).astype(np.float32)


def date_parts(values: Array) -> Array:
    """Years since 2000 with their fraction, month, day and hour, (n, 4) float32; NaN for "".

    Dates read `YYYY-MM-DD` or `YYYY-MM-DDTHH:MM:SS`.
    """
    parts = np.full((len(values), 4), np.nan)
    for row, value in enumerate(values.tolist()):
        if value:
            year, month, day = int(value[:4]), int(value[5:7]), int(value[8:10])
            clock = value[11:19].split(":") if len(value) > 10 else ()
            hour = sum(int(one) / 60**power for power, one in enumerate(clock))
            fraction = _DAYS[month - 1] + (day - 1) / 372 + hour / (372 * 24)
            parts[row] = year - 2000 + fraction, month, day, hour
    return parts.astype(np.float32)
