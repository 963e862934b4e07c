"""Which of the target's rows were among those that something in the transfer was trained or validated on?"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import NamedTuple

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

MOST_NEAR = 0.2
"""Share of the target's rows that may be near a train row of its own before being near says nothing."""

SUBSET_LEVEL = 1e-6
"""A subset is one where chance brings as many equal keys more rarely than this."""

_MULTIPLIERS = np.array([0xFF51AFD7ED558CCD, 0xC4CEB9FE1A85EC53], np.uint64)
_SHIFT = np.uint64(33)

Near = Callable[[Array, Array], Array]


@dataclass(frozen=True, eq=False)
class KnownRows:
    """What tells rows apart, and nothing of what is in them.

    keys: (n, k) uint64, k keys a row. signatures: (n, s), for `near`, or None. columns: of a table, by what
    each column is called, keys of its cells, (n,) uint32, 0 where they are missing; none of other kinds. They
    are asked for one after the other, and may be made or read then. identifiers: columns that may only number
    the rows, so that the same row may have another cell in another table.
    """

    keys: Array
    signatures: Array | None = None
    columns: Mapping[str, Array] = field(default_factory=dict)
    identifiers: frozenset[str] = frozenset()

    def __len__(self) -> int:
        return len(self.keys)

    def of(self, rows: Array) -> "KnownRows":
        """Some of the rows, by a mask or by numbers; columns are taken from when they are asked for."""
        signatures = None if self.signatures is None else self.signatures[rows]
        return KnownRows(self.keys[rows], signatures, _Some(self.columns, rows), self.identifiers)


class _Some(Mapping[str, Array]):
    """Some rows of columns."""

    def __init__(self, columns: Mapping[str, Array], rows: Array) -> None:
        self._columns, self._rows = columns, rows

    def __getitem__(self, name: str) -> Array:
        cells: Array = self._columns[name][self._rows]
        return cells

    def __iter__(self) -> Iterator[str]:
        return iter(self._columns)

    def __len__(self) -> int:
        return len(self._columns)


class Overlap(NamedTuple):
    """Which of the rows that were asked for were seen, (n,) bool.

    equal, near: in full, and in all but a little. is_told_apart: False where some rows have an equal or a
    near one, but so would rows that have nothing to do with each other.
    """

    equal: Array
    near: Array
    is_told_apart: bool = True

    @property
    def seen(self) -> Array:
        """Either of both, (n,) bool."""
        either: Array = self.equal | self.near
        return either


def overlap(
    target: KnownRows,
    asked: Array,
    trained: KnownRows,
    *,
    is_same_data: bool = False,
    near: Near | None = None,
) -> Overlap:
    """Which of the target's rows `asked`, (n,) bool, are among the rows that something was trained on.

    Rows are equal by their keys; those of tables by the cells of the columns that both have and that vary in
    both, so that no row is hidden by the order of columns, by a column that one table alone has, or by one
    that tells of all rows where they come from. They are compared again without identifiers, since rows that
    are written anew are often numbered anew.

    Equal keys are taken for the same row where keys are nearly unique in both (`NEARLY_UNIQUE`), where those
    of tables repeat only since whole rows are copied, as those of a rare class may be (`COPIED`), where the
    lineage says so (`is_same_data`: versions of one data set), or where so many of one's distinct keys are
    found in the other that chance does not bring it: one is a subset. The chance that a row is found is taken
    to be the share of rows that are not alone with their key, the Good-Turing estimate of a sample's coverage
    (Good 1953), in the table where it is larger, and at least a half. Besides, the columns compared must be
    half of those that vary in the table that has fewer, and two unless neither has more: else rows that share
    a date would be taken for one. Of all else nothing is counted, and the overlap is not told apart from
    chance.

    Where no row is equal so, columns that have no value in common are left out, which would hide each row: in
    other units, or names of files. Then keys have to be nearly unique.

    Signatures are compared by `near`. They say nothing where many rows asked for are near a row of the target
    that was not asked for, since rows that are near each other are kept in one part where that can be. Else
    rows that repeat are seen by them where keys say nothing: the control has not read these very words.
    """
    asked = np.asarray(asked, bool)
    equal, is_told_apart = _equal(target, asked, trained, is_same_data)
    none = np.zeros(len(equal), bool)
    if near is None or target.signatures is None or trained.signatures is None or not len(trained):
        return Overlap(equal, none, is_told_apart)
    alike = near(target.signatures[asked], trained.signatures)
    others = target.signatures[~asked]
    if (alike & ~equal).any() and len(others) and near(target.signatures[asked], others).mean() > MOST_NEAR:
        return Overlap(equal, none, False)
    if not is_told_apart:
        same = _any_key_among(target.keys[asked], trained.keys)
        equal, is_told_apart = same & alike, not (same & ~alike).any()
    return Overlap(equal, alike & ~equal, is_told_apart)


