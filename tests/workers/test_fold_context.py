"""The rows of a fold: what belongs together is in one part, and rows that were seen choose nothing."""

from __future__ import annotations

import numpy as np
import pytest

from workers.fold_context import LabelledRows, beside
from workers.transfer.data import Column, Data, Rows, Signature, Unlabelled

SIGNATURE = Signature((Column("a", "number"),), "y", "multiclass", ("p", "q", "r"))


def rows(classes: np.ndarray) -> Rows:
    numbers = np.arange(len(classes))
    return Rows({"a": numbers.astype(np.float32)}, classes, numbers)


def made(seed: int, *, seen: int = 0) -> tuple[Data, LabelledRows]:
    """90 rows in 30 groups, of which a sixth validates and a sixth tests, and 30 rows without a label."""
    rng = np.random.default_rng(seed)
    whole = rows(rng.integers(0, 3, 90))
    groups = np.arange(120) % 30
    blank = Unlabelled({"a": np.arange(90, 120).astype(np.float32)}, np.arange(90, 120))
    parts = [whole.take(np.arange(*ends)) for ends in ((0, 60), (60, 75), (75, 90))]
    data = Data(SIGNATURE, *parts, blank)
    is_seen = np.isin(np.arange(90), rng.permutation(90)[:seen])
    return data, LabelledRows(whole, groups[:90], groups[:90], is_seen, groups[90:])


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("seen", [0, 20])
def test_a_group_is_in_one_part_and_rows_that_were_seen_are_at_most_trained_on(seed: int, seen: int) -> None:
    data, labelled = made(seed, seen=seen)
    held_out = (labelled.kept_whole < 6) & ~labelled.seen
    fold = beside(data, labelled, held_out, seed)
    assert fold.test is not None
    assert fold.validation is not None
    assert fold.unlabelled is not None
    parts = [fold.train, fold.validation, fold.test, fold.unlabelled]
    groups = [set(part.numbers % 30) for part in parts]
    assert not groups[0] & groups[1]
    assert not (groups[0] | groups[1] | groups[3]) & groups[2]
    assert not groups[3] & groups[1]
    assert list(fold.test.numbers) == list(np.flatnonzero(held_out))
    assert not labelled.seen[fold.validation.numbers].any()
    assert set(fold.train.targets) == {0, 1, 2}
    total = len(fold.train) + len(fold.validation)
    assert seen or total == 90 - held_out.sum()
    assert 0.1 < len(fold.validation) / total < 0.3  # a fifth in the split


def test_without_validation_rows_in_the_split_a_fold_has_none() -> None:
    data, labelled = made(0)
    data = Data(SIGNATURE, data.train, None, data.test, None)
    fold = beside(data, labelled, labelled.kept_whole < 6, 0)
    assert fold.validation is None
    assert fold.unlabelled is None
    assert len(fold.train) == 72


def test_a_class_whose_rows_were_all_seen_is_still_trained_on() -> None:
    data, labelled = made(0)
    classes = np.where(np.arange(90) % 30 == 0, 2, np.arange(90) % 2)
    alone = LabelledRows(
        rows(classes), labelled.kept_whole, labelled.units, classes == 2, labelled.unlabelled_whole
    )
    fold = beside(data, alone, (labelled.kept_whole < 6) & (classes != 2), 0)
    assert set(fold.train.targets) == {0, 1, 2}
