from math import comb

import numpy as np
import pytest
from scipy.stats import bootstrap, t

from workers.transfer import tasks
from workers.transfer.proof.comparison import compare, mcnemar


def _arms(rows: int = 200, seed: int = 0):
    rng = np.random.default_rng(seed)
    y = rng.integers(0, 2, (rows, 1)).astype(np.float32)
    good = np.clip(0.35 * y + 0.65 * rng.random((rows, 1)), 0.01, 0.99)
    poor = np.clip(0.15 * y + 0.85 * rng.random((rows, 1)), 0.01, 0.99)
    return y, good, poor


def _lists(arms):
    y, transfer, control = arms
    return y, [transfer], [control]


def test_the_gain_is_the_difference_of_the_metric():
    y, good, poor = _arms()
    gain = compare("binary", y, [good], [poor], "accuracy")
    accuracies = [tasks.metrics("binary", y, p)["accuracy"] for p in (good, poor)]
    assert [gain.transfer, gain.control] == accuracies
    assert gain.value == accuracies[0] - accuracies[1]
    assert gain.low < gain.value < gain.high
    assert gain.draws == 10_000


def test_a_lower_loss_is_a_positive_gain():
    gain = compare("binary", *_lists(_arms()), "log_loss")
    assert gain.transfer < gain.control
    assert gain.value > 0


def test_the_interval_of_accuracy_is_the_paired_t_interval():
    y, good, poor = _arms()
    right = [((p > 0.5) == (y > 0.5)).ravel().astype(float) for p in (good, poor)]
    difference = right[0] - right[1]
    # One degree of freedom less, see `intervals`.
    reach = t.ppf(0.975, len(y) - 2) * difference.std(ddof=1) / np.sqrt(len(y))
    gain = compare("binary", y, [good], [poor], "accuracy", draws=100_000)
    assert [gain.low, gain.high] == pytest.approx([gain.value - reach, gain.value + reach], rel=0.03)


def test_the_interval_of_accuracy_is_that_of_scipys_paired_bootstrap():
    y, good, poor = _arms()
    right = [((p > 0.5) == (y > 0.5)).ravel().astype(float) for p in (good, poor)]

    def statistic(first, second, axis):
        return first.mean(axis=axis) - second.mean(axis=axis)

    interval = bootstrap(right, statistic, paired=True, method="percentile", rng=0).confidence_interval
    gain = compare("binary", y, [good], [poor], "accuracy")
    assert [gain.low, gain.high] == pytest.approx(list(interval), abs=0.006)


def test_the_interval_of_rmse_is_that_of_scipys_paired_bootstrap():
    rng = np.random.default_rng(0)
    y = rng.normal(size=(150, 1))
    near, far = (y + spread * rng.normal(size=(150, 1)) for spread in (0.8, 1.0))
    errors = [((p - y) ** 2).ravel() for p in (near, far)]

    def statistic(first, second, axis):
        return np.sqrt(second.mean(axis=axis)) - np.sqrt(first.mean(axis=axis))

    interval = bootstrap(errors, statistic, paired=True, method="percentile", rng=0).confidence_interval
    gain = compare("regression", y, [near], [far], "rmse")
    assert [gain.low, gain.high] == pytest.approx(list(interval), abs=0.01)


@pytest.mark.parametrize("metric", tasks.METRICS["multiclass"])
def test_every_multiclass_metric_can_be_the_gains(metric):
    rng = np.random.default_rng(0)
    y, p, q = rng.integers(0, 3, 90), rng.dirichlet(np.ones(3), 90), rng.dirichlet(np.ones(3), 90)
    gain = compare("multiclass", y, [p], [q], metric, draws=500)
    assert gain.low < gain.value < gain.high


