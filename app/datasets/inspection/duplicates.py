"""Which rows are equal to an earlier one, and which have its input under another label?"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from app.datasets.partition.keys import Keys, count_distinct, distinct, mix
from app.datasets.partition.parts import Parts

SHOWN = 5
_HEAD = 100_000


@dataclass(frozen=True)
class Found:
    """Rows that something is told of: how many, and the first of them, counted from 1."""

    count: int
    rows: list[int]


def duplicates(keys: Keys, labels: Keys) -> Found:
    """Rows with input and label of an earlier one: (n,) each."""
    whole = mix(keys) + labels
    count = len(whole) - count_distinct(whole)
    head, rows = _HEAD, np.zeros(0, np.int64)
    while count and len(rows) < min(SHOWN, count):
        rows = np.flatnonzero(_repeats(whole[:head]))
        head *= 8
    return Found(count, _shown(rows))


def _repeats(values: Keys) -> npt.NDArray[np.bool_]:
    """Whether each stood before, (n,)."""
    first = np.unique(values, return_index=True)[1]
    repeated = np.ones(len(values), bool)
    repeated[first] = False
    return repeated


def _shown(rows: npt.NDArray[np.int64]) -> list[int]:
    return [int(row) + 1 for row in rows[:SHOWN]]


def contradictions(keys: Keys, labels: Keys) -> Found:
    """Rows with the input of an earlier one and another label than the first of them; `rows` are of both.

    Args:
        labels: hashes, 0 where there is none.
    """
    numbers = np.flatnonzero(labels)
    keys, labels = keys[numbers], labels[numbers]
    if count_distinct(keys) == count_distinct(mix(keys) + labels):
        return Found(0, [])
    _, first, places = np.unique(keys, return_index=True, return_inverse=True)
    contrary = np.flatnonzero(labels != labels[first][places])
    told = np.stack([first[places[contrary[:SHOWN]]], contrary[:SHOWN]], axis=1).reshape(-1)
    rows = list(dict.fromkeys(told.tolist()))[: SHOWN - 1]
    return Found(len(contrary), _shown(numbers[rows]))


def apart(units: Keys, parts: Parts) -> Found:
    """Rows in validation or test of which an equal one is in another part.

    Args:
        units: what is equal for equal rows, (n,).
    """
    known = [distinct(units[parts == part]) for part in range(3)]
    seen = np.zeros(len(units), bool)
    for part in (1, 2):
        rows = np.flatnonzero(parts == part)
        for other in {0, 1, 2} - {part}:
            seen[rows] |= np.isin(units[rows], known[other])
    rows = np.flatnonzero(seen)
    return Found(len(rows), _shown(rows))
