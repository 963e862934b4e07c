import json

import numpy as np
import pytest
from scipy.stats import bootstrap

from workers.transfer import tasks
from workers.transfer.data import Rows
from workers.transfer.evaluation import Gain, compare, prove, verdict
from workers.transfer.network import build


def _arms(rows: int = 200, seed: int = 0):
    rng = np.random.default_rng(seed)
    y = rng.integers(0, 2, (rows, 1)).astype(np.float32)
    good = np.clip(0.35 * y + 0.65 * rng.random((rows, 1)), 0.01, 0.99)
    poor = np.clip(0.15 * y + 0.85 * rng.random((rows, 1)), 0.01, 0.99)
    return y, good, poor


def test_the_gain_is_the_difference_of_the_metric():
    y, good, poor = _arms()
    gain = compare("binary", y, good, poor, "accuracy")
    accuracies = [tasks.metrics("binary", y, p)["accuracy"] for p in (good, poor)]
    assert [gain.transfer, gain.control] == accuracies
    assert gain.value == accuracies[0] - accuracies[1]
    assert gain.low < gain.value < gain.high
    assert gain.draws == 10_000


def test_a_lower_loss_is_a_positive_gain():
    gain = compare("binary", *_arms(), "log_loss")
    assert gain.transfer < gain.control
    assert gain.value > 0


def test_the_interval_of_accuracy_is_that_of_scipys_paired_bootstrap():
    y, good, poor = _arms()
    right = [((p > 0.5) == (y > 0.5)).ravel().astype(float) for p in (good, poor)]

    def statistic(first, second, axis):
        return first.mean(axis=axis) - second.mean(axis=axis)

    interval = bootstrap(right, statistic, paired=True, method="percentile", rng=0).confidence_interval
    gain = compare("binary", y, good, poor, "accuracy")
    assert [gain.low, gain.high] == pytest.approx(list(interval), abs=0.006)


def test_the_interval_of_rmse_is_that_of_scipys_paired_bootstrap():
    rng = np.random.default_rng(0)
    y = rng.normal(size=(150, 1))
    near, far = (y + spread * rng.normal(size=(150, 1)) for spread in (0.8, 1.0))
    errors = [((p - y) ** 2).ravel() for p in (near, far)]

    def statistic(first, second, axis):
        return np.sqrt(second.mean(axis=axis)) - np.sqrt(first.mean(axis=axis))

    interval = bootstrap(errors, statistic, paired=True, method="percentile", rng=0).confidence_interval
    gain = compare("regression", y, near, far, "rmse")
    assert [gain.low, gain.high] == pytest.approx(list(interval), abs=0.01)


@pytest.mark.parametrize("metric", tasks.METRICS["multiclass"])
def test_every_multiclass_metric_can_be_the_gains(metric):
    rng = np.random.default_rng(0)
    y, p, q = rng.integers(0, 3, 90), rng.dirichlet(np.ones(3), 90), rng.dirichlet(np.ones(3), 90)
    gain = compare("multiclass", y, p, q, metric, draws=500)
    assert gain.low < gain.value < gain.high


@pytest.mark.parametrize("metric", tasks.METRICS["regression"])
def test_every_regression_metric_can_be_the_gains_with_more_than_zero_for_better(metric):
    rng = np.random.default_rng(0)
    y = rng.normal(size=(80, 1))
    gain = compare("regression", y, y + 0.1 * rng.normal(size=(80, 1)), y + rng.normal(size=(80, 1)), metric)
    assert gain.low > 0


def test_equal_arms_gain_nothing():
    y, good, _ = _arms()
    gain = compare("binary", y, good, good, "accuracy")
    assert (gain.value, gain.low, gain.high) == (0, 0, 0)
    assert verdict(gain).outcome == "no difference"


def test_the_same_seed_gives_the_same_interval():
    arms = _arms()
    assert compare("binary", *arms, "auc", draws=300, seed=1) == compare(
        "binary", *arms, "auc", draws=300, seed=1
    )


def test_a_metric_undefined_on_the_test_rows_is_refused():
    with pytest.raises(ValueError, match="auc is defined"):
        compare("binary", np.ones((5, 1)), np.full((5, 1), 0.9), np.full((5, 1), 0.8), "auc")


def test_a_metric_of_another_task_is_refused():
    with pytest.raises(ValueError, match="Received: 'r2'"):
        compare("binary", *_arms(), "r2")


@pytest.mark.parametrize(
    ("low", "high", "outcome"), [(0.01, 0.2, "helped"), (-0.2, -0.01, "hurt"), (0.0, 0.1, "no difference")]
)
def test_the_verdict_follows_the_interval(low, high, outcome):
    gain = Gain("accuracy", (low + high) / 2, low, high, 0.95, 0.9, 0.8, rows=100, draws=1000)
    assert verdict(gain).outcome == outcome
    assert "95% interval of the gain in accuracy" in verdict(gain).reason


ASKED = {"metric": None, "confidence": 0.95, "draws": 200, "seed": 0}


def test_the_proof_of_two_equal_networks_is_no_difference(numbers, plain_options):
    data = numbers()
    network = build(plain_options, data, seed=0)
    proof = prove(network, network, data.test, **ASKED)
    assert (proof["verdict"], proof["gain"]["value"], proof["gain"]["metric"]) == (
        "no difference",
        0.0,
        "accuracy",
    )
    assert proof["metrics"]["transfer"] == proof["metrics"]["control"]
    assert json.loads(json.dumps(proof, allow_nan=False)) == proof


def test_without_a_control_there_are_metrics_and_no_verdict(numbers, plain_options):
    data = numbers()
    proof = prove(build(plain_options, data, seed=0), None, data.test, **ASKED)
    assert (proof["verdict"], proof["gain"]) == (None, None)
    assert list(proof["metrics"]) == ["transfer"]
    assert "No control" in proof["reason"]


def test_a_metric_undefined_on_the_test_rows_gives_no_verdict_and_a_reason(numbers, plain_options):
    data = numbers(task="regression")
    one = Rows({name: values[:1] for name, values in data.test.inputs.items()}, data.test.targets[:1])
    network = build(plain_options, data, seed=0)
    proof = prove(network, network, one, **ASKED)
    assert proof["verdict"] is None
    assert proof["reason"] == "The r2 is not defined on these 1 test rows."