@pytest.mark.parametrize("metric", tasks.METRICS["regression"])
def test_every_regression_metric_can_be_the_gains_with_more_than_zero_for_better(metric):
    rng = np.random.default_rng(0)
    y = rng.normal(size=(80, 1))
    gain = compare(
        "regression", y, [y + 0.1 * rng.normal(size=(80, 1))], [y + rng.normal(size=(80, 1))], metric
    )
    assert gain.low > 0


def test_equal_arms_gain_nothing():
    y, good, _ = _arms()
    gain = compare("binary", y, [good], [good], "accuracy")
    assert (gain.value, gain.low, gain.high) == (0, 0, 0)


def test_the_same_seed_gives_the_same_interval():
    arms = _lists(_arms())
    assert compare("binary", *arms, "auc", draws=300, seed=1) == compare(
        "binary", *arms, "auc", draws=300, seed=1
    )


def test_a_metric_undefined_on_the_test_rows_is_refused():
    with pytest.raises(ValueError, match="auc is defined"):
        compare("binary", np.ones((5, 1)), [np.full((5, 1), 0.9)], [np.full((5, 1), 0.8)], "auc")


def test_a_bound_that_is_0_but_for_rounding_is_0():
    y = np.array([[0.0], [1.0]] * 50, np.float32)
    seeds = [np.where(np.arange(100)[:, None] < wrong, 1 - y, y) for wrong in (7, 8, 9)]
    shuffled = [seeds[1], seeds[2], seeds[0]]
    gain = compare("binary", y, seeds, shuffled, "accuracy", draws=500)
    assert gain.low < 0 < gain.high
    assert compare("binary", y, seeds[:1], seeds[:1], "accuracy", draws=500).low == 0


def test_a_gain_that_is_0_but_for_rounding_is_0():
    y, rows = np.array([[0.0], [1.0]] * 28, np.float32), np.arange(56)[:, None]
    # Means over the seeds of equal sums, 2.2e-16 apart.
    arms = [[np.where(rows < wrong, 1 - y, y) for wrong in arm] for arm in ((1, 2, 5), (1, 3, 4))]
    gain = compare("binary", y, *arms, "accuracy", draws=500)
    assert gain.transfer != gain.control
    assert gain.value == 0


def test_a_metric_of_another_task_is_refused():
    with pytest.raises(ValueError, match="Received: 'r2'"):
        compare("binary", *_lists(_arms()), "r2")


def _seeds(rows: int, accuracies, seed: int = 3):
    """Predictions of trainings with such accuracies; the same rows are hard for all."""
    rng = np.random.default_rng(seed)
    y, hard = rng.integers(0, 2, (rows, 1)).astype(np.float32), rng.random((rows, 1))
    return y, [np.where(hard < accuracy, y, 1 - y) for accuracy in accuracies]


def test_trainings_that_differ_widen_the_interval_by_their_variance_over_their_number():
    y, predictions = _seeds(4000, [0.7, 0.8, 0.75, 0.6, 0.7, 0.65])
    transfer, control = predictions[:3], predictions[3:]
    gain = compare("binary", y, transfer, control, "accuracy", draws=2000)
    scores = np.array([[np.mean((p > 0.5) == (y > 0.5)) for p in arm] for arm in (transfer, control)])
    difference = np.mean([(p > 0.5) == (y > 0.5) for p in transfer], axis=0) - np.mean(
        [(p > 0.5) == (y > 0.5) for p in control], axis=0
    )
    rows, seeds = difference.var(ddof=1) / len(y), scores.var(axis=1, ddof=1) / 3
    freedom = (rows + seeds.sum()) ** 2 / (rows**2 / (len(y) - 1) + (seeds**2 / 2).sum())
    reach = t.ppf(0.975, max(np.floor(freedom) - 1, 2)) * np.sqrt(rows + seeds.sum())
    assert gain.value == pytest.approx(scores[0].mean() - scores[1].mean())
    assert [gain.low, gain.high] == pytest.approx([gain.value - reach, gain.value + reach], rel=0.02)
    assert gain.seeds == 3
    without_rows = max(np.floor(seeds.sum() ** 2 / (seeds**2 / 2).sum()) - 1, 2)
    assert gain.reach_of_seeds == pytest.approx(t.ppf(0.975, without_rows) * np.sqrt(seeds.sum()))


