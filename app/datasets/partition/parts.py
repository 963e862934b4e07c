"""Which rows train, validate and test? It follows from each row's unit and the seed, whatever else is there.

A unit is what stays together: a group, a cluster of rows that are nearly equal, or the rows of one key. With
u = mix(unit ^ mix(seed)) / 2^64, a unit tests where u < test_fraction, validates where
u < test_fraction + validation_fraction, and else trains: that is its natural part.

A class of three units or more has one in each part: if its natural parts lack one, the first by u test, those
after them validate, the last train, as few moved as can be. A smaller class keeps its last unit to train on.
So rows that come later do not turn one that trained into one that validates or tests: a unit's rank by u only
grows, and what was borrowed goes back. Two exceptions: a unit that trained because its class had fewer than
three, or no natural train unit.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from app.datasets.partition.keys import Keys, distinct, mix, mix_in_place

TRAIN, VALIDATION, TEST = np.uint8(0), np.uint8(1), np.uint8(2)
UNITS = 3
"""Units of a class, of which one tests and one validates."""

UNLABELLED = -1
_AT_ONCE = 1 << 16
Parts = npt.NDArray[np.uint8]
Classes = npt.NDArray[np.int16]


@dataclass(frozen=True, eq=False)
class Drawn:
    """The part of each row, uint8 (n,), and how many rows have another one than their u alone says."""

    parts: Parts
    borrowed: int


def drawn(units: Keys, seed: int) -> Keys:
    """2^64 u of each unit (n,)."""
    draws = units ^ mix(np.array([seed], np.uint64))
    mix_in_place(draws)
    return draws


def natural(units: Keys, seed: int, validation_fraction: float, test_fraction: float) -> Parts:
    """The part that u alone gives (n,)."""
    parts = np.empty(len(units), np.uint8)
    for start in range(0, len(units), _AT_ONCE):
        some = slice(start, start + _AT_ONCE)
        draws = drawn(units[some], seed)
        parts[some] = draws < _threshold(test_fraction)
        parts[some] += draws < _threshold(test_fraction + validation_fraction)
    return parts


def _threshold(fraction: float) -> np.uint64:
    return np.uint64(int(fraction * 2.0**64))


def draw(units: Keys, classes: Classes, seed: int, validation_fraction: float, test_fraction: float) -> Drawn:
    """The parts of rows by their units.

    Args:
        units: uint64 (n,).
        classes: from 0, int16 (n,), one for all of a regression and of a multilabel task; `UNLABELLED` rows
            train, unless their unit has labelled rows in another part.
    """
    labelled = classes != UNLABELLED
    fractions = (validation_fraction, test_fraction)
    own = natural(units, seed, *fractions)
    own[~labelled] = TRAIN
    parts = own.copy()
    for part, moved in _borrowed(units, own, classes, seed, *fractions).items():
        parts[np.isin(units, moved) & labelled] = part
    for label in _classes_without(parts, classes, (TRAIN,)):  # another class borrowed its only one
        parts[(units == _ranked(units[classes == label], seed)[-1]) & labelled] = TRAIN
    borrowed = int((parts != own).sum())
    _join_unlabelled(parts, units, labelled)
    return Drawn(parts, borrowed)


def _ranked(units: Keys, seed: int) -> Keys:
    """The different units by their u."""
    found = distinct(units)
    return found[np.argsort(drawn(found, seed))]


def _borrowed(
    units: Keys,
    own: Parts,
    classes: Classes,
    seed: int,
    validation_fraction: float,
    test_fraction: float,
) -> dict[np.uint8, Keys]:
    """The units that get another part than their own, the part that prevails last."""
    moved: dict[np.uint8, list[Keys]] = {VALIDATION: [], TEST: [], TRAIN: []}
    for label in _classes_without(own, classes, (TRAIN, VALIDATION, TEST)):
        ranked = _ranked(units[classes == label], seed)
        before = natural(ranked, seed, validation_fraction, test_fraction)
        after = _by_rank(before)
        for part, found in moved.items():
            found.append(ranked[(after == part) & (before != part)])
    return {part: np.concatenate(found) for part, found in moved.items() if found}


def _by_rank(own: Parts) -> Parts:
    """The parts of a class's units in the order of their u, one of each kind if there are three or more."""
    count = len(own)
    test, not_train = int((own == TEST).sum()), int((own != TRAIN).sum())
    if count >= UNITS:
        not_train = min(max(not_train, 2), count - 1)
        test = min(max(test, 1), not_train - 1)
    else:
        not_train = min(not_train, count - 1)
        test = min(test, not_train)
    parts = np.full(count, TRAIN)
    parts[:not_train] = VALIDATION
    parts[:test] = TEST
    return parts


def _classes_without(parts: Parts, classes: Classes, wanted: tuple[np.uint8, ...]) -> list[int]:
    """The classes that lack a row in one of these parts."""
    counts = count_parts(parts, classes)
    lacks = (counts[:, [int(part) for part in wanted]] == 0).any(axis=1) & (counts.sum(axis=1) > 0)
    return [int(label) for label in np.flatnonzero(lacks)]


def count_parts(parts: Parts, classes: Classes) -> npt.NDArray[np.int64]:
    """How many rows of each class (from 0) are in train, validation and test: (classes, 3)."""
    size = int(classes.max(initial=UNLABELLED)) + 1
    counts = np.zeros(3 * (size + 1), np.int64)  # the first three are the unlabelled rows'
    for start in range(0, len(parts), _AT_ONCE):
        some = slice(start, start + _AT_ONCE)
        counts += np.bincount((classes[some] + np.int32(1)) * 3 + parts[some], minlength=len(counts))
    return counts[3:].reshape(size, 3)


def _join_unlabelled(parts: Parts, units: Keys, labelled: npt.NDArray[np.bool_]) -> None:
    """Rows without a label go where those of their unit are that have one."""
    if labelled.all():
        return
    for part in (VALIDATION, TEST):
        parts[~labelled & np.isin(units, units[labelled & (parts == part)])] = part
