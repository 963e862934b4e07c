"""Which examples nearly repeat others, and which of these stay in one part?"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from app.datasets.inspection.kept_rows import KeptRows
from app.datasets.partition.keys import Keys
from app.datasets.partition.near_duplicates import clusters
from app.datasets.partition.parts import UNITS, Classes
from app.datasets.partition.shingles import Bytes

Places = npt.NDArray[np.int64]

_FEW = 10
"""Rows that stay together though a part of a small data set would hold fewer."""


@dataclass(frozen=True, eq=False)
class NearRows:
    """What is near to what, among n rows.

    Attributes:
        signatures: uint8 (n, s), zeros where none was looked for.
        clusters: the smallest key of the rows that each is near to, by a chain of near pairs: uint64 (n,).
        units: what stays in one part: the cluster, or the key where the cluster would leave too little.
        repeats: the rows that are near to an earlier one.
        searched: how many rows, from the first, were compared.
    """

    signatures: Bytes
    clusters: Keys
    units: Keys
    repeats: Places
    searched: int


def find_near(kept: KeptRows, keys: Keys, classes: Classes, smallest: float) -> NearRows | None:
    """Compare all rows, or the first million; None for a kind of data that is not compared.

    Args:
        keys: uint64 (n,); rows that are empty have 0.
        classes: int32 (n,), from 0, of rows without a label -1.
        smallest: the share of the rows that the smallest part gets.
    """
    signatures = kept.signatures
    if signatures is None:
        return None
    signed = kept.signed
    near = np.concatenate([clusters(signatures[:signed], keys[:signed]), keys[signed:]])
    near = _of_equal(near, keys) if signed < len(near) else near
    repeats = np.flatnonzero((first_of(near) != np.arange(len(near))) & (keys != 0))
    return NearRows(signatures, near, kept_together(near, keys, classes, smallest), repeats, signed)


def _of_equal(near: Keys, keys: Keys) -> Keys:
    """Rows that were not compared are in the cluster of those that they are equal to."""
    return near[first_of(keys)]


def kept_together(near: Keys, keys: Keys, classes: Classes, smallest: float) -> Keys:
    """What stays in one part: clusters, but for those that would swallow a part, which count by their keys.

    A cluster does so that holds more rows than the smallest part is to have, or without which a class of
    `UNITS` different inputs would have fewer units, and so no row in some part.
    """
    _, which, counts = np.unique(near, return_inverse=True, return_counts=True)
    units = np.where(counts[which] > max(_FEW, smallest * len(near)), keys, near)
    swallowed = (_different(keys, classes) >= UNITS) & (_different(units, classes) < UNITS)
    if swallowed.any():
        there = units[(classes >= 0) & swallowed[classes]]
        units = np.where(np.isin(units, there), keys, units)
    return units


def _different(values: Keys, classes: Classes) -> Places:
    """How many different values the rows of each class have; 0 as the last, of rows without a class."""
    order = np.lexsort((values, classes))
    values, classes = values[order], classes[order]
    new = np.ones(len(values), np.bool_)
    new[1:] = (values[1:] != values[:-1]) | (classes[1:] != classes[:-1])
    size = int(classes.max(initial=-1)) + 1
    return np.append(np.bincount(classes[new & (classes >= 0)], minlength=size), 0)


def first_of(values: npt.NDArray[Any]) -> Places:
    """The first row that has the value of each row."""
    _, first, which = np.unique(values, return_index=True, return_inverse=True)
    of: Places = first[which]
    return of
