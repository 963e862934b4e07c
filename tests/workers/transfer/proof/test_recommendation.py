"""What to use follows from held-out rows; test rows ask for two arms, or for more labels."""

from dataclasses import replace

import numpy as np
import pytest

from tests.workers.transfer import examples
from workers.transfer import tasks
from workers.transfer.proof.comparison import Gain, compare
from workers.transfer.proof.evaluation import Outcome, Rules, constant, evaluate_arms
from workers.transfer.proof.recommendation import Choice, HeldOut, advice, recommend

T, C, B = HeldOut(0.3, 0.9), HeldOut(0.4, 0.8), HeldOut(0.35, 0.85)
ALL = ["transfer", "control", "baseline"]
RULES = Rules(metric=None, confidence=0.95, draws=500, seed=0)


def _choice(transfer=T, control=C, baseline=B, judged_by="accuracy") -> Choice:
    held_out = {"transfer": transfer, "control": control, "baseline": baseline}
    known = {arm: one for arm, one in held_out.items() if one is not None}
    return Choice(known, judged_by, "the 40 validation rows", "tfidf_words")


def _gain(value: float, low: float) -> Gain:
    return Gain("accuracy", value, low, 2 * value - low, 0.95, 0.9, 0.9 - value, 100, 500)


TABLE = {
    "the best on held-out rows": (_choice(), None, ALL, {}, "transfer"),
    "the control": (_choice(control=HeldOut(0.2, 0.95)), None, ALL, {}, "control"),
    "the baseline": (_choice(baseline=HeldOut(0.2, 0.95)), None, ALL, {}, "baseline"),
    "of as many right answers the lower loss": (
        _choice(control=HeldOut(0.2, 0.9)),
        None,
        ALL,
        {},
        "control",
    ),
    "of equals the cheapest": (_choice(control=T, baseline=T), None, ALL, {}, "baseline"),
    "by loss alone": (_choice(control=HeldOut(0.2, 0.5), judged_by="loss"), None, ALL, {}, "control"),
    "numbers have a loss alone": (
        _choice(HeldOut(0.3, None), HeldOut(0.2, None), HeldOut(0.4, None)),
        None,
        ALL,
        {},
        "control",
    ),
    "an arm that was not judged is not chosen": (_choice(transfer=None), None, ALL, {}, "baseline"),
    "a better arm that is not shown to be": (
        _choice(),
        None,
        ALL,
        {("control", "transfer"): _gain(0.1, -0.01)},
        "transfer",
    ),
    "another is better on the test rows": (
        _choice(),
        None,
        ALL,
        {("baseline", "transfer"): _gain(0.1, 0.01)},
        "train_both",
    ),
    "the test rows tell nothing": (_choice(), "There are 5 test rows.", ALL, {}, "label_more"),
    "no arm beats one answer": (_choice(), None, [], {}, "label_more"),
    "nothing was held out": (_choice(None, None, None), None, ALL, {}, "label_more"),
}


@pytest.mark.parametrize(("choice", "unsaid", "beat", "gains", "use"), TABLE.values(), ids=TABLE)
def test_what_to_use(choice, unsaid, beat, gains, use) -> None:
    def gain_over(arm: str, other: str):
        return gains.get((arm, other), _gain(-0.1, -0.2))

    made = recommend(choice, unsaid=unsaid, beat_constant=beat, gain_over=gain_over)
    assert made.use == use
    assert made.reason.endswith(".")
    assert made.reason.count(". ") == 0  # one sentence


def test_the_sentence_says_what_was_seen() -> None:
    made = recommend(_choice(), unsaid=None, beat_constant=ALL, gain_over=lambda *_: None)
    assert made.reason == (
        "Use the transfer: it has the highest accuracy on the 40 validation rows (0.9; the baseline "
        "(tfidf words) 0.85, the control 0.8)."
    )


def _arms(rows: int = 400):
    data = examples.make("text", rows=rows)
    y = data.test.targets
    rng = np.random.default_rng(0)

    def outcome(seed: int, share: float) -> Outcome:
        right = rng.random(y.shape) < share
        return Outcome(seed, np.where(right == (y > 0.5), 0.9, 0.1).astype(np.float32), None, [])

    arms = {
        "transfer": [outcome(seed, 0.9) for seed in range(3)],
        "control": [outcome(seed, 0.7) for seed in range(3)],
        "baseline": [outcome(0, 0.6)],
        "constant": [constant(data, 0)],
    }
    return data, arms


def _advice(data, arms, choice=None, **rules):
    seen, units = np.zeros(len(data.test), bool), np.arange(len(data.test))
    return advice(arms, data, replace(RULES, **rules), choice or _choice(), seen=seen, units=units)


def test_the_gain_over_the_baseline_is_that_of_a_comparison() -> None:
    data, arms = _arms()
    told = _advice(data, arms)
    answers = ([one.test for one in arms[arm]] for arm in ("transfer", "baseline"))
    gain = compare("binary", data.test.targets, *answers, "accuracy", draws=500)
    assert told["versus_baseline"]["gain"] == gain.to_dict()
    assert "by the baseline (tfidf words)" in told["versus_baseline"]["reason"]
    assert told["versus_baseline"]["reason"].endswith("lies above 0.")
    assert told["recommendation"] == "transfer"


def test_where_a_verdict_would_be_silent_no_gain_over_the_baseline_is_claimed() -> None:
    data, arms = _arms()
    once = _advice(data, {**arms, "transfer": arms["transfer"][:1]})
    lacking = _advice(data, arms, diverged=("transfer",))
    for told, said in ((once, "trained with one seed"), (lacking, "a training of the transfer diverged")):
        assert told["versus_baseline"]["gain"] is None
        assert said in told["versus_baseline"]["reason"]


def test_held_out_rows_that_the_test_rows_contradict_ask_for_both() -> None:
    data, arms = _arms()
    told = _advice(data, arms, _choice(baseline=HeldOut(0.1, 0.99)))
    assert told["recommendation"] == "train_both"
    assert "Train both the baseline (tfidf words) and the transfer" in told["recommendation_reason"]


def test_few_test_rows_ask_for_more_labels() -> None:
    data, arms = _arms(rows=60)
    told = _advice(data, arms)
    assert (told["recommendation"], told["versus_baseline"]["gain"]) == ("label_more", None)
    assert "12" in told["recommendation_reason"]


@pytest.mark.parametrize("task", ["binary", "multiclass", "multilabel", "regression"])
def test_the_constant_is_the_train_rows_mean(task) -> None:
    data = examples.make("text", task)
    y = data.train.targets
    outcome = constant(data, 3)
    mean = np.bincount(y, minlength=3) / len(y) if task == "multiclass" else y.mean(axis=0)
    assert outcome.test.shape == (len(data.test), len(np.atleast_1d(mean)))
    np.testing.assert_allclose(outcome.test, np.broadcast_to(mean, outcome.test.shape))
    assert len(outcome.validation) == len(data.validation)
    told = tasks.metrics(task, data.test.targets, outcome.test)
    arms = {"transfer": [outcome], "constant": [outcome]}
    assert evaluate_arms(arms, data, RULES)["metrics"]["constant"] == told


def test_the_cheap_arms_are_no_ablations() -> None:
    data, arms = _arms()
    proved = evaluate_arms(arms, data, RULES)
    assert proved["ablations"] == {}
    assert list(proved["metrics"]) == list(arms)
