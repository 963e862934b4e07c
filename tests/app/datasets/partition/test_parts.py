"""Parts, against a computation in plain Python, and what must hold when data sets grow."""

from __future__ import annotations

from collections import defaultdict

import numpy as np
import numpy.typing as npt
import pytest

from app.datasets.partition.parts import UNLABELLED, draw
from tests.app.datasets.partition.plain import MASK, plain_mix

TRAIN, VALIDATION, TEST = 0, 1, 2


def plain_parts(units: list[int], classes: list[int], seed: int, validation: float, test: float) -> list[int]:
    """By the definition, where no unit is in two classes."""
    u = [plain_mix((unit ^ plain_mix(seed)) & MASK) / 2**64 for unit in units]
    parts = [TEST if x < test else VALIDATION if x < test + validation else TRAIN for x in u]
    of_class = defaultdict(set)
    for x, label in zip(u, classes, strict=True):
        of_class[label].add(x)
    for label, members in of_class.items():
        ranked = sorted(members)
        tested = sum(x < test for x in ranked)
        held = sum(x < test + validation for x in ranked)
        if len(ranked) >= 3:
            held = min(max(held, 2), len(ranked) - 1)
            tested = min(max(tested, 1), held - 1)
        else:
            held = min(held, len(ranked) - 1)
            tested = min(tested, held)
        for row, (x, its) in enumerate(zip(u, classes, strict=True)):
            if its == label:
                rank = ranked.index(x)
                parts[row] = TEST if rank < tested else VALIDATION if rank < held else TRAIN
    return parts


def keys(rows: int, seed: int) -> npt.NDArray[np.uint64]:
    return np.random.default_rng(seed).integers(0, 2**64, rows, dtype=np.uint64)


def labels(units: npt.NDArray[np.uint64], count: int) -> npt.NDArray[np.int32]:
    """A label that follows from the unit, some far rarer than others."""
    return np.minimum((units >> np.uint64(7)) % np.uint64(97), count - 1).astype(np.int32)


@pytest.mark.parametrize("rows", [1, 2, 3, 4, 10, 60, 400])
@pytest.mark.parametrize("seed", range(5))
def test_parts_are_those_of_the_definition(rows: int, seed: int) -> None:
    units = np.repeat(keys(rows, rows + seed), 2)
    classes = labels(units, 5)
    found = draw(units, classes, seed, 0.2, 0.15).parts
    assert found.tolist() == plain_parts(units.tolist(), classes.tolist(), seed, 0.2, 0.15)


def test_fractions_are_those_of_the_rows_about() -> None:
    found = draw(keys(100_000, 1), np.zeros(100_000, np.int32), 7, 0.2, 0.1)
    shares = np.bincount(found.parts) / 100_000
    # Five standard deviations of a binomial share, which these keys keep.
    np.testing.assert_allclose(shares, [0.7, 0.2, 0.1], atol=5 * np.sqrt(0.25 / 100_000))
    assert found.borrowed == 0


def test_another_seed_draws_other_parts() -> None:
    units, classes = keys(1000, 2), np.zeros(1000, np.int32)
    assert (draw(units, classes, 1, 0.2, 0.2).parts != draw(units, classes, 2, 0.2, 0.2).parts).any()


@pytest.mark.parametrize("seed", range(20))
def test_every_class_of_three_has_a_unit_in_each_part_and_all_train(seed: int) -> None:
    units = keys(40, seed)
    classes = labels(units, 9)
    parts = draw(units, classes, seed, 0.3, 0.3).parts
    for label in np.unique(classes):
        its = parts[classes == label]
        assert TRAIN in its
        assert len(its) < 3 or {TRAIN, VALIDATION, TEST} == set(its.tolist())


@pytest.mark.parametrize("seed", range(20))
def test_rows_that_come_later_move_none_from_train(seed: int) -> None:
    units = keys(300, seed)
    classes = labels(units, 12)
    before = None
    for rows in (20, 25, 40, 80, 81, 300):
        parts = draw(units[:rows], classes[:rows], seed, 0.2, 0.2).parts
        if before is not None:
            moved = np.flatnonzero((before == TRAIN) & (parts[: len(before)] != TRAIN))
            for row in moved:  # the two exceptions
                its = before[classes[: len(before)] == classes[row]]
                natural = draw(units[: len(before)], np.zeros(len(before), np.int32), seed, 0.2, 0.2).parts
                assert len(its) < 3 or natural[row] != TRAIN
        before = parts


@pytest.mark.parametrize("seed", range(5))
def test_the_order_of_rows_and_a_subset_change_no_part_but_borrowed_ones(seed: int) -> None:
    units = keys(500, seed)
    classes = labels(units, 6)
    parts = draw(units, classes, seed, 0.2, 0.2).parts
    order = np.random.default_rng(seed).permutation(500)
    np.testing.assert_array_equal(draw(units[order], classes[order], seed, 0.2, 0.2).parts, parts[order])
    some = order[:100]
    fewer = draw(units[some], classes[some], seed, 0.2, 0.2)
    assert (
        int((fewer.parts != parts[some]).sum())
        <= fewer.borrowed + draw(units, classes, seed, 0.2, 0.2).borrowed
    )


def test_rows_without_a_label_train_unless_their_unit_is_elsewhere() -> None:
    units = keys(200, 3)
    labelled = draw(units, np.zeros(200, np.int32), 0, 0.2, 0.2).parts
    more = np.concatenate([units, units, keys(200, 4)])
    classes = np.concatenate([np.zeros(200, np.int32), np.full(400, UNLABELLED, np.int32)])
    parts = draw(more, classes, 0, 0.2, 0.2).parts
    np.testing.assert_array_equal(parts[:200], labelled)
    np.testing.assert_array_equal(parts[200:400], labelled)
    assert set(parts[400:].tolist()) == {TRAIN}


def test_a_unit_of_several_classes_moves_as_one_and_each_class_trains() -> None:
    for seed in range(30):
        units = keys(4, seed)[np.random.default_rng(seed).integers(0, 4, 24)]
        classes = np.random.default_rng(seed + 1).integers(0, 3, 24).astype(np.int32)
        parts = draw(units, classes, seed, 0.3, 0.3).parts
        for unit in np.unique(units):
            assert len(set(parts[units == unit].tolist())) == 1
        for label in np.unique(classes):
            assert TRAIN in parts[classes == label]
