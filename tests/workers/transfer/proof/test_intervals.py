import math

import numpy as np
import pytest
from scipy import stats

from workers.transfer.proof.intervals import Spread, interval, of_rows, of_seeds


def test_of_one_part_it_is_the_t_interval_of_a_mean() -> None:
    sample = np.random.default_rng(0).normal(3, 2, size=12)
    part = Spread(float(np.var(sample, ddof=1)) / 12, 11)
    expected = stats.t.interval(0.95, 11, loc=sample.mean(), scale=stats.sem(sample))
    assert interval(float(sample.mean()), [part], 0.95) == pytest.approx(expected)


def test_of_two_independent_means_it_is_welchs_interval_with_a_degree_of_freedom_less() -> None:
    rng = np.random.default_rng(1)
    one, other = rng.normal(1, 3, size=5), rng.normal(0, 1, size=9)
    parts = of_seeds(one.tolist(), other.tolist(), shared_source=False)
    welch = stats.ttest_ind(one, other, equal_var=False)
    low, high = interval(float(one.mean() - other.mean()), parts, 0.9)
    reach = stats.t.ppf(0.95, max(math.floor(welch.df) - 1, 4)) * np.hypot(stats.sem(one), stats.sem(other))
    assert (high - low) / 2 == pytest.approx(reach)
    assert (high + low) / 2 == pytest.approx(one.mean() - other.mean())


def test_a_shared_source_counts_as_one_more_seed_of_the_control() -> None:
    control = [0.1, 0.4, 0.7]
    alone, shared = (of_seeds([0.5], control, shared_source=one) for one in (False, True))
    assert [part.variance for part in alone] == pytest.approx([0.09 / 3])
    assert [part.variance for part in shared] == pytest.approx([0.09 / 3 + 0.09])


def test_arms_of_one_training_each_have_no_part_of_seeds() -> None:
    assert of_seeds([0.5], [0.4], shared_source=True) == []


def test_the_bootstraps_variance_is_that_of_a_mean() -> None:
    rng = np.random.default_rng(2)
    values = rng.normal(size=20)
    draws = values[rng.integers(0, 20, size=(200_000, 20))].mean(axis=1)
    part = of_rows(np.append(draws, math.nan), 20)
    assert part.variance == pytest.approx(np.var(values, ddof=1) / 20, rel=0.02)
    assert part.freedom == 19


def test_what_never_varies_has_an_interval_of_one_point() -> None:
    assert interval(0.25, [Spread(0.0, 10)], 0.95) == (0.25, 0.25)


@pytest.mark.parametrize("size", [1e-170, 1e170])
def test_the_labels_unit_scales_the_interval_and_nothing_else(size: float) -> None:
    parts = [Spread(0.5, 3), Spread(1.5, 40)]
    low, high = interval(2.0, parts, 0.95)
    scaled = [Spread(part.variance * size, part.freedom) for part in parts]
    reached = interval(2.0 * math.sqrt(size), scaled, 0.95)
    assert reached == pytest.approx((low * math.sqrt(size), high * math.sqrt(size)))


def covered(seeds: int, *, shared_source: bool, draws: int = 2000) -> float:
    """How often the interval holds the true gain, 0, of arms whose accuracies vary by .03 between seeds."""
    rng = np.random.default_rng([seeds, shared_source])
    rows, sd, hits = 600, 0.03, 0
    for _ in range(draws):
        source = rng.normal(0, sd) if shared_source else 0.0
        rates = rng.normal(0.7, sd, size=(2, seeds))
        rates[0] = 0.7 + source + (rng.normal(0, sd, size=seeds) if not shared_source else 0.0)
        hard = rng.random(rows)  # the same rows are hard for all
        right = hard < np.clip(rates, 0, 1)[:, :, None]
        difference = right[0].mean(axis=0) - right[1].mean(axis=0)
        parts = [Spread(float(np.var(difference, ddof=1)) / rows, rows - 1)]
        scores = right.mean(axis=2)
        parts += of_seeds(scores[0].tolist(), scores[1].tolist(), shared_source=shared_source)
        low, high = interval(float(scores[0].mean() - scores[1].mean()), parts, 0.95)
        hits += low <= 0 <= high
    return hits / draws


@pytest.mark.parametrize("seeds", [3, 5])
@pytest.mark.parametrize("shared_source", [False, True])
def test_it_holds_the_true_gain_as_often_as_it_says(seeds: int, shared_source: bool) -> None:
    assert 0.93 <= covered(seeds, shared_source=shared_source) <= 0.995
