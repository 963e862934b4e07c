"""Which rows of a table are the same as rows of another table, over the columns that both have?"""

from collections.abc import Callable, Mapping, Sequence
from functools import partial

import numpy as np
from scipy.stats import binom

from workers.transfer.data import Array
from workers.transfer.proof.equal_keys import (
    NEARLY_UNIQUE,
    SUBSET_LEVEL,
    addend,
    among,
    are_copied,
    key_over,
    mixed,
    sum_over,
)
from workers.transfer.proof.known_rows import KnownRows

_CELLS = 100_000_000
"""Cells of both tables up to which rows are compared once more for each column."""


def equal_rows(target: KnownRows, asked: Array, trained: KnownRows, is_same_data: bool) -> tuple[Array, bool]:
    """Which of the target's rows `asked`, (n,) bool, are among those trained on; and is that told apart?

    They are compared over the columns that both tables have and that vary in both; then without each of
    these in turn; then without identifiers.
    """
    ours, theirs = _varying(target.columns), _varying(trained.columns)
    equal, is_told_apart = _equal_over(ours, theirs, target, asked, trained, is_same_data)
    equal = equal | _over_all_but_one(ours, theirs, target, asked, trained)
    identifiers = ours & theirs & (target.identifiers | trained.identifiers)
    if not identifiers or identifiers == ours & theirs:
        return equal, is_told_apart
    # Whoever has the lineage knows that rows are the same, and not that they are so without their identifier.
    again = _equal_over(ours - identifiers, theirs - identifiers, target, asked, trained, False)
    return equal | again[0], is_told_apart and again[1]


def _equal_over(
    ours: set[str], theirs: set[str], target: KnownRows, asked: Array, trained: KnownRows, is_same_data: bool
) -> tuple[Array, bool]:
    """The same over the columns that both have, of these of the target's and of those trained on."""
    none = np.zeros(int(asked.sum()), bool)
    shared = sorted(ours & theirs)
    if not shared:
        return none, False
    enough = partial(_are_enough, ours, theirs)
    keys = key_over(shared, target.columns), key_over(shared, trained.columns)
    if not enough(shared):
        return none, not np.isin(keys[0][asked], keys[1]).any()

    def copies() -> bool:
        tables = ((keys[0], target.columns), (keys[1], trained.columns))
        return all(are_copied(of, shared, columns) for of, columns in tables)

    equal, is_told_apart = among(keys[0], asked, keys[1], is_same_data, copies)
    if not is_told_apart and shared == sorted(target.columns) == sorted(trained.columns):
        # Cells have seven digits, too few for moments such as 1700000000; row keys have all.
        exact, is_exact = among(target.keys[:, 0], asked, trained.keys[:, 0], is_same_data)
        if exact.any():
            return exact, is_exact
    if equal.any() or not is_told_apart:
        return equal, is_told_apart
    return _over_common(target, asked, trained, shared, enough), True


def _are_enough(ours: set[str], theirs: set[str], compared: Sequence[str]) -> bool:
    """Whether rows that are equal over these columns may be the same: half of the table that has fewer."""
    is_few = 2 * len(compared) < min(len(ours), len(theirs))
    return not is_few and (len(compared) > 1 or len(ours) == len(theirs) == 1)


def _over_common(
    target: KnownRows,
    asked: Array,
    trained: KnownRows,
    shared: Sequence[str],
    enough: Callable[[Sequence[str]], bool],
) -> Array:
    """Where no row is equal over all columns: which are over those that have a value in common, (n,).

    A column without one makes all rows different, the same ones as well. They count where keys are nearly
    unique over the others.
    """
    none = np.zeros(int(asked.sum()), bool)
    common = [name for name in shared if _have_common(target.columns[name], trained.columns[name])]
    if len(common) == len(shared) or not common or not enough(common):
        return none
    ours, theirs = key_over(common, target.columns), key_over(common, trained.columns)
    if min(len(np.unique(of)) / len(of) for of in (ours, theirs)) < NEARLY_UNIQUE:
        return none
    return np.isin(ours[asked], theirs)


def _have_common(ours: Array, theirs: Array) -> bool:
    """Whether a value that is not missing is in both: sorted, since `np.isin` takes ten times as long."""
    ordered = np.sort(theirs)
    return bool((_among_sorted(np.sort(ours), ordered) & (np.sort(ours) != 0)).any())


def _over_all_but_one(
    ours: set[str], theirs: set[str], target: KnownRows, asked: Array, trained: KnownRows
) -> Array:
    """Which rows differ in one column alone from one that was trained on, (n,).

    A column that was drawn, counted or corrected anew makes most rows different. They count where there are
    more of them than chance brings with `SUBSET_LEVEL`. The chance that a row is found is taken to be twice
    the share of different rows that are not alone over the other columns (as in `among`), in the table where
    it is larger, since that share is an estimate.
    """
    found = np.zeros(int(asked.sum()), bool)
    shared = sorted(ours & theirs)
    if len(shared) < 3 or len(shared) * (len(target) + len(trained)) > _CELLS:
        return found
    sums = [sum_over(shared, of.columns) for of in (target, trained)]
    first = [np.unique(of, return_index=True)[1] for of in sums]
    equal = np.isin(sums[0][asked], sums[1])
    least = 1 / min(map(len, first))
    for number, name in enumerate(shared):
        if not _are_enough(ours, theirs, [one for one in shared if one != name]):
            continue
        rest, others = (
            mixed(total - addend(of.columns[name], number))
            for total, of in zip(sums, (target, trained), strict=True)
        )
        others = np.sort(others[first[1]])
        near = _among_sorted(rest[asked], others) & ~equal
        if near.any():
            share = max(least, *(_not_alone(of) for of in (np.sort(rest[first[0]]), others)))
            if binom.sf(near.sum() - 1, len(near), min(1.0, 2 * share)) < SUBSET_LEVEL:
                found |= near
    return found


def _not_alone(ordered: Array) -> float:
    """The share of values in order, (n,), that are equal to another."""
    same = ordered[1:] == ordered[:-1]
    return float((np.append(same, False) | np.append(False, same)).mean())


def _among_sorted(values: Array, ordered: Array) -> Array:
    """Which values are among those in order, (n,): `np.isin` takes several times as long."""
    there: Array = ordered[np.searchsorted(ordered, values).clip(max=len(ordered) - 1)] == values
    return there


def _varying(columns: Mapping[str, Array]) -> set[str]:
    return {name for name, cells in columns.items() if len(cells) and (cells != cells[0]).any()}
