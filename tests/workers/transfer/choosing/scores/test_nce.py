"""NCE against scikit-learn's mutual information."""

import math

import numpy as np
import pytest
from scipy.stats import entropy
from sklearn.metrics import mutual_info_score

from workers.transfer.choosing.scores.nce import nce


@pytest.mark.parametrize("present", [4, 3])
def test_it_is_the_mutual_information_less_the_entropy(present: int) -> None:
    rng = np.random.default_rng(0)
    p = rng.dirichlet(np.ones(5), 200)
    y = (p.argmax(axis=1) + rng.integers(0, 2, 200)) % present
    expected = mutual_info_score(y, p.argmax(axis=1)) - entropy(np.bincount(y))
    assert nce(p, y, 4) == pytest.approx(expected, abs=1e-6)


def test_a_source_that_tells_all_is_at_0_and_one_that_tells_nothing_at_the_entropy() -> None:
    y = np.array([0, 1, 2, 0, 1, 2])
    assert nce(np.eye(3)[y], y, 3) == pytest.approx(0)
    assert nce(np.tile([0.9, 0.1], (6, 1)), y, 3) == pytest.approx(-math.log(3))
