"""What a candidate is made of: features of raw inputs, what is fitted on them, and rows to fit it on."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.sparse

from workers.transfer.baselines.as_network import Parts
from workers.transfer.baselines.learners import Learner
from workers.transfer.data import Array, Rows

Inputs = Mapping[str, Any]
"""By name an array (n, …) or a sparse matrix, of rows."""

MOST_ROWS = 20_000
"""Train rows that a candidate is fitted on, at most; of more some are taken, spread over the targets."""

MOST_VALUES = 1 << 25
"""Values of features of the train rows, at most: 128 MB as float32."""


@dataclass(frozen=True, eq=False)
class Reading:
    """One way to make features of raw inputs, for one or several learners.

    learners: by the candidate's name.
    prepare: raw inputs to what does not depend on the rows that are trained on, computed once.
    learn: prepared inputs of the train rows to what makes features (n, d) of any prepared inputs.
    most_rows: train rows, at most.
    pool: rows of the source that are trained on beside the target's own; prepared by `prepare_pool` if given.
    parts: makes features and scores of a linear model two parts of a network; None where no layers can.
    about: what the features were learnt as, for `bundled_model`; None where it makes no such features.
    """

    learners: Mapping[str, Learner]
    learn: Callable[[Inputs], Callable[[Inputs], Any]]
    prepare: Callable[[Inputs], Inputs] = lambda inputs: inputs
    most_rows: int = MOST_ROWS
    pool: Rows | None = None
    prepare_pool: Callable[[Inputs], Inputs] | None = None
    parts: Parts | None = None
    about: Callable[[Any], dict[str, Any]] | None = None


def as_they_are(name: str) -> Callable[[Inputs], Callable[[Inputs], Any]]:
    """Learns nothing: prepared inputs of this name are the features."""
    return lambda _: lambda inputs: inputs[name]


def take(inputs: Inputs, places: Array | slice) -> Inputs:
    """The rows at these places."""
    return {name: values[places] for name, values in inputs.items()}


def join(first: Inputs, second: Inputs) -> Inputs:
    """The rows of both, one after the other."""
    return {name: _stacked(values, second[name]) for name, values in first.items()}


def _stacked(first: Any, second: Any) -> Any:
    if scipy.sparse.issparse(first):
        return scipy.sparse.vstack([first, second]).tocsr()
    return np.concatenate([first, second])


def spread(targets: Array, most: int) -> Array:
    """The places of about so many rows, in order, spread evenly over the targets; of each class at least one.

    The same for the same targets: nothing is drawn.
    """
    if len(targets) <= most:
        return np.arange(len(targets))
    columns = targets.reshape(len(targets), -1)
    order = np.lexsort(columns.T[::-1])
    chosen = order[np.linspace(0, len(order) - 1, most).round().astype(np.int64)]
    if columns.shape[1] == 1:
        firsts = np.unique(columns[:, 0], return_index=True)[1]
        chosen = np.concatenate([firsts if len(firsts) <= most else [], chosen]).astype(np.int64)
    return np.unique(chosen)
