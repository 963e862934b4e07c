import json
from dataclasses import replace
from math import comb

import numpy as np
import pytest
from scipy.stats import bootstrap

from tests.workers.transfer import examples
from workers.transfer import tasks
from workers.transfer.data import Data
from workers.transfer.networks.network import build
from workers.transfer.proof.evaluation import (
    CONTROLS,
    LEAST_TEST_ROWS,
    Gain,
    Outcome,
    compare,
    evaluate_arms,
    mcnemar,
    verdict,
)
from workers.transfer.training.features import predict


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
    assert verdict(gain).outcome == "no difference"


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
    assert verdict(gain).outcome == "no difference"
    assert min(abs(bound) for bound in (gain.low, gain.high) if bound) > 1e-9


def test_a_metric_of_another_task_is_refused():
    with pytest.raises(ValueError, match="Received: 'r2'"):
        compare("binary", *_lists(_arms()), "r2")


@pytest.mark.parametrize(
    ("low", "high", "outcome"), [(0.01, 0.2, "helped"), (-0.2, -0.01, "hurt"), (0.0, 0.1, "no difference")]
)
def test_the_verdict_follows_the_interval(low, high, outcome):
    gain = Gain("accuracy", (low + high) / 2, low, high, 0.95, 0.9, 0.8, rows=100, draws=1000)
    assert verdict(gain).outcome == outcome
    told = f"on 100 test rows: a gain of {(low + high) / 2:+.3g}, whose 95% interval, {low:+.3g}"
    assert "With transfer the accuracy is 0.9, from scratch 0.8, " + told in verdict(gain).reason


def test_two_levels_widen_the_interval_where_seeds_differ_as_a_plain_loop_does():
    y, good, poor = _arms()
    _, better, worse = _arms(seed=5)
    transfers, controls = [good, np.clip(better, 0, 1) * 0.5 + 0.2], [poor, worse]
    gain = compare("binary", y, transfers, controls, "accuracy", draws=4000)
    rng, gains = np.random.default_rng(1), []
    right = np.array([[(p > 0.5) == (y > 0.5) for p in arm] for arm in (transfers, controls)])[..., 0]
    for _ in range(4000):
        rows, seeds = rng.integers(0, len(y), len(y)), rng.integers(0, 2, 2)
        drawn = right[:, seeds][:, :, rows].mean(axis=(1, 2))
        gains.append(drawn[0] - drawn[1])
    assert [gain.low, gain.high] == pytest.approx(list(np.quantile(gains, [0.025, 0.975])), abs=0.02)
    assert gain.seeds == 2


def test_several_equal_seeds_say_what_one_says():
    y, good, poor = _arms()
    one = compare("binary", y, [good], [poor], "accuracy", draws=500)
    three = compare("binary", y, [good] * 3, [poor] * 3, "accuracy", draws=500)
    assert (three.low, three.high, three.value) == pytest.approx((one.low, one.high, one.value))


@pytest.mark.parametrize(("ours", "theirs"), [(0, 0), (7, 2), (1, 9), (4, 4)])
def test_mcnemars_p_value_is_the_sum_of_the_binomials_tails(ours, theirs):
    right = np.array([[True, False]] * ours + [[False, True]] * theirs + [[True, True]] * 5)
    found = mcnemar(right[:, 0], right[:, 1])
    n, k = ours + theirs, min(ours, theirs)
    tail = sum(comb(n, i) for i in range(k + 1)) / 2**n
    assert (found["transfer_only"], found["control_only"]) == (ours, theirs)
    assert found["p_value"] == pytest.approx(min(1.0, 2 * tail))


ASKED = {"metric": None, "confidence": 0.95, "draws": 200, "seed": 0}


def _outcome(network, data: Data, seed: int = 0) -> Outcome:
    return Outcome(
        seed, predict(network, data.test.inputs), predict(network, data.validation.inputs), [0.5, 0.6]
    )