def _any_key_among(keys: Array, others: Array) -> Array:
    """Which rows have one of their keys in its place among the others', (n,)."""
    places = range(keys.shape[1])
    found: Array = np.any([np.isin(keys[:, place], others[:, place]) for place in places], axis=0)
    return found


def _equal(target: KnownRows, asked: Array, trained: KnownRows, is_same_data: bool) -> tuple[Array, bool]:
    none = np.zeros(int(asked.sum()), bool)
    if not len(trained):
        return none, True
    if not target.columns:
        pairs = [(target.keys[:, place], trained.keys[:, place]) for place in range(target.keys.shape[1])]
        each = [_among(ours, asked, theirs, is_same_data) for ours, theirs in pairs]
        return np.any([equal for equal, _ in each], axis=0), all(is_told for _, is_told in each)
    ours, theirs = _varying(target.columns), _varying(trained.columns)
    found = _equal_over(ours, theirs, target, asked, trained, is_same_data)
    identifiers = ours & theirs & (target.identifiers | trained.identifiers)
    if not identifiers or identifiers == ours & theirs:
        return found
    # Whoever has the lineage knows that rows are the same, and not that they are so without their identifier.
    again = _equal_over(ours - identifiers, theirs - identifiers, target, asked, trained, False)
    return found[0] | again[0], found[1] and again[1]


def _equal_over(
    ours: set[str], theirs: set[str], target: KnownRows, asked: Array, trained: KnownRows, is_same_data: bool
) -> tuple[Array, bool]:
    """The same over the columns that both have, of these of the target's and of those trained on."""
    none = np.zeros(int(asked.sum()), bool)
    shared = sorted(ours & theirs)
    if not shared:
        return none, False
    enough = partial(_are_enough, ours, theirs)
    keys = _over(shared, target.columns), _over(shared, trained.columns)
    if not enough(shared):
        return none, not np.isin(keys[0][asked], keys[1]).any()

    def are_copied() -> bool:
        tables = ((keys[0], target.columns), (keys[1], trained.columns))
        return all(_are_copied(of, shared, columns) for of, columns in tables)

    equal, is_told_apart = _among(keys[0], asked, keys[1], is_same_data, are_copied)
    if not is_told_apart and shared == sorted(target.columns) == sorted(trained.columns):
        # Cells have seven digits, too few for moments such as 1700000000; row keys have all.
        exact, is_exact = _among(target.keys[:, 0], asked, trained.keys[:, 0], is_same_data)
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
    ours, theirs = _over(common, target.columns), _over(common, trained.columns)
    if min(len(np.unique(of)) / len(of) for of in (ours, theirs)) < NEARLY_UNIQUE:
        return none
    return np.isin(ours[asked], theirs)


def _have_common(ours: Array, theirs: Array) -> bool:
    """Whether a value that is not missing is in both: sorted, since `np.isin` takes ten times as long."""
    ours, theirs = np.sort(ours), np.sort(theirs)
    places = np.searchsorted(theirs, ours).clip(max=len(theirs) - 1)
    return bool(((theirs[places] == ours) & (ours != 0)).any())


def _among(
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


def _are_copied(keys: Array, names: Sequence[str], columns: Mapping[str, Array]) -> bool:
    """Whether either half of the columns tells nearly all distinct rows apart.

    So rows have more to differ in than it takes, and those that repeat are no chance. Columns are dealt out
    to the halves in the order of how many values they have.
    """
    by_values = sorted(names, key=lambda name: -len(np.unique(columns[name][:_LOOKED_AT])))
    distinct = len(np.unique(keys))
    halves = (by_values[::2], by_values[1::2])
    return all(half and len(np.unique(_over(half, columns))) >= HALF_TELLS * distinct for half in halves)


def _varying(columns: Mapping[str, Array]) -> set[str]:
    return {name for name, cells in columns.items() if len(cells) and (cells != cells[0]).any()}


def _over(names: Sequence[str], columns: Mapping[str, Array]) -> Array:
    """A key of each row over some columns, (n,) uint64.

    Each cell's 32 bits become 64 that depend on the column, too: a sum of 32-bit keys would have little more
    than 32 bits.
    """
    total: Array | None = None
    for number, name in enumerate(names, start=1):
        cells = columns[name].astype(np.uint64) | (np.uint64(number) << np.uint64(32))
        spread = np.where(columns[name] == 0, np.uint64(0), mixed(cells))
        total = spread if total is None else total + spread
    assert total is not None
    return mixed(total)


def mixed(values: Array) -> Array:
    """MurmurHash3's finaliser of 64 bits, a bijection, (n,) uint64."""
    values = values ^ (values >> _SHIFT)
    for multiplier in _MULTIPLIERS:
        values = values * multiplier
        values = values ^ (values >> _SHIFT)
    return values
