"""Which rows of pairs and questions stay together, and which are in no part since they would tell the test?

A sentence may have several translations, and a passage several questions: rows that share one are not
independent, and one that trains tells what another that tests asks.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from app.datasets.partition.groups import hang_together
from app.datasets.partition.keys import Keys
from app.datasets.partition.parts import TEST, TRAIN, UNITS, VALIDATION, Parts, drawn

NO_PART = np.uint8(3)
"""In place of a part: the row neither trains nor validates nor tests."""

_MOST, _FEW = 0.02, 10
"""Rows that are joined by way of both sides: a larger unit would make one part much larger than asked for."""


def units_of(first: Keys, second: Keys) -> Keys:
    """What stays in one part: rows of equal `first`, joined where they share a `second`, while they are few.

    Args:
        first, second: uint64 (n,), such as those of a pair's target and source.
    """
    return while_few(hang_together(first, second)[0], first)


def while_few(units: Keys, smaller: Keys) -> Keys:
    """The units, but for those of many rows, whose rows count by `smaller` ones, (n,) each."""
    _, which, counts = np.unique(units, return_inverse=True, return_counts=True)
    few = counts[which] <= max(_FEW, _MOST * len(units))
    # What falls apart must not be called as what does not.
    clash = ~few & np.isin(smaller, units[few])
    return np.where(few, units, np.where(clash, smaller ^ np.uint64(1), smaller))


FEW_UNITS = 200
"""Units, such as articles, of which a draw by chance alone may leave a part nearly empty."""


def dealt(units: Keys, seed: int, validation_fraction: float, test_fraction: float) -> Parts:
    """The parts of few units of different sizes: in the order of their u, until a part has about its rows.

    Each part gets one unit at least, where there are three.

    Args:
        units: uint64 (n,), of rows that may be in any part.
    """
    found, which, counts = np.unique(units, return_inverse=True, return_counts=True)
    order = np.argsort(drawn(found, seed))
    parts = np.full(len(found), TRAIN)
    place = 0
    for part, fraction in ((TEST, test_fraction), (VALIDATION, validation_fraction)):
        wanted, rows, first = fraction * len(units), 0, place
        left = len(found) - UNITS + 1 if part == TEST else len(found) - 1
        while place < left and (place == first or 2 * (wanted - rows) > counts[order[place]]):
            parts[order[place]] = part
            rows += int(counts[order[place]])
            place += 1
    of_rows: Parts = parts[which]
    return of_rows


def without_shared(parts: Parts, keys: Keys) -> Parts:
    """The parts, but train rows that share a key with one that validates or tests are in none.

    So are validation rows that share one with the test.

    Args:
        keys: uint64 (n, k), compared place by place; 0 is missing.
    """
    left = parts.copy()
    for part, others in ((VALIDATION, (TEST,)), (TRAIN, (TEST, VALIDATION))):
        held_out = np.isin(left, others)
        left[(left == part) & _shares(keys, held_out)] = NO_PART
    return left


def _shares(keys: Keys, rows: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
    """Whether a row has a key in common with one of `rows`, (n,)."""
    shares = np.zeros(len(keys), np.bool_)
    for column in keys.T:
        shares |= np.isin(column, column[rows]) & (column != 0)
    return shares