def _prove(arms, data: Data, **changes):
    return evaluate_arms(arms, data, **{**ASKED, **changes})


@pytest.mark.parametrize("task", ["binary", "multiclass", "regression"])
def test_the_proof_of_two_equal_networks_is_no_difference(task, numbers, plain_options):
    data = numbers(task=task)
    outcome = _outcome(build(plain_options, data, seed=0), data)
    proof = _prove({"transfer": [outcome] * 2, "control": [outcome] * 2}, data)
    assert (proof["verdict"], proof["gain"]["value"], proof["gain"]["seeds"]) == ("no difference", 0.0, 2)
    assert proof["metrics"]["transfer"] == proof["metrics"]["control"]
    assert proof["curves"]["jumpstart"] == 0
    assert json.loads(json.dumps(proof, allow_nan=False)) == proof


def test_the_gain_over_each_further_arm_is_told_beside_the_verdict(numbers, plain_options):
    data = numbers()
    transfer, other = (_outcome(build(plain_options, data, seed=seed), data) for seed in (0, 1))
    arms = {"transfer": [transfer], "random_frozen": [other]}
    alone, proof = _prove(arms, data), _prove({**arms, "control": [transfer]}, data)
    assert proof["ablations"] == alone["ablations"]
    assert proof["ablations"].keys() == {"random_frozen"}
    of_other = compare("binary", data.test.targets, [transfer.test], [other.test], "accuracy", draws=200)
    assert proof["ablations"]["random_frozen"] == of_other.to_dict()
    assert (alone["verdict"], proof["verdict"]) == (None, "no difference")


@pytest.mark.parametrize("task", ["binary", "multiclass", "regression"])
def test_a_control_that_learnt_nothing_is_told_beside_the_verdict(task, numbers):
    data = numbers(task=task)
    y = data.test.targets
    marks = np.eye(len(data.signature.classes))
    right = marks[y] if task == "multiclass" else y.reshape(-1, 1).astype(float)
    same = tasks.one_answer(task, data.train.targets, right)
    transfer = Outcome(0, right, None, [])
    for learnt, control in ((False, same), (True, (right + same) / 2)):
        arms = {"transfer": [transfer], "control": [Outcome(0, control, None, [])]}
        metric = None if task == "regression" else "log_loss"
        proof = _prove(arms, replace(data, validation=None), metric=metric)
        assert proof["verdict"] == "helped"
        assert ("is not shown to be better than one answer" in proof["reason"]) != learnt


@pytest.mark.parametrize("task", ["binary", "multiclass", "regression"])
def test_one_answer_for_all_is_that_of_the_train_rows(task, numbers):
    """One that the test rows' labels give takes much for nothing."""
    data = numbers(task=task)
    targets, p = data.train.targets, np.zeros((7, 3 if task == "multiclass" else 1))
    mean = np.eye(3)[targets].mean(axis=0) if task == "multiclass" else targets.mean(axis=0)
    np.testing.assert_allclose(tasks.one_answer(task, targets, p), np.tile(mean, (7, 1)), rtol=1e-6)
    others = replace(data.train, targets=np.full_like(targets, targets.max()))
    right = np.eye(3)[data.test.targets] if task == "multiclass" else data.test.targets.astype(float)
    control = np.tile(right.mean(axis=0), (len(right), 1))
    arms = {"transfer": [Outcome(0, right, None, [])], "control": [Outcome(0, control, None, [])]}
    metric = "rmse" if task == "regression" else "log_loss"
    proof = _prove(arms, replace(data, train=others, validation=None), metric=metric)
    assert proof["verdict"] == "helped"
    assert "one answer" not in proof["reason"]


def _seen_in(data: Data, left: int) -> np.ndarray:
    return np.arange(len(data.test)) >= left