def test_a_source_that_all_trainings_share_widens_it_by_one_more_draw_of_the_control():
    y, predictions = _seeds(4000, [0.7, 0.6, 0.7, 0.65])
    own, shared = (
        compare("binary", y, predictions[:1], predictions[1:], "accuracy", shared_source=one, draws=500)
        for one in (False, True)
    )
    assert shared.value == own.value
    assert shared.high - shared.low > 1.5 * (own.high - own.low)


def test_an_arm_that_was_trained_once_is_compared_with_the_mean_of_the_others():
    y, (once, *others) = _seeds(500, [0.8, 0.6, 0.7, 0.65])
    gain = compare("binary", y, [once], others, "accuracy", draws=500)
    repeated = compare("binary", y, [once] * 3, others, "accuracy", draws=500)
    assert gain == repeated
    assert gain.control == pytest.approx(np.mean([tasks.metrics("binary", y, p)["accuracy"] for p in others]))


def test_rows_that_belong_together_count_as_one_draw():
    y, good, poor = _arms(60)
    alone = compare("binary", y, [good], [poor], "accuracy")
    copies = [np.repeat(values, 4, axis=0) for values in (y, good, poor)]
    units = np.repeat(np.arange(60), 4)
    whole = compare("binary", copies[0], [copies[1]], [copies[2]], "accuracy", units=units)
    apart = compare("binary", copies[0], [copies[1]], [copies[2]], "accuracy")
    assert [whole.low, whole.high] == pytest.approx([alone.low, alone.high], abs=0.005)
    assert apart.high - apart.low < 0.6 * (whole.high - whole.low)


@pytest.mark.parametrize("metric", tasks.METRICS["binary"])
def test_units_of_one_row_each_change_nothing(metric):
    arms = _lists(_arms())
    given = compare("binary", *arms, metric, units=np.arange(200)[::-1] * 7, draws=300)
    assert given == compare("binary", *arms, metric, draws=300)


def test_an_interval_of_shares_stays_within_one():
    y = np.array([[0.0], [1.0]] * 12, np.float32)
    gain = compare("binary", y, [y], [np.where(np.arange(24)[:, None] < 22, 1 - y, y)], "accuracy")
    assert gain.high == 1.0


@pytest.mark.parametrize(("ours", "theirs"), [(0, 0), (7, 2), (1, 9), (4, 4)])
def test_mcnemars_mid_p_counts_half_of_what_is_as_extreme(ours, theirs):
    right = np.array([[True, False]] * ours + [[False, True]] * theirs + [[True, True]] * 5)
    found = mcnemar(right[:, 0], right[:, 1])
    n, k = ours + theirs, min(ours, theirs)
    tail = sum(comb(n, i) for i in range(k)) / 2**n + comb(n, k) / 2**n / 2
    assert (found["transfer_only"], found["control_only"]) == (ours, theirs)
    assert found["p_value"] == pytest.approx(min(1.0, 2 * tail))


def test_of_many_rows_fewer_draws_tell_their_variance():
    y, good, poor = _arms(40_000)
    gain = compare("binary", y, [good], [poor], "log_loss")
    assert (gain.draws, gain.drawn) == (1000, 1000)
    assert "drawn" not in gain.to_dict()
    p_of = [np.where(y > 0.5, p, 1 - p).reshape(-1) for p in (good, poor)]
    difference = np.log(p_of[0]) - np.log(p_of[1])
    reach = 1.96 * difference.std() / 200
    assert gain.high - gain.value == pytest.approx(reach, rel=0.1)
    assert compare("binary", y, [good], [poor], "log_loss", draws=200).draws == 200
