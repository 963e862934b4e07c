"""By which rows candidates are judged, and in which fold each is held out."""

from dataclasses import replace

import numpy as np
import pytest

from workers.transfer.choosing.target import FOLDS, NotRankable, Target


def test_rows_that_belong_together_are_in_one_fold(numbers) -> None:
    data = replace(numbers(100), units=np.arange(100) // 4)
    target = Target.of(data)
    assert target.fold.max() == FOLDS - 1
    for unit in np.unique(target.units):
        assert len(np.unique(target.fold[target.units == unit])) == 1


def test_of_more_rows_than_are_judged_by_each_class_keeps_its_share(numbers) -> None:
    data = numbers(200, "multiclass")
    target = Target.of(data, most=30)
    assert target.of_rows == 120
    assert len(target.rows) == pytest.approx(30, abs=3)  # and one of each class at least
    np.testing.assert_allclose(
        np.bincount(target.targets) / len(target.rows), np.bincount(data.train.targets) / 120, atol=0.04
    )
    assert target.data.test is None


def test_numbers_are_told_in_units_of_their_deviation(numbers) -> None:
    y = Target.of(numbers(100, "regression")).targets
    assert (abs(y.mean()), y.std()) == pytest.approx((0, 1), abs=1e-5)


@pytest.mark.parametrize(
    "labels", [np.zeros(60), np.arange(60) == 7, np.arange(60) < 20], ids=["none", "one row", "one group"]
)
def test_one_class_alone_or_one_group_of_another_is_refused(numbers, labels) -> None:
    data = numbers(100)
    targets = labels.astype(np.float32).reshape(-1, 1)
    units = np.repeat(np.arange(5), 20)
    data = replace(data, train=replace(data.train, targets=targets), units=units)
    with pytest.raises(NotRankable, match="Expected at least two classes of two rows each, in two groups"):
        Target.of(data)


def test_a_task_without_classes_labels_or_numbers_is_refused(numbers) -> None:
    data = numbers(100)
    data = replace(data, signature=replace(data.signature, task="seq2seq"))
    with pytest.raises(NotRankable, match="Received: seq2seq"):
        Target.of(data)
