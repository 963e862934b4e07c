"""Which rows are held out in which fold? What belongs together goes whole, and each class is spread evenly.

Greedy, as in scikit-learn's StratifiedGroupKFold: unit by unit, the largest first, each to the fold that has
the smallest share of its classes so far, and of equal ones to the fold with the fewest rows.
"""

import numpy as np

from workers.transfer.data import Array, Task

ALWAYS_TRAINS = -1
"""The fold of a row that is held out in none."""


def deal(task: Task, targets: Array, units: Array, count: int, seed: int) -> Array:
    """The fold of each row from 0, int64 (n,); `ALWAYS_TRAINS` of the one unit that a class would else lack.

    units: (n,), rows with the same number are in one fold. There are at most as many folds as units, and of
    one unit alone there is none. Numbers are not stratified. The order among equals is drawn from the seed.
    """
    marks = _marks(task, targets)
    _, unit_of = np.unique(units, return_inverse=True)
    unit_of = unit_of.reshape(-1)
    sizes = np.bincount(unit_of)
    count = min(count, len(sizes))
    if count < 2:
        return np.full(len(targets), ALWAYS_TRAINS)
    members = np.zeros((len(sizes), marks.shape[1]), np.int64)
    np.add.at(members, unit_of, marks)
    order = np.random.Generator(np.random.Philox(seed)).permutation(len(sizes))
    order = order[np.argsort(-sizes[order], kind="stable")]
    fold = _dealt(members, sizes, order, count)
    _spare(members, order, fold, count)
    dealt: Array = fold[unit_of]
    return dealt


def _marks(task: Task, targets: Array) -> Array:
    """Which classes each row is of, or which labels it has, (n, classes); numbers are of one class."""
    if task == "multilabel":
        return (targets > 0.5).astype(np.int64)
    if task == "regression":
        return np.ones((len(targets), 1), np.int64)
    classes = targets.reshape(-1).astype(np.int64)
    return np.eye(int(classes.max(initial=0)) + 1, dtype=np.int64)[classes]


def _dealt(members: Array, sizes: Array, order: Array, count: int) -> Array:
    """The fold of each unit (units,)."""
    weights = 1 / np.maximum(members.sum(axis=0), 1).astype(np.float64) ** 2
    counts, rows = np.zeros((count, members.shape[1])), np.zeros(count, np.int64)
    fold = np.empty(len(sizes), np.int64)
    for unit in order:
        # How much more unequal the classes' shares become: Σ of their squares grows by twice this.
        costs = (counts * (members[unit] * weights)).sum(axis=1).round(12)
        fold[unit] = np.lexsort((rows, costs))[0]
        counts[fold[unit]] += members[unit]
        rows[fold[unit]] += sizes[unit]
    return fold


def _spare(members: Array, order: Array, fold: Array, count: int) -> None:
    """No fold holds out all of a class: the first of its units always trains, so that it can be learnt."""
    for number in range(count):
        held = members[fold == number].sum(axis=0)
        for label in np.flatnonzero((held > 0) & (held == members.sum(axis=0))):
            having = order[(members[order, label] > 0) & (fold[order] == number)]
            if len(having):  # another class has spared it before
                fold[having[0]] = ALWAYS_TRAINS
