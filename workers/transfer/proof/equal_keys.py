"""Are rows with equal keys the same row, or is that chance?"""

from collections.abc import Callable, Mapping, Sequence

import numpy as np
from scipy.stats import binom

from workers.transfer.data import Array

NEARLY_UNIQUE = 0.8
"""Distinct keys over rows, in both tables, from which on equal keys are taken for the same row."""

COPIED = 0.2
"""The same where rows repeat as copies do: any half of the columns tells apart what all of them do."""

HALF_TELLS = 0.95
"""Distinct keys over half of the columns, over those over all, of which that is said."""

_LOOKED_AT = 10_000
"""Rows that tell the order of columns by how many values they have."""

SUBSET_LEVEL = 1e-6
"""A subset is one where chance brings as many equal keys more rarely than this."""

_MULTIPLIERS = np.array([0xFF51AFD7ED558CCD, 0xC4CEB9FE1A85EC53], np.uint64)
_SHIFT = np.uint64(33)


def among(
    ours: Array,
    asked: Array,
    theirs: Array,
    is_same_data: bool,
    are_copied: Callable[[], bool] = lambda: False,
) -> tuple[Array, bool]:
    """Which of the asked keys are among theirs, if that is no chance; and whether that can be told."""
    own, own_counts = np.unique(ours, return_counts=True)
    other, other_counts = np.unique(theirs, return_counts=True)
    equal = np.isin(ours[asked], other)
    if is_same_data or not equal.any():
        return equal, True
    # A table that was put together several times has each row so often: that says nothing of its values.
    own_counts, other_counts = (counts // np.gcd.reduce(counts) for counts in (own_counts, other_counts))
    distinct = min(len(own) / own_counts.sum(), len(other) / other_counts.sum())
    if distinct >= NEARLY_UNIQUE or (distinct >= COPIED and are_copied()):
        return equal, True
    chance = max(0.5, *(1 - (counts == 1).sum() / counts.sum() for counts in (own_counts, other_counts)))
    both = int(np.isin(own, other).sum())
    if any(binom.sf(both - 1, len(keys), chance) < SUBSET_LEVEL for keys in (own, other)):
        return equal, True
    return np.zeros(len(equal), bool), False


def are_copied(keys: Array, names: Sequence[str], columns: Mapping[str, Array]) -> bool:
    """Whether either half of the columns tells nearly all distinct rows apart.

    So rows have more to differ in than it takes, and those that repeat are no chance. Columns are dealt out
    to the halves in the order of how many values they have.
    """
    by_values = sorted(names, key=lambda name: -len(np.unique(columns[name][:_LOOKED_AT])))
    distinct = len(np.unique(keys))
    halves = (by_values[::2], by_values[1::2])
    return all(half and len(np.unique(key_over(half, columns))) >= HALF_TELLS * distinct for half in halves)


def key_over(names: Sequence[str], columns: Mapping[str, Array]) -> Array:
    """A key of each row over some columns, (n,) uint64.

    Each cell's 32 bits become 64 that depend on the column, too: a sum of 32-bit keys would have little more
    than 32 bits.
    """
    return mixed(sum_over(names, columns))


def sum_over(names: Sequence[str], columns: Mapping[str, Array]) -> Array:
    """What `key_over` mixes, (n,) uint64: a column's `addend` is taken from it to leave the column out."""
    total: Array | None = None
    for number, name in enumerate(names):
        part = addend(columns[name], number)
        total = part if total is None else total + part
    assert total is not None
    return total


def addend(cells: Array, number: int) -> Array:
    """What the cells of the column of this number add to `sum_over`, (n,) uint64."""
    spread = mixed(cells.astype(np.uint64) | (np.uint64(number + 1) << np.uint64(32)))
    kept: Array = np.where(cells == 0, np.uint64(0), spread)
    return kept


def mixed(values: Array) -> Array:
    """MurmurHash3's finaliser of 64 bits, a bijection, (n,) uint64."""
    values = values ^ (values >> _SHIFT)
    for multiplier in _MULTIPLIERS:
        values = values * multiplier
        values = values ^ (values >> _SHIFT)
    return values
