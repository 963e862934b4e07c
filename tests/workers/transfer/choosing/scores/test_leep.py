"""LEEP by its definition, in loops."""

import math

import numpy as np
import pytest

from workers.transfer.choosing.scores.leep import leep


def by_definition(p, y) -> float:
    n, sources = p.shape
    total = 0.0
    for i in range(n):
        answer = 0.0
        for z in range(sources):
            of_source = sum(p[j, z] for j in range(n)) / n
            joint = sum(p[j, z] for j in range(n) if y[j] == y[i]) / n
            answer += joint / of_source * p[i, z] if of_source else 0.0
        total += math.log(answer)
    return total / n


@pytest.mark.parametrize("present", [4, 3])
def test_it_is_the_mean_log_of_what_the_sources_classes_tell(present: int) -> None:
    rng = np.random.default_rng(0)
    p = rng.dirichlet(np.ones(5), 30)
    p[:, 2] = 0  # a class of the source that has no probability anywhere
    p /= p.sum(axis=1, keepdims=True)
    y = rng.integers(0, present, 30)
    assert leep(p, y, 4) == pytest.approx(by_definition(p, y), abs=1e-6)


def test_a_source_that_tells_all_is_at_0_and_one_that_tells_nothing_at_the_entropy() -> None:
    y = np.array([0, 1, 2, 0, 1, 2])
    assert leep(np.eye(3)[y], y, 3) == pytest.approx(0)
    assert leep(np.full((6, 2), 0.5), y, 3) == pytest.approx(-math.log(3))