@pytest.mark.parametrize("task", ["binary", "multiclass", "regression"])
def test_rows_that_were_seen_are_left_out_of_all_that_is_said(task, numbers, plain_options):
    data = numbers(task=task, rows=200)
    first, second = (_outcome(build(plain_options, data, seed=seed), data) for seed in (0, 1))
    seen = _seen_in(data, LEAST_TEST_ROWS)
    without = replace(data, test=data.test.take(~seen))
    kept = [replace(one, test=one.test[~seen]) for one in (first, second)]
    arms = {"transfer": kept[:1], "control": kept[1:]}
    proof = _prove({"transfer": [first], "control": [second]}, data, seen=seen)
    alone = _prove(arms, without)
    told = f"{seen.sum()} of the {len(seen)} test rows were left out, since something in the transfer"
    assert proof["reason"].startswith(told)
    assert proof["verdict"] is not None
    assert {**proof, "reason": ""} == {**alone, "reason": ""}


@pytest.mark.parametrize("left", [0, 1, LEAST_TEST_ROWS - 1])
@pytest.mark.parametrize("task", ["binary", "multiclass", "multilabel", "regression"])
def test_of_too_few_rows_that_nobody_has_seen_there_is_no_verdict_and_the_reason_says_why(task, left):
    data = examples.make("sequence", task, rows=200)
    outcome = _outcome(build(examples.NETWORKS["sequence"][0], data, seed=0), data)
    arms = {"transfer": [outcome] * 2, "control": [outcome] * 2, "random_frozen": [outcome] * 2}
    proof = _prove(arms, data, seen=_seen_in(data, left))
    assert (proof["verdict"], proof["gain"], proof["ablations"]) == (None, None, {})
    assert f"{left} remain, fewer than the {LEAST_TEST_ROWS} that a verdict needs" in proof["reason"]
    assert proof["metrics"].keys() == arms.keys()
    assert left or set(proof["metrics"]["transfer"].values()) == {None}
    assert json.loads(json.dumps(proof, allow_nan=False)) == proof


@pytest.mark.parametrize("single", ["transfer", "control"])
def test_an_arm_that_no_seed_enters_is_compared_with_each_seed_of_the_other(single, numbers):
    data = numbers(200)
    rng = np.random.default_rng(0)
    outcomes = [Outcome(seed, rng.random((len(data.test), 1)), None, []) for seed in range(3)]
    (other,) = {"transfer", "control"} - {single}
    proof = _prove({single: outcomes[:1], other: outcomes}, data)
    repeated = _prove({single: outcomes[:1] * 3, other: outcomes}, data)
    assert proof["gain"] == repeated["gain"]
    assert proof["gain"]["seeds"] == 3
    assert len(proof["arms"][single]) == 1


@pytest.mark.parametrize("kind", CONTROLS)
def test_the_sentence_says_what_the_control_was(kind, numbers):
    data = numbers(200)
    outcome = Outcome(0, data.test.targets * 0.8 + 0.1, None, [])
    proof = _prove({"transfer": [outcome], "control": [outcome]}, data, control=kind)
    assert f"With transfer the accuracy is 1, {CONTROLS[kind]} 1, on 40 test rows" in proof["reason"]


def test_without_a_control_there_are_metrics_and_no_verdict(numbers, plain_options):
    data = numbers()
    proof = _prove({"transfer": [_outcome(build(plain_options, data, seed=0), data)]}, data)
    assert (proof["verdict"], proof["gain"], proof["mcnemar"]) == (None, None, None)
    assert list(proof["metrics"]) == ["transfer"]
    assert "No control" in proof["reason"]


def test_a_metric_undefined_on_the_test_rows_gives_no_verdict_and_a_reason(numbers, plain_options):
    data = numbers(task="regression")
    one = data.test.take(slice(0, 1))
    data = replace(data, test=one)
    outcome = _outcome(build(plain_options, data, seed=0), data)
    proof = _prove({"transfer": [outcome], "control": [outcome]}, data)
    assert proof["verdict"] is None
    assert proof["reason"] == "The r2 is not defined on these 1 test rows."
