import math

import numpy as np
import pytest

from workers.transfer.training.schedules import scales


def test_the_slanted_triangle_is_equation_3_of_howard_and_ruder():
    steps, cut_fraction, ratio = 200, 0.1, 32
    cut = math.floor(steps * cut_fraction)
    expected = []
    for t in range(1, steps + 1):
        p = t / cut if t < cut else 1 - (t - cut) / (cut * (1 / cut_fraction - 1))
        expected.append((1 + p * (ratio - 1)) / ratio)
    np.testing.assert_allclose(scales("slanted_triangular", steps), expected, rtol=1e-6)


@pytest.mark.parametrize("steps", [2, 3, 9, 11, 19, 29, 39, 40, 57, 999])
def test_the_slanted_triangle_falls_evenly_to_the_lowest_rate_at_its_last_step(steps):
    factors = scales("slanted_triangular", steps)
    top = int(np.argmax(factors))
    assert (factors[top], factors[-1]) == (1, np.float32(1 / 32))
    assert (np.diff(factors[: top + 1]) > 0).all()
    np.testing.assert_allclose(np.diff(factors[top:]), -(31 / 32) / (steps - top - 1), rtol=1e-3)


def test_a_slanted_triangle_of_one_step_is_at_its_top():
    assert scales("slanted_triangular", 1).tolist() == [1.0]
