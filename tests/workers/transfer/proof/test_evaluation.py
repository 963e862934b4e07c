import json
from dataclasses import replace

import numpy as np
import pytest

from tests.workers.transfer import examples
from workers.transfer import tasks
from workers.transfer.data import Data
from workers.transfer.networks.network import build
from workers.transfer.proof.comparison import compare
from workers.transfer.proof.evaluation import Outcome, Rules, evaluate_arms
from workers.transfer.proof.verdict import LEAST_TEST_ROWS, rows_needed
from workers.transfer.training.features import predict

RULES = Rules(metric=None, confidence=0.95, draws=200, seed=0, drawn_once={"transfer", "control"})


def _outcome(network, data: Data, seed: int = 0) -> Outcome:
    return Outcome(
        seed, predict(network, data.test.inputs), predict(network, data.validation.inputs), [0.5, 0.6]
    )


def _prove(arms, data: Data, *, seen=None, **changes):
    return evaluate_arms(arms, data, replace(RULES, **changes), seen=seen)


@pytest.mark.parametrize("task", ["binary", "multiclass", "regression"])
def test_the_proof_of_two_equal_networks_is_no_difference(task, numbers, plain_options):
    data = numbers(task=task)
    outcome = _outcome(build(plain_options, data, seed=0), data)
    proof = _prove({"transfer": [outcome] * 2, "control": [outcome] * 2}, data)
    assert (proof["verdict"], proof["gain"]["value"], proof["gain"]["seeds"]) == ("no difference", 0.0, 2)
    assert proof["metrics"]["transfer"] == proof["metrics"]["control"]
    assert proof["curves"]["jumpstart"] == 0
    # Classes of so few rows may be equal by chance.
    assert ("equivalent" in proof["verdict_details"]) == (task == "regression")
    assert json.loads(json.dumps(proof, allow_nan=False)) == proof


def test_the_gain_over_each_further_arm_is_told_beside_the_verdict(numbers, plain_options):
    data = numbers()
    transfer, other = (_outcome(build(plain_options, data, seed=seed), data) for seed in (0, 1))
    arms, once = {"transfer": [transfer], "random_frozen": [other]}, {"transfer", "control", "random_frozen"}
    alone, proof = (
        _prove(arms, data, drawn_once=once),
        _prove({**arms, "control": [transfer]}, data, drawn_once=once),
    )
    assert proof["ablations"] == alone["ablations"]
    assert proof["ablations"].keys() == {"random_frozen"}
    of_other = compare("binary", data.test.targets, [transfer.test], [other.test], "accuracy", draws=200)
    told = {**of_other.to_dict(), "p_value": of_other.p_value, "comparisons": 1}
    assert proof["ablations"]["random_frozen"] == told
    assert proof["ablations_reason"].startswith("Of 1 ablation,")
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
        assert ("control_learnt_nothing" in proof["verdict_details"]) != learnt


def test_that_neither_is_better_than_one_answer_is_told(numbers):
    data = numbers(rows=200)
    same = tasks.one_answer("binary", data.train.targets, data.test.targets)
    outcome = Outcome(0, same, None, [])
    proof = _prove({"transfer": [outcome], "control": [outcome]}, replace(data, validation=None))
    assert proof["verdict"] == "no difference"
    assert "neither_beats_one_answer" in proof["verdict_details"]


def test_one_training_with_a_seed_of_each_arm_gives_no_verdict(numbers, plain_options):
    data = numbers(rows=200)
    first, second = (_outcome(build(plain_options, data, seed=seed), data) for seed in (0, 1))
    arms = {"transfer": [first], "control": [second]}
    for drawn_once, known in (((), False), (("transfer",), False), (("transfer", "control"), True)):
        proof = _prove(arms, data, drawn_once=drawn_once)
        assert (proof["verdict"] is not None) is known
        assert (proof["verdict_details"] == ["one_seed"]) is not known
        assert proof["gain"] is not None


