from __future__ import annotations

import numpy as np
import pytest

from workers.transfer.data import Column, Signature
from workers.transfer.proof.row_losses import label_probabilities, row_losses, said

COLUMNS = (Column("a", "number"),)


def test_the_loss_of_a_class_is_the_log_of_its_probability() -> None:
    p = np.array([[0.9], [0.2]])
    np.testing.assert_allclose(row_losses("binary", np.array([[1.0], [1.0]]), p), -np.log([0.9, 0.2]))
    own = label_probabilities("binary", np.array([[1.0], [0.0]]), p)
    assert own is not None
    np.testing.assert_allclose(own, [0.9, 0.8])
    three = np.array([[0.1, 0.7, 0.2]])
    np.testing.assert_allclose(row_losses("multiclass", np.array([2]), three), -np.log([0.2]))


def test_numbers_are_squared_errors_and_several_labels_means() -> None:
    assert row_losses("regression", np.array([[3.0]]), np.array([[1.0]])) == pytest.approx([4.0])
    marks = row_losses("multilabel", np.array([[1.0, 0.0]]), np.array([[0.5, 0.25]]))
    np.testing.assert_allclose(marks, [-(np.log(0.5) + np.log(0.75)) / 2])
    assert label_probabilities("regression", np.array([[3.0]]), np.array([[1.0]])) is None


def test_an_answer_that_is_not_finite_is_the_worst_of_all_and_says_nothing() -> None:
    p = np.array([[np.nan], [0.4]])
    losses = row_losses("binary", np.array([[1.0], [1.0]]), p)
    assert np.isinf(losses[0])
    assert np.isfinite(losses[1])
    assert said(Signature(COLUMNS, "y", "binary", ("no", "yes")), p) == [None, "no"]
    assert said(Signature(COLUMNS, "y", "regression"), p) == [None, 0.4]
