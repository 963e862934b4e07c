from __future__ import annotations

import numpy as np
import pytest

from workers.transfer.data import Array, Task
from workers.transfer.proof.label_issues import label_issues


def probabilities(classes: Array, count: int, of_others: Array | float = 0.1) -> Array:
    """Of a model that gives each row's true class more than all others, (n, count)."""
    p = np.zeros((len(classes), count)) + of_others
    p[np.arange(len(classes)), classes] = 0.8
    return p / p.sum(axis=1, keepdims=True)


@pytest.mark.parametrize("task", ["binary", "multiclass"])
def test_flipped_labels_are_found_and_no_others(task: Task) -> None:
    rng = np.random.default_rng(0)
    count = 2 if task == "binary" else 4
    true = rng.integers(0, count, 300)
    p = probabilities(true, count)
    y, flipped = true.copy(), rng.choice(300, 12, replace=False)
    y[flipped] = (y[flipped] + 1) % count
    issues = label_issues(task, y, p[:, 1:] if task == "binary" else p)
    assert issues is not None
    assert set(issues.worst_first) == set(flipped)
    assert issues.quality[flipped].max() < issues.quality[y == true].min()


def test_what_confident_learning_finds_is_what_its_definition_counts() -> None:
    """Northcutt et al.: the confident joint's off-diagonal, from a few lines of NumPy beside the package."""
    rng = np.random.default_rng(1)
    true = rng.integers(0, 3, 600)
    y = np.where(rng.uniform(size=600) < 0.1, (true + 1) % 3, true)
    p = probabilities(true, 3, rng.uniform(0.05, 0.3, (600, 3)))
    thresholds = np.array([p[y == k, k].mean() for k in range(3)])
    above = np.where(p >= thresholds, p, -1)
    confident = np.where((above > 0).any(axis=1), above.argmax(axis=1), y)
    issues = label_issues("multiclass", y, p)
    assert issues is not None
    assert set(np.flatnonzero(issues.is_likely)) == set(np.flatnonzero(confident != y))


def test_of_several_labels_a_row_is_found_by_any_that_is_wrong() -> None:
    rng = np.random.default_rng(2)
    true = (rng.uniform(size=(200, 3)) < 0.4).astype(np.float32)
    p = true * 0.8 + 0.1
    y = true.copy()
    y[:6, 1] = 1 - y[:6, 1]
    issues = label_issues("multilabel", y, p)
    assert issues is not None
    assert set(issues.worst_first) == set(range(6))


def test_numbers_are_doubted_where_the_residual_is_an_outlier() -> None:
    rng = np.random.default_rng(3)
    p = rng.normal(size=(100, 1))
    y = p + rng.normal(0, 0.1, (100, 1))
    y[7] += 5
    issues = label_issues("regression", y, p)
    assert issues is not None
    assert list(issues.worst_first) == [7]
    exact = label_issues("regression", p, p)
    assert exact is not None
    assert not exact.is_likely.any()


def test_few_rows_and_rows_of_one_class_tell_nothing() -> None:
    assert label_issues("binary", np.zeros(9), np.full((9, 1), 0.5)) is None
    assert label_issues("binary", np.zeros(50), np.full((50, 1), 0.5)) is None


def test_classes_that_no_row_has_do_not_matter() -> None:
    rng = np.random.default_rng(4)
    true = rng.integers(0, 2, 60)
    y = np.where(np.arange(60) < 3, 1 - true, true)
    issues = label_issues("multiclass", y, probabilities(true, 3))
    assert issues is not None
    assert set(issues.worst_first) == {0, 1, 2}
