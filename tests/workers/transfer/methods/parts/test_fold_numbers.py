"""Folds of the train rows hold every unit out whole and each class evenly."""

from dataclasses import replace

import numpy as np
import pytest

from tests.workers.transfer import examples
from workers.transfer.data import Data
from workers.transfer.methods.parts.fold_numbers import NEVER, fold_numbers
from workers.transfer.methods.parts.trials import folds


def _data(classes: list[int], units: list[int] | None, task: str = "multiclass") -> Data:
    """Rows of the file numbered from the last, so that units are found by number and not by place."""
    data = examples.make("text", "multiclass", rows=200)
    train = data.train.take(np.zeros(len(classes), np.int64))
    y = np.array(classes) if task == "multiclass" else np.array(classes, float).reshape(-1, 1)
    numbers = np.arange(len(classes))[::-1].copy()
    of_file = None if units is None else np.array(units)[::-1] + 1000
    return replace(
        data,
        signature=replace(data.signature, task=task),
        train=replace(train, targets=y, numbers=numbers),
        units=of_file,
    )


UNITS = [n // 3 for n in range(30)]
CLASSES = [n // 3 % 2 for n in range(30)]


@pytest.mark.parametrize("task", ["multiclass", "regression"])
@pytest.mark.parametrize("seed", range(4))
def test_rows_that_belong_together_are_in_one_fold(task: str, seed: int) -> None:
    fold = fold_numbers(_data(CLASSES, UNITS, task), 3, seed)
    assert set(fold) == {0, 1, 2}
    for unit in range(10):
        assert len(set(fold[3 * unit : 3 * unit + 3])) == 1
    assert max(np.bincount(fold)) <= 12
    if task == "multiclass":
        counts = [np.bincount(np.array(CLASSES)[fold == one], minlength=2) for one in range(3)]
        assert np.ptp(counts, axis=0).max() <= 3  # one unit


def test_units_of_one_row_each_are_dealt_out_as_rows_are() -> None:
    alone, none = _data(CLASSES, list(range(30))), _data(CLASSES, None)
    assert (fold_numbers(alone, 3, 7) == fold_numbers(none, 3, 7)).all()
    assert sorted(np.bincount(fold_numbers(none, 3, 7))) == [10, 10, 10]


def test_the_one_unit_of_a_class_is_never_held_out() -> None:
    classes = [0] * 12 + [1] * 12 + [2] * 3
    units = [n // 2 for n in range(24)] + [99] * 3
    fold = fold_numbers(_data(classes, units), 3, 0)
    assert set(fold[24:]) == {NEVER}
    assert set(fold[:24]) == {0, 1, 2}
    for rest, held in folds(_data(classes, units), 3, 0):
        assert set(rest.train.targets) == {0, 1, 2}
        assert len(rest.train) + len(held) == 27


@pytest.mark.parametrize("units", [[5] * 8, [1] * 4 + [2] * 4])
def test_of_one_unit_a_class_there_are_no_folds(units: list[int]) -> None:
    data = _data([0] * 4 + [1] * 4, units)
    assert set(fold_numbers(data, 3, 0)) == {NEVER}
    assert list(folds(data, 3, 0)) == []


def test_the_same_seed_gives_the_same_folds_and_another_seed_others() -> None:
    data = _data(CLASSES, UNITS)
    assert (fold_numbers(data, 3, 1) == fold_numbers(data, 3, 1)).all()
    assert any((fold_numbers(data, 3, 1) != fold_numbers(data, 3, seed)).any() for seed in (2, 3, 4))
