from __future__ import annotations

import numpy as np
import pytest

from app.datasets.partition.times import by_time


def test_the_last_rows_test_and_those_before_them_validate() -> None:
    instants = np.random.default_rng(0).permutation(1000).astype(np.float64)
    timed = by_time(instants, np.ones(1000, bool), 0.2, 0.1)
    assert timed is not None
    assert (timed.validation, timed.test) == (700.0, 900.0)
    np.testing.assert_array_equal(timed.parts, np.digitize(instants, [700, 900]))


def test_equal_instants_are_in_one_part_and_rows_without_one_train() -> None:
    instants = np.array([1, 1, 2, 3, 3, 3, 3, 3, np.nan])
    timed = by_time(instants, np.ones(9, bool), 0.15, 0.15)
    assert timed is not None
    assert timed.parts.tolist() == [0, 0, 1, 2, 2, 2, 2, 2, 0]


def test_the_fractions_are_those_of_the_labelled_rows() -> None:
    instants, labelled = np.arange(200.0), np.arange(200) < 100
    timed = by_time(instants, labelled, 0.1, 0.1)
    assert timed is not None
    assert (timed.validation, timed.test) == (80.0, 90.0)
    assert set(timed.parts[100:].tolist()) == {2}  # later ones have no label; they are not trained on either


@pytest.mark.parametrize("instants", [[1.0, 2.0, 2.0], [np.nan] * 5])
def test_fewer_than_three_instants_split_nothing(instants: list[float]) -> None:
    assert by_time(np.array(instants), np.ones(len(instants), bool), 0.15, 0.15) is None
