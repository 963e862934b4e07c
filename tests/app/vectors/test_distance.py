"""The distance that the API tells is that of the learning."""

import numpy as np
import pytest

from app.vectors.distance import distance
from workers.transfer.choosing.task_vector import TaskVector
from workers.transfer.choosing.task_vector import distance as of_vectors


def vector(seed: int) -> TaskVector:
    rng = np.random.default_rng(seed)
    fisher, separation = rng.dirichlet(np.full(32, 0.1)), rng.uniform(0, 1, 32) ** 4
    fisher[:4] = separation[4:8] = 0
    moments = [0.0] * 32, [1.0] * 32
    return TaskVector("text-1", "binary", 9, 9, 2, [0.5, 0.5], 0.69, *moments, list(fisher), list(separation))


@pytest.mark.parametrize("seed", range(4))
def test_it_is_the_same_and_symmetric(seed: int) -> None:
    one, other = vector(seed), vector(seed + 10)
    told = distance(one.fisher, one.separation, other.fisher, other.separation)
    assert told == pytest.approx(of_vectors(one, other), abs=1e-12)
    assert told == pytest.approx(distance(other.fisher, other.separation, one.fisher, one.separation))
    assert distance(one.fisher, one.separation, one.fisher, one.separation) == pytest.approx(0)


def test_vectors_of_nothing_are_told_without_a_division_by_zero() -> None:
    assert 0 <= distance([0.0, 0.0], [0.0, 0.0], [0.0, 0.0], [0.0, 0.0]) <= 1
