"""Which examples nearly repeat others, which of these stay in one part, and what is told of them?"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from app.datasets.inspection.kept_rows import KeptRows
from app.datasets.inspection.labels import Labels
from app.datasets.inspection.layout import Layout
from app.datasets.partition.keys import Keys
from app.datasets.partition.near_duplicates import clusters
from app.datasets.partition.parts import UNITS, Classes, Parts
from app.datasets.partition.shingles import Bytes
from app.datasets.reading.description import SplitPlan
from app.datasets.reading.profile import Notice

Places = npt.NDArray[np.int64]

_FEW = 10
"""Rows that stay together though a part of a small data set would hold fewer."""

_SHOWN = 5
_ALIKE = {
    "text": "are equal but for a few words or letters, or for capitals, blanks and punctuation",
    "image": "show the same picture, perhaps saved in another way or size",
    "sequence": "are equal but for a few letters, on either strand",
}


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


def find(kept: KeptRows, keys: Keys, classes: Classes, smallest: float) -> NearRows | None:
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
    repeats = np.flatnonzero((_first_of(near) != np.arange(len(near))) & (keys != 0))
    return NearRows(signatures, near, kept_together(near, keys, classes, smallest), repeats, signed)


def _of_equal(near: Keys, keys: Keys) -> Keys:
    """Rows that were not compared are in the cluster of those that they are equal to."""
    return near[_first_of(keys)]


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


def notices(
    near: NearRows | None, plan: SplitPlan, parts: Parts, kept: KeptRows, layout: Layout, labels: Labels
) -> list[Notice]:
    """Near-duplicates, those that stand in different parts, and those with different labels."""
    if near is None:
        return []
    swallowing = _swallowing(near, layout) if plan.by == "key" else []
    return [*_repeats(near, parts, layout), *swallowing, *_contradictions(near, kept, layout, labels)]


def _repeats(near: NearRows, parts: Parts, layout: Layout) -> list[Notice]:
    count = len(near.repeats)
    if not count:
        return []
    kind = layout.kind
    rest = "" if near.searched == len(parts) else f" Only the first {near.searched} rows were compared so."
    apart = int((parts != parts[_first_of(near.clusters)])[near.repeats].sum())
    where = "each is in one part with those that it repeats"
    if apart:
        where = f"{apart} of them stand in another part of the split, where they make the test easier"
    message = f"{count} {kind}s nearly repeat an earlier one (they {_ALIKE[kind]}); {where}.{rest}"
    return [Notice(code="near_duplicates", column=layout.input, rows=_shown(near.repeats), message=message)]


def _swallowing(near: NearRows, layout: Layout) -> list[Notice]:
    apart = np.flatnonzero(near.units != near.clusters)
    if not len(apart):
        return []
    rows = np.flatnonzero(np.isin(near.clusters, near.clusters[apart]))
    message = (
        f"{len(rows)} {layout.kind}s are so much alike, as if made from a template, that too little would be "
        "left to train, validate or test: only equal ones of them are kept in one part. The test tells how "
        "well others of their like are answered, not new ones. To keep them together nevertheless, send "
        "`group` with a column that says which belong together."
    )
    return [Notice(code="near_duplicates_apart", column=layout.input, rows=_shown(rows), message=message)]


def _contradictions(near: NearRows, kept: KeptRows, layout: Layout, labels: Labels) -> list[Notice]:
    """The same input under different labels, of which at most one can be predicted."""
    if labels.task == "regression":
        return []
    told = kept.labels
    rows = np.flatnonzero(told != 0)
    same = _same(near, layout)[rows]
    first = rows[_first_of(same)]
    contrary = rows[(told[first] != told[rows]) & (same != 0)]
    if not len(contrary):
        return []
    message = (
        f"{len(contrary)} {layout.kind}s repeat an earlier one under another label. At most one of "
        "the two can be right; correct the labels, or declare the task multilabel if both are meant."
    )
    return [Notice(code="contradicting_labels", column=layout.label, rows=_shown(contrary), message=message)]


def _same(near: NearRows, layout: Layout) -> npt.NDArray[Any]:
    """What those share that differ in nothing that matters, 0 of what is empty: pictures of one cluster, and
    of the others those of one signature."""
    if layout.kind == "image":
        return near.clusters
    whole = near.signatures.view(f"V{near.signatures.shape[1]}").ravel()
    _, same = np.unique(whole, return_inverse=True)
    return np.where(near.signatures[:, 0] == 0, 0, same + 1)


def _first_of(values: npt.NDArray[Any]) -> Places:
    """The first row that has the value of each row."""
    _, first, which = np.unique(values, return_index=True, return_inverse=True)
    of: Places = first[which]
    return of


def _shown(rows: Places) -> list[int]:
    return [int(row) + 1 for row in rows[:_SHOWN]]
