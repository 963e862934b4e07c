"""The H-score by whole covariance matrices, with scikit-learn's shrinkage and a solve."""

import numpy as np
import pytest
from sklearn.covariance import LedoitWolf

from tests.workers.transfer.choosing.scores.features import CASES, case
from workers.transfer.choosing.scores.h_score import h_score


def by_matrices(x, y) -> float:
    fitted = LedoitWolf().fit(x)
    means = np.stack([x[y == label].mean(axis=0) for label in y])
    between = np.cov(means, rowvar=False, bias=True)
    return (1 - fitted.shrinkage_) * np.trace(np.linalg.solve(fitted.covariance_, between))


@pytest.mark.parametrize("name", CASES)
def test_it_is_the_trace_that_the_paper_names(name: str) -> None:
    one = CASES[name]
    task = "binary" if one.classes == 2 else "multiclass"
    assert h_score(one.x, one.y, task, one.classes) == pytest.approx(by_matrices(one.x, one.y), abs=1e-6)


def test_of_several_labels_it_is_the_mean() -> None:
    one = case(50, 8, 2)
    labels = np.stack([one.y, one.y[::-1]], axis=1)
    expected = np.mean([by_matrices(one.x, labels[:, place]) for place in range(2)])
    assert h_score(one.x, labels, "multilabel", 2) == pytest.approx(expected, abs=1e-6)
