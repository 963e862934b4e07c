"""What folds say of all arms: by hand, and when they say nothing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from workers.transfer.proof.cross_validation import Fold, OutOfFold
from workers.transfer.proof.evaluation import Rules
from workers.transfer.proof.evidence import unsaid_of

RULES = Rules(metric=None, confidence=0.95, draws=100, seed=0)
ROWS = 60


def crossed(
    wrong: Mapping[str, float],
    *,
    metric: str | None = None,
    count: int = 5,
    repeats: int = 2,
    rows: int = ROWS,
    seen: int = 0,
    y: np.ndarray | None = None,
) -> OutOfFold:
    """Arms that are wrong about so large a share of the rows, drawn apart for each; always as sure."""
    rng = np.random.default_rng(0)
    y = rng.permutation(np.arange(rows) % 2) if y is None else y
    folds = []
    for repeat in range(repeats):
        fold = np.concatenate([np.full(seen, -1), rng.permutation(rows - seen) % count])
        answers = {arm: np.abs(y - (rng.random(rows) < share)) * 0.8 + 0.1 for arm, share in wrong.items()}
        for number in range(count):
            held = np.flatnonzero(fold == number)
            of = {arm: p[held].reshape(-1, 1) for arm, p in answers.items()}
            folds.append(Fold(repeat, number, held, of | {"constant": np.full((len(held), 1), 0.4)}))
    rules = RULES if metric is None else Rules(metric, 0.95, 100, 0)
    is_seen = np.arange(rows) < seen
    return OutOfFold("binary", y.reshape(-1, 1).astype(np.float32), np.arange(rows), is_seen, folds, rules)


def test_metrics_are_means_over_the_folds_and_the_gain_is_that_of_their_differences() -> None:
    held = crossed({"transfer": 0.1, "control": 0.4})
    y = held.targets.reshape(-1)
    scores = {
        arm: [np.mean((fold.answers[arm].reshape(-1) > 0.5) == y[fold.rows]) for fold in held.folds]
        for arm in ("transfer", "control")
    }
    gain = held.gain("transfer", "control")
    assert gain is not None
    assert held.metrics()["transfer"]["accuracy"] == pytest.approx(np.mean(scores["transfer"]))
    differences = np.subtract(scores["transfer"], scores["control"])
    reach = 2.262157 * np.sqrt(np.var(differences, ddof=1) * (1 / 10 + 1 / 4))
    assert [gain.value, gain.low, gain.high] == pytest.approx(
        [differences.mean(), differences.mean() - reach, differences.mean() + reach], abs=1e-6
    )
    assert (gain.rows, gain.draws, gain.drawn, gain.folds, gain.repeats) == (ROWS, 10, 10, 5, 2)
    turned = held.gain("control", "transfer")
    assert turned is not None
    assert [turned.low, turned.high] == pytest.approx([-gain.high, -gain.low])


def test_a_better_transfer_helped_and_a_worse_one_hurt() -> None:
    helped = crossed({"transfer": 0.0, "control": 0.25}, rows=180).judged("from_scratch")
    assert (helped["verdict"], helped["verdict_details"]) == ("helped", [])
    assert helped["reason"].startswith(
        "In 5-fold cross-validation repeated 2 times on 180 rows, with transfer"
    )
    assert ", from scratch " in helped["reason"]
    assert crossed({"transfer": 0.4, "control": 0.05}).judged("of_each_fold")["verdict"] == "hurt"
    once = crossed({"transfer": 0.05, "control": 0.35}, repeats=1).judged("from_scratch")
    assert once["reason"].startswith("In 5-fold cross-validation on 60 rows, ")


def test_what_would_show_a_difference_is_told_in_labelled_rows() -> None:
    told = crossed({"transfer": 0.2, "control": 0.25}, rows=100).judged("from_scratch")
    assert told["verdict"] == "no difference"
    assert "labelled rows would show it" in told["reason"]


def test_where_neither_beats_one_answer_the_sentence_says_so() -> None:
    told = crossed({"transfer": 0.5, "control": 0.5}).judged("from_scratch")
    assert told["verdict_details"] == ["neither_beats_one_answer"]
    helped = crossed({"transfer": 0.0, "control": 0.5}).judged("from_scratch")
    assert (helped["verdict"], helped["verdict_details"]) == ("helped", ["control_learnt_nothing"])


def test_the_same_difference_in_every_fold_is_as_sure_as_its_rows() -> None:
    held = crossed({"transfer": 0.0, "control": 1.0}, y=np.arange(ROWS) % 2)
    gain = held.gain("transfer", "control")
    assert gain is not None
    assert (gain.value, gain.low, gain.high) == (1.0, 1.0, 1.0)
    folds = [
        Fold(0, k, np.arange(20 * k, 20 * k + 20), {"transfer": np.tile([0.1, 0.9], 10).reshape(-1, 1)})
        for k in range(3)
    ]
    half = [
        Fold(one.repeat, one.number, one.rows, {**one.answers, "control": np.full((20, 1), 0.1)})
        for one in folds
    ]
    same = OutOfFold("binary", held.targets, held.units, held.seen, half, RULES).gain("transfer", "control")
    assert same is not None
    # Half of the rows differ by one: the variance of their mean is 1/4 : 59.
    assert (same.high - same.value) == pytest.approx(4.302653 * np.sqrt(1 / 4 / 59), rel=1e-5)


def without(held: OutOfFold, arm: str, folds: set[int]) -> OutOfFold:
    """The same where an arm diverged in these of the folds."""
    left = [
        replace(
            one, answers={name: p for name, p in one.answers.items() if name != arm or place not in folds}
        )
        for place, one in enumerate(held.folds)
    ]
    return replace(held, folds=left, _known={})


@pytest.mark.parametrize(("lost", "verdict"), [("control", None), ("transfer", "helped")])
def test_an_arm_that_lost_while_it_still_learnt_in_most_folds_gives_no_verdict(
    lost: str, verdict: str | None
) -> None:
    told = crossed({"transfer": 0.0, "control": 0.25}, rows=180).judged("from_scratch", cut_off={lost})
    assert told["verdict"] == verdict
    assert (told["verdict_details"] == ["not_converged"]) == (verdict is None)


@pytest.mark.parametrize("arm", ["transfer", "control"])
def test_an_arm_that_diverged_in_a_fold_is_left_out_there_and_gives_no_verdict(arm: str) -> None:
    held = without(crossed({"transfer": 0.0, "control": 0.25}, rows=180), arm, {3})
    told = held.judged("from_scratch", diverged={arm})
    assert (told["verdict"], told["verdict_details"]) == (None, ["not_converged"])
    assert f"a training of the {arm} diverged" in told["reason"]
    assert told["gain"]["draws"] == 9
    assert told["reason"].startswith("In 5-fold cross-validation")


@pytest.mark.parametrize("arm", ["transfer", "control"])
def test_an_arm_that_is_left_in_one_fold_is_not_compared(arm: str) -> None:
    held = without(crossed({"transfer": 0.0, "control": 0.25}), arm, set(range(9)))
    told = held.judged("from_scratch", diverged={arm})
    assert (told["verdict"], told["gain"], told["verdict_details"]) == (None, None, ["not_converged"])
    assert told["reason"].startswith(f"The {arm} diverged, at each learning rate")
    none = without(held, arm, set(range(10))).metrics()
    assert arm not in none or set(none[arm].values()) == {None}
    assert ("transfer" in none, "constant" in none) == (True, True)


def test_answers_of_a_fold_that_are_no_finite_numbers_are_not_compared() -> None:
    held = crossed({"transfer": 0.1, "control": 0.4})
    broken = {**held.folds[2].answers, "control": held.folds[2].answers["control"].copy()}
    broken["control"][1] = np.nan
    folds = [*held.folds[:2], replace(held.folds[2], answers=broken), *held.folds[3:]]
    told = replace(held, folds=folds, _known={}).judged("from_scratch")
    assert (told["verdict"], told["gain"], told["verdict_details"]) == (None, None, ["not_comparable"])
    assert "For 1 of the 60 rows that can be held out the control answers no finite number" in told["reason"]


def test_how_many_rows_would_do_is_told_in_rows_that_are_held_out() -> None:
    few = crossed({"transfer": 0.1, "control": 0.4}, rows=19).judged("from_scratch")
    assert few["rows_needed"] >= 20
    told = crossed({"transfer": 0.2, "control": 0.25}, rows=100).judged("from_scratch")
    assert f"about {told['rows_needed']:,} labelled rows would show it" in told["reason"]
    assert crossed({"transfer": 0.0, "control": 0.25}, rows=180).judged("from_scratch")["rows_needed"] is None


def test_a_class_that_no_fold_holds_out_silences_what_is_worked_out_by_class() -> None:
    lacks = replace(crossed({"transfer": 0.1, "control": 0.4}, y=np.zeros(ROWS, int), metric="f1"), _known={})
    told = lacks.judged("from_scratch")
    assert told["verdict_details"] == ["too_few_rows"]
    assert "of each class, and one has none" in told["reason"]


@pytest.mark.parametrize(
    ("made", "detail", "said"),
    [
        ({"rows": 19}, "too_few_rows", "A verdict needs 20 rows that can be held out, and there are 19"),
        ({"rows": 60, "seen": 45}, "rows_seen", "45 of the 60 labelled rows are held out in no fold"),
        (
            {"metric": "auc", "y": np.array([1] * 4 + [0] * 56)},
            "too_few_rows",
            "needs 5 rows that can be held out of each class, and one has 4",
        ),
    ],
)
def test_of_too_few_rows_nothing_is_told(made: dict[str, Any], detail: str, said: str) -> None:
    held = crossed({"transfer": 0.1, "control": 0.4}, **made)
    told = held.judged("from_scratch")
    assert (told["verdict"], told["verdict_details"]) == (None, [detail])
    assert said in told["reason"]
    assert unsaid_of(held, "transfer", "constant") is not None


def test_a_fold_in_which_the_metric_is_undefined_is_left_out_and_many_such_silence_it() -> None:
    y = np.array([1] * 30 + [0] * 30)
    p = np.random.default_rng(1).random((60, 1))
    rows = [np.arange(30), *np.array_split(np.random.default_rng(0).permutation(60), 3)]
    folds = [Fold(0, k, held, {"transfer": p[held], "control": 1 - p[held]}) for k, held in enumerate(rows)]
    rules = Rules("auc", 0.95, 100, 0)
    held = OutOfFold(
        "binary", y.reshape(-1, 1).astype(np.float32), np.arange(60), np.zeros(60, bool), folds, rules
    )
    gain = held.gain("transfer", "control")
    assert gain is not None
    assert (gain.draws, gain.drawn) == (3, 4)
    told = held.judged("from_scratch")
    assert (told["verdict"], told["verdict_details"]) == (None, ["not_comparable"])
    assert "not defined on 25% of the folds from the 60 rows that can be held out" in told["reason"]


def test_without_a_fold_the_rows_that_could_be_held_out_are_counted() -> None:
    seen = np.arange(30) < 15
    empty = OutOfFold("regression", np.zeros((30, 1)), np.arange(30), seen, [], RULES)
    assert empty.proof()["rows"] == 15
    told = empty.judged("from_scratch")
    assert told["verdict_details"] == ["rows_seen"]
    assert "15 remain, fewer than the 20" in told["reason"]
