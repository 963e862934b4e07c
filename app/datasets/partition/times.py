"""Which rows are the last ones? They test, and those before them validate."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from app.datasets.partition.parts import TEST, TRAIN, VALIDATION, Parts

INSTANTS = 3
"""Different ones, of which the last tests and the one before validates."""


@dataclass(frozen=True, eq=False)
class Timed:
    """The part of each row, uint8 (n,), and the first instants of those that validate and test."""

    parts: Parts
    validation: float
    test: float


def by_time(
    instants: npt.NDArray[np.float64],
    labelled: npt.NDArray[np.bool_],
    validation_fraction: float,
    test_fraction: float,
) -> Timed | None:
    """The parts by time, such that equal instants are in one; None for fewer than `INSTANTS` different ones.

    Args:
        instants: (n,), NaN where there is none: such rows train.
        labelled: (n,), the rows that the fractions are of.
    """
    moments, counts = np.unique(instants[labelled & ~np.isnan(instants)], return_counts=True)
    if len(moments) < INSTANTS:
        return None
    before = np.concatenate([[0], np.cumsum(counts)])  # rows before each moment
    test = _nearest(before, before[-1] * (1 - test_fraction), 2, len(moments) - 1)
    validation = _nearest(before, before[test] - before[-1] * validation_fraction, 1, test - 1)
    parts = np.full(len(instants), TRAIN)
    parts[instants >= moments[validation]] = VALIDATION
    parts[instants >= moments[test]] = TEST
    return Timed(parts, float(moments[validation]), float(moments[test]))


def _nearest(before: npt.NDArray[Any], rows: float, low: int, high: int) -> int:
    """The moment from `low` to `high` before which there are most nearly so many rows."""
    return low + int(np.argmin(np.abs(before[low : high + 1] - rows)))
