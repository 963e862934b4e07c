"""Tables: columns to the features that a network reads, for logistic regression and ensembles of trees."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np

from workers.transfer.baselines import table_layers
from workers.transfer.baselines.bundled_model import date_parts, table
from workers.transfer.baselines.learners import Learner
from workers.transfer.baselines.linear import linear
from workers.transfer.baselines.readings import MOST_VALUES, Inputs, Reading
from workers.transfer.baselines.trees import MOST_CLASSES, extra_trees, gradient_boosting
from workers.transfer.data import LARGEST_NUMBER, Array, Column, Data, Rows
from workers.transfer.networks.standardisation import scales

BOOSTED_ROWS = 400
"""Train rows from which gradient boosting is a candidate."""

MOST_CATEGORIES, MOST_FEATURES = 256, 2048
"""Values of a category that are features, at most, and of all columns together; rarer ones are unknown."""

DOMAIN, OWN = "\0domain", 1.0
"""The column of pooled rows that tells the target's own, 1, from the source's, 0. No column is called so."""


def readings(data: Data, pool: Rows | None = None) -> list[Reading]:
    """All columns, one-hot and standardised; with a pool also the source's rows, told by a domain column."""
    columns = data.signature.columns
    found = [_reading(columns, len(data.train), len(data.signature.classes))]
    if pool is not None:
        domain = (*columns, Column(DOMAIN, "number"))
        pooled = _reading(domain, len(data.train) + len(pool), len(data.signature.classes), "pooled_")
        mine, others = partial(_marked, OWN), partial(_marked, 0.0)
        found.append(replace(pooled, prepare=mine, pool=pool, prepare_pool=others))
    return found


def _reading(columns: Sequence[Column], rows: int, classes: int, prefix: str = "") -> Reading:
    learners: dict[str, Learner] = {f"{prefix}linear": linear, f"{prefix}extra_trees": extra_trees}
    if rows >= BOOSTED_ROWS and classes <= MOST_CLASSES:
        learners[f"{prefix}gradient_boosting"] = gradient_boosting
    width = MOST_FEATURES + 8 * len(columns)
    return Reading(
        learners,
        partial(learn, columns),
        most_rows=min(20_000, MOST_VALUES // width),
        parts=table_layers.parts,
        about=lambda features: dict(features.about),
    )


def _marked(value: float, inputs: Inputs) -> Inputs:
    rows = len(next(iter(inputs.values())))
    return {**inputs, DOMAIN: np.full(rows, value, np.float32)}


def learn(columns: Sequence[Column], train: Inputs) -> "Table":
    """What makes features (n, d) of inputs, as the networks' preprocessing part does; those that never vary
    in the train rows are left out.

    Numbers and booleans are standardised, a missing one is the mean and has an indicator. Categories are
    one-hot with a place for what is not known; dates are years since 2000, month, day and hour.
    """
    categories = sum(column.type == "category" for column in columns)
    most = min(MOST_CATEGORIES, max(2, MOST_FEATURES // max(categories, 1)))
    described = [_column(column, train[column.name], most) for column in columns]
    whole = table({"columns": described, "constants": {}, "kept": slice(None)}, train)
    varies = np.ptp(whole, axis=0) > 0 if len(whole) else np.zeros(whole.shape[1], bool)
    constants = {column.name: OWN for column in columns if column.name == DOMAIN}
    return Table(
        {
            "kind": "table",
            "columns": described,
            "kept": np.flatnonzero(varies).tolist(),
            "constants": constants,
        }
    )


@dataclass(frozen=True, eq=False)
class Table:
    """What makes features of inputs; `about` as in `bundled_model`."""

    about: dict[str, Any]

    def __call__(self, inputs: Inputs) -> Array:
        return table(self.about, inputs)


def _column(column: Column, values: Array, most: int) -> dict[str, Any]:
    about: dict[str, Any] = {"input": column.name, "type": column.type}
    if column.type == "category":
        counts = sorted(Counter(values.tolist()).items(), key=lambda item: (-item[1], item[0]))
        return {**about, "values": [value for value, _ in counts[:most]]}
    is_date = column.type == "date"
    found = scales(date_parts(values), unit=1.0) if is_date else scales(values.reshape(-1, 1))
    known = {name: getattr(found, name).tolist() for name in ("mean", "variance", "factor", "varies")}
    return {**about, **known, "most": np.where(found.rare, 1.0, LARGEST_NUMBER).tolist()}
