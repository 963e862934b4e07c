"""In which fold is each train row held out, where there are too few validation rows to choose by?"""

import numpy as np

from workers.transfer.data import Array, Data

NEVER = -1
"""Of a row that is held out in no fold."""


def fold_numbers(data: Data, count: int, seed: int) -> Array:
    """The fold of each train row, (n,), from 0; `NEVER` of all where there are not two.

    Each class is dealt out evenly, in an order drawn from the seed; numbers and several labels a row just so.
    Rows that belong together, see `Data.units`, are in one fold: else an arm that knows a row by heart would
    be judged by its copy. The one row of a class, or the one unit of all its rows, is never held out, so that
    no fold is trained without the class.
    """
    units = None if data.units is None else data.units[data.train.numbers]
    if units is None or len(np.unique(units)) == len(units):
        return _of_rows(data, count, seed)
    return _of_units(data, np.unique(units, return_inverse=True)[1].reshape(-1), count, seed)


def _of_rows(data: Data, count: int, seed: int) -> Array:
    rows, classes = len(data.train), _classes(data)
    order = np.random.Generator(np.random.Philox(seed)).permutation(rows)
    if classes is not None:
        order = order[np.argsort(classes[order], kind="stable")]
        order = order[np.bincount(classes)[classes[order]] > 1]
    count, fold = min(count, len(order)), np.full(rows, NEVER)
    if count > 1:
        fold[order] = np.arange(len(order)) % count
    return fold


def _of_units(data: Data, units: Array, count: int, seed: int) -> Array:
    """The largest units first, each to the fold that has least of its classes, of equal ones fewest rows."""
    classes = _classes(data)
    known = np.zeros(len(units), np.int64) if classes is None else classes
    table = np.zeros((int(units.max()) + 1, int(known.max()) + 1))  # rows by unit and class
    np.add.at(table, (units, known), 1)
    alone = (table > 0).sum(axis=0) == 1
    is_open: Array = np.ones(len(table), bool)
    if classes is not None:
        is_open = np.logical_not((table[:, alone] > 0).any(axis=1))
    count, fold_of = min(count, int(is_open.sum())), np.full(len(table), NEVER)
    if count < 2:
        return fold_of[units]
    order = np.random.Generator(np.random.Philox(seed)).permutation(len(table))
    order = order[np.argsort(-table[order].sum(axis=1), kind="stable")]
    shares, held = table / np.maximum(table.sum(axis=0), 1), np.zeros((count, table.shape[1]))
    sizes = np.zeros(count)
    for unit in order[is_open[order]]:
        more = ((held + shares[unit]) ** 2 - held**2).sum(axis=1)
        fold = int(np.lexsort((sizes, more.round(12)))[0])
        fold_of[unit] = fold
        held[fold] += shares[unit]
        sizes[fold] += table[unit].sum()
    return fold_of[units]


def _classes(data: Data) -> Array | None:
    """The class of each train row, (n,); None of numbers, and of several labels a row."""
    if data.signature.task not in ("binary", "multiclass"):
        return None
    return data.train.targets.reshape(-1).astype(np.int64)