def test_rows_that_belong_together_are_drawn_whole(numbers, plain_options):
    data = numbers(rows=200)
    first, second = (_outcome(build(plain_options, data, seed=seed), data) for seed in (0, 1))
    arms = {"transfer": [first], "control": [second]}
    units = np.arange(len(data.test)) // 2
    proof = evaluate_arms(arms, data, RULES, units=units)
    expected = compare(
        "binary", data.test.targets, [first.test], [second.test], "accuracy", units=units, draws=200
    )
    assert proof["gain"] == expected.to_dict()
    assert evaluate_arms(arms, data, RULES, units=units // 2)["verdict_details"] == ["too_few_rows"]


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
    assert proof["verdict_details"] == []


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
    assert proof["proof"] == {**alone["proof"], "left_out": seen.sum()}
    assert {**proof, "reason": "", "proof": {}} == {**alone, "reason": "", "proof": {}}


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


def test_without_a_control_there_are_metrics_and_no_verdict(numbers, plain_options):
    data = numbers()
    proof = _prove({"transfer": [_outcome(build(plain_options, data, seed=0), data)]}, data)
    assert (proof["verdict"], proof["gain"], proof["mcnemar"]) == (None, None, None)
    assert list(proof["metrics"]) == ["transfer"]
    assert "No control" in proof["reason"]


def test_a_metric_undefined_on_the_test_rows_gives_no_verdict_and_a_reason(numbers, plain_options):
    data = numbers(task="regression", rows=200)
    data = replace(data, test=replace(data.test, targets=np.ones_like(data.test.targets)))
    outcome = _outcome(build(plain_options, data, seed=0), data)
    proof = _prove({"transfer": [outcome], "control": [outcome]}, data)
    assert proof["verdict"] is None
    assert proof["reason"].startswith("The r2 is not defined on these 40 test rows, so whether")
    assert (proof["verdict_details"], proof["rows_needed"]) == (["not_comparable"], None)


def test_answers_that_are_no_finite_numbers_are_not_compared(numbers, plain_options):
    data = numbers(rows=200)
    good = _outcome(build(plain_options, data, seed=0), data)
    broken = replace(good, test=np.where(np.arange(40)[:, None] == 7, np.nan, good.test))
    for arms in ({"transfer": [good], "control": [broken]}, {"transfer": [broken], "control": [good]}):
        proof = _prove(arms, data)
        assert (proof["verdict"], proof["gain"], proof["verdict_details"]) == (None, None, ["not_comparable"])
        assert "1 of the 40 test rows" in proof["reason"]
        assert json.loads(json.dumps(proof, allow_nan=False)) == proof


def _right(data: Data, share: float, seed: int = 0) -> Outcome:
    """Answers of which this share is right, by decisions that are all as sure."""
    y = data.test.targets
    right = np.random.default_rng(seed).permutation(len(y)) < share * len(y)
    p = np.where(right[:, None] == (y > 0.5), 0.9, 0.1).astype(np.float32)
    return Outcome(seed, p, None, [])


@pytest.mark.parametrize(
    ("cut_off", "verdict"), [(("control",), None), (("transfer",), "helped"), ((), "helped")]
)
def test_an_arm_that_lost_while_it_still_learnt_gives_no_verdict(numbers, cut_off, verdict):
    data = replace(numbers(rows=1000), validation=None)
    shares = {"transfer": 0.9, "control": 0.6}
    arms = {
        arm: [replace(_right(data, share, seed), is_cut_off=arm in cut_off and seed < 2) for seed in range(3)]
        for arm, share in shares.items()
    }
    proof = _prove(arms, data)
    assert proof["verdict"] == verdict
    assert ("not_converged" in proof["verdict_details"]) == (verdict is None)
    assert ("raise `training.budget.max_updates`" in proof["reason"]) == (verdict is None)
    once = {
        **arms,
        "control": [replace(one, is_cut_off=one.seed == 0 and bool(cut_off)) for one in arms["control"]],
    }
    assert _prove(once, data)["verdict"] == "helped"  # one of three trainings


def test_an_arm_that_diverged_gives_no_verdict(numbers):
    data = replace(numbers(rows=1000), validation=None)
    arms = {"transfer": [_right(data, 0.9, seed) for seed in range(3)]}
    alone = _prove(arms, data, diverged=("control",))
    assert (alone["verdict"], alone["verdict_details"]) == (None, ["not_converged"])
    arms["control"] = [_right(data, 0.6, seed) for seed in range(2)]
    for diverged in ("control", "transfer"):
        proof = _prove(arms, data, diverged=(diverged,))
        assert (proof["verdict"], proof["verdict_details"]) == (None, ["not_converged"])
        assert f"a training of the {diverged} diverged" in proof["reason"]
        assert proof["gain"] is not None


def test_of_too_few_rows_it_is_told_how_many_would_do(numbers):
    data = replace(numbers(rows=75), validation=None)
    count = len(data.test)
    assert count < LEAST_TEST_ROWS
    arms = {"transfer": [_right(data, 0.8)], "control": [_right(data, 0.6, 1)]}
    proof = _prove(arms, data)
    gain = compare(
        "binary", data.test.targets, *([one[0].test] for one in arms.values()), "accuracy", draws=200
    )
    assert proof["verdict_details"] == ["too_few_rows"]
    assert proof["rows_needed"] == max(LEAST_TEST_ROWS, rows_needed(gain) or 0) > LEAST_TEST_ROWS
    same = _prove(dict.fromkeys(arms, arms["transfer"]), data)
    assert same["rows_needed"] == LEAST_TEST_ROWS


def test_a_class_without_test_rows_silences_what_is_worked_out_by_class(numbers):
    data = replace(numbers(task="multiclass", rows=300), validation=None)
    test = data.test.take(data.test.targets != 2)
    data = replace(data, test=test)
    outcome = Outcome(0, np.eye(3)[test.targets], None, [])
    for metric, speaks in (("macro_f1", False), ("balanced_accuracy", False), ("accuracy", True)):
        proof = _prove({"transfer": [outcome], "control": [outcome]}, data, metric=metric)
        assert (proof["verdict"] is not None) is speaks
        assert speaks or "one has none" in proof["reason"]


def test_a_metric_points_the_other_way_only_where_its_own_interval_says_so(numbers):
    data = replace(numbers(rows=2000), validation=None)
    y = data.test.targets
    sure, right = _right(data, 0.7), _right(data, 0.6, 1)
    noisy = replace(right, test=np.where(right.test > 0.5, 0.55, 0.45).astype(np.float32))
    far = replace(sure, test=np.where(sure.test > 0.5, 0.9999, 0.0001).astype(np.float32))
    said = _prove({"transfer": [far], "control": [noisy]}, data)["reason"]
    assert "the log loss points the other way" in said
    # The same losses but for one row.
    near = replace(sure, test=sure.test.copy())
    near.test[0] = 1 - y[0]
    said = _prove(
        {"transfer": [sure], "control": [replace(near, test=0.5 + 0.999 * (near.test - 0.5))]}, data
    )
    assert "points the other way" not in said["reason"]


@pytest.mark.parametrize(
    ("trainings", "is_cut_off", "diverged", "said"),
    [
        (1, False, (), "trained with one seed"),
        (3, True, (), "the random frozen was still learning"),
        (2, False, ("random_frozen",), "a training of the random frozen diverged"),
    ],
)
def test_where_a_verdict_would_be_silent_ablations_are_not_claimed_either(
    numbers, trainings, is_cut_off, diverged, said
):
    data = replace(numbers(rows=1000), validation=None)
    arms = {
        arm: [replace(_right(data, share, seed), is_cut_off=is_cut_off) for seed in range(trainings)]
        for arm, share in {"transfer": 0.9, "random_frozen": 0.6}.items()
    }
    proof = _prove(arms, data, drawn_once=(), diverged=diverged)
    assert proof["ablations"] == {}
    assert said in proof["ablations_reason"]
    assert "shown to be better" not in proof["ablations_reason"]
    assert proof["metrics"]["random_frozen"]["accuracy"] is not None
