"""The nearest class mean, each row left out in turn."""

import numpy as np
import pytest
from sklearn.neighbors import NearestCentroid

from tests.workers.transfer.choosing.scores.features import CASES, case
from workers.transfer.choosing.scores.nearest_mean import nearest_mean


def leaving_out(x, y, units) -> float:
    """scikit-learn's nearest centroid on features divided by no less than the usual deviation."""
    deviations = x.std(axis=0)
    z = (x - x.mean(axis=0)) / np.maximum(deviations, np.sqrt((deviations**2).mean()))
    right = []
    for row in range(len(z)):
        rest = units != units[row]
        right.append(NearestCentroid().fit(z[rest], y[rest]).predict(z[[row]])[0] == y[row])
    return float(np.mean(right))


@pytest.mark.parametrize("name", CASES)
def test_it_is_the_share_of_rows_that_are_nearest_to_their_own_class(name: str) -> None:
    one = CASES[name]
    task, units = ("binary" if one.classes == 2 else "multiclass"), np.arange(len(one.y))
    found = nearest_mean(one.x, one.y, task, one.classes, units)
    assert found == pytest.approx(leaving_out(one.x, one.y, units), abs=1e-6)


def test_rows_that_belong_together_are_left_out_together() -> None:
    one = case(40, 5, 2)
    units = np.arange(40) // 4
    found = nearest_mean(one.x, one.y, "binary", 2, units)
    assert found == pytest.approx(leaving_out(one.x, one.y, units), abs=1e-6)


def test_a_class_of_one_row_is_never_answered() -> None:
    x, y = np.array([[0.0], [0.1], [5.0]]), np.array([0, 0, 1])
    assert nearest_mean(x, y, "binary", 2, np.arange(3)) == pytest.approx(2 / 3)
