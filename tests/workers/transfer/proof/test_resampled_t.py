"""The interval of a gain by cross-validation keeps its level, where the plain one does not."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import integrate

from workers.transfer.proof import intervals
from workers.transfer.proof.resampled_t import spread

RNG = np.random.default_rng(0)


def interval(
    differences: np.ndarray, ratio: float, confidence: float, least_variance: float = 0.0
) -> tuple[float, float, float]:
    """The mean and its bounds."""
    mean = float(np.mean(differences))
    return mean, *intervals.interval(mean, [spread(differences, ratio, least_variance)], confidence)


def quantile(p: float, freedom: int) -> float:
    """Student's, by bisection of the integral of its density."""
    scale = math.gamma((freedom + 1) / 2) / (math.sqrt(freedom * math.pi) * math.gamma(freedom / 2))

    def below(x: float) -> float:
        area: float = integrate.quad(lambda t: scale * (1 + t * t / freedom) ** (-(freedom + 1) / 2), 0, x)[0]
        return 0.5 + area

    low, high = 0.0, 1000.0
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if below(middle) < p else (low, middle)
    return low


@pytest.mark.parametrize(("count", "ratio", "confidence"), [(10, 0.25, 0.95), (2, 1.0, 0.9), (50, 0.1, 0.99)])
def test_it_is_the_mean_plus_and_minus_the_corrected_standard_error_times_students_quantile(
    count: int, ratio: float, confidence: float
) -> None:
    differences = RNG.normal(0.1, 0.05, count)
    mean = sum(differences) / count
    variance = sum((one - mean) ** 2 for one in differences) / (count - 1) * (1 / count + ratio)
    reach = quantile((1 + confidence) / 2, count - 1) * math.sqrt(variance)
    expected = [mean, mean - reach, mean + reach]
    assert interval(differences, ratio, confidence) == pytest.approx(expected, rel=1e-6)


def test_where_all_folds_have_the_same_difference_the_given_variance_is_taken() -> None:
    same = np.full(10, 0.5)
    mean, low, high = interval(same, 0.25, 0.95, least_variance=0.01)
    assert (mean, low, high) == pytest.approx((0.5, 0.5 - 0.1 * quantile(0.975, 9), 0.5 + 0.1 * 2.262157))
    assert interval(np.zeros(10), 0.25, 0.95) == (0.0, 0.0, 0.0)


def test_one_fold_has_no_interval() -> None:
    with pytest.raises(ValueError, match="two folds"):
        interval(np.array([0.1]), 0.25, 0.95)


def crossed(rng: np.random.Generator, rows: int = 60, repeats: int = 2, folds: int = 5) -> np.ndarray:
    """Differences of accuracy, fold by fold, of two least-squares classifiers that are equally good.

    Each reads the one column that tells something and a column of noise of its own.
    """
    x = rng.normal(size=(rows, 3))
    y = np.where(x[:, 0] + rng.normal(size=rows) > 0, 1.0, -1.0)
    found = []
    for _ in range(repeats):
        fold = rng.permutation(rows) % folds
        for number in range(folds):
            train, test = fold != number, fold == number
            right = []
            for columns in ([0, 1], [0, 2]):
                of = np.column_stack([x[:, columns], np.ones(rows)])
                w = np.linalg.lstsq(of[train], y[train], rcond=None)[0]
                right.append(np.mean(np.sign(of[test] @ w) == y[test]))
            found.append(right[0] - right[1])
    return np.array(found)


def test_of_two_equally_good_learners_it_excludes_no_difference_in_at_most_one_of_twenty_data_sets() -> None:
    rng = np.random.default_rng(1)
    for repeats in (2, 4):
        drawn = [crossed(rng, repeats=repeats) for _ in range(400)]
        corrected, plain = ([interval(one, ratio, 0.95, 1e-9) for one in drawn] for ratio in (0.25, 0.0))
        misses = [np.mean([low > 0 or high < 0 for _, low, high in some]) for some in (corrected, plain)]
        assert misses[0] <= 0.05
    assert misses[1] > 0.1  # as if folds were independent
