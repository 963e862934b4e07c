"""Rows are dealt out to folds: what belongs together whole, each class evenly."""

from __future__ import annotations

import numpy as np
import pytest

from workers.transfer.data import Task
from workers.transfer.proof.dealing import ALWAYS_TRAINS, deal


def drawn(seed: int, rows: int, classes: int, units: int | None = None) -> tuple[np.ndarray, np.ndarray]:
    """Targets of some classes, each with five rows at least, and units, by default each row."""
    rng = np.random.default_rng(seed)
    y = np.concatenate([np.repeat(np.arange(classes), 5), rng.integers(0, classes, rows - 5 * classes)])
    return rng.permutation(y), np.arange(rows) if units is None else rng.integers(0, units, rows)


@pytest.mark.parametrize("count", [2, 5, 10])
@pytest.mark.parametrize("seed", range(3))
def test_single_rows_are_held_out_once_and_folds_differ_by_one_row_of_a_class(seed: int, count: int) -> None:
    y, units = drawn(seed, 97, 3)
    fold = deal("multiclass", y, units, count, seed)
    counts = np.array([[np.sum((fold == k) & (y == label)) for label in range(3)] for k in range(count)])
    assert counts.sum() == 97
    assert np.ptp(counts, axis=0).max() <= 1
    assert np.ptp(counts.sum(axis=1)) <= 3


@pytest.mark.parametrize("seed", range(5))
def test_a_unit_is_in_one_fold_and_each_class_can_be_learnt_beside_each_fold(seed: int) -> None:
    y, units = drawn(seed, 150, 4, units=31)
    fold = deal("multiclass", y, units, 5, seed)
    assert all(len(set(fold[units == unit])) == 1 for unit in units)
    assert set(fold) >= set(range(5))
    for k in range(5):
        assert set(y[fold != k]) == set(y)
    sizes = np.bincount(fold[fold >= 0])
    assert sizes.max() < 2 * sizes.min()


def test_the_one_unit_of_a_class_always_trains() -> None:
    y, units = np.array([0] * 10 + [1] * 3), np.array([*range(10), 99, 99, 99])
    fold = deal("binary", y.reshape(-1, 1).astype(np.float32), units, 5, 0)
    assert list(fold[10:]) == [ALWAYS_TRAINS] * 3
    assert sorted(fold[:10]) == [0, 0, 1, 1, 2, 2, 3, 3, 4, 4]


@pytest.mark.parametrize("task", ["regression", "multilabel"])
def test_numbers_and_several_labels_a_row_are_dealt_out_too(task: Task) -> None:
    rng = np.random.default_rng(0)
    y = rng.normal(size=(50, 1)) if task == "regression" else (rng.random((50, 3)) < 0.4).astype(np.float32)
    fold = deal(task, y, np.arange(50), 5, 3)
    assert list(np.bincount(fold)) == [10] * 5 or task == "multilabel"
    if task == "multilabel":
        counts = np.array([y[fold == k].sum(axis=0) for k in range(5)])
        assert np.ptp(counts, axis=0).max() <= 3


def test_another_seed_deals_otherwise_and_the_same_one_the_same() -> None:
    y, units = drawn(0, 60, 2)
    first, again, other = (deal("multiclass", y, units, 5, seed) for seed in (1, 1, 2))
    assert (first == again).all()
    assert (first != other).any()


@pytest.mark.parametrize(("units", "folds"), [([0, 0, 0], 0), ([0, 1, 1], 2), ([], 0)])
def test_there_are_at_most_as_many_folds_as_units(units: list[int], folds: int) -> None:
    fold = deal("regression", np.zeros((len(units), 1)), np.array(units, np.int64), 5, 0)
    assert len(set(fold[fold >= 0])) == folds
