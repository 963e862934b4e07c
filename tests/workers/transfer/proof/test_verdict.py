from dataclasses import replace

import numpy as np
import pytest

from workers.transfer.proof.comparison import Gain
from workers.transfer.proof.verdict import CONTROLS, points_apart, rows_needed, silence, verdict

Y = np.array([[0.0], [1.0]] * 30, np.float32)


def gain(low: float, high: float, metric: str = "accuracy", draws: int = 1000) -> Gain:
    return Gain(
        metric, (low + high) / 2, low, high, 0.95, 0.9, 0.8, rows=100, draws=draws, seeds=3, drawn=1000
    )


@pytest.mark.parametrize(
    ("low", "high", "outcome"), [(0.01, 0.2, "helped"), (-0.2, -0.01, "hurt"), (0.0, 0.1, "no difference")]
)
def test_the_verdict_follows_the_interval(low: float, high: float, outcome: str) -> None:
    found = verdict(gain(low, high))
    assert found.outcome == outcome
    told = f"on 100 test rows and 3 seeds: a gain of {(low + high) / 2:+.3g}, whose 95% interval, {low:+.3g}"
    assert "With transfer from this source the accuracy is 0.9, from scratch 0.8, " + told in found.reason


@pytest.mark.parametrize("control", CONTROLS)
def test_the_sentence_says_what_the_control_was(control: str) -> None:
    assert f"{CONTROLS[control]} 0.8," in verdict(gain(0.1, 0.2), control).reason


def test_one_seed_each_gives_no_verdict_whatever_the_interval() -> None:
    found = verdict(gain(0.1, 0.2), is_one_seed=True)
    assert (found.outcome, found.details) == (None, ("one_seed",))
    assert "another may turn it round" in found.reason


@pytest.mark.parametrize(
    ("low", "high", "outcome"), [(-0.01, 0.01, "no difference"), (0.005, 0.015, "helped")]
)
def test_an_interval_within_the_margin_is_told_as_equivalent(low: float, high: float, outcome: str) -> None:
    found = verdict(gain(low, high), margin=0.02)
    assert (found.outcome, found.details) == (outcome, ("equivalent",))
    assert "within 0.02 of one another" in found.reason
    assert verdict(gain(low, high), margin=0.009).details == ()


@pytest.mark.parametrize(("rows", "details"), [(149, ()), (150, ("equivalent",))])
def test_few_rows_on_which_nothing_differs_do_not_show_equivalence(
    rows: int, details: tuple[str, ...]
) -> None:
    assert verdict(replace(gain(0.0, 0.0), rows=rows), margin=0.02).details == details


def test_mcnemars_test_must_agree_where_each_arm_was_fitted_once() -> None:
    assert verdict(gain(0.01, 0.2), p_of_rows=0.04).outcome == "helped"
    found = verdict(gain(0.01, 0.2), p_of_rows=0.06)
    assert found.outcome == "no difference"
    assert "McNemar" in found.reason


def test_the_rows_that_would_show_a_gain_are_those_that_narrow_its_interval_to_it() -> None:
    assert rows_needed(gain(-0.05, 0.15)) == 400  # twice as narrow
    assert rows_needed(gain(0.05, 0.15)) is None
    assert rows_needed(gain(-0.1, 0.1)) is None
    assert "about 400 test rows would show it" in verdict(gain(-0.05, 0.15)).reason


def test_rows_are_not_asked_for_where_seeds_alone_keep_0_in_the_interval() -> None:
    of_seeds = replace(gain(-0.05, 0.15), reach_of_seeds=0.05)
    assert "would not show it, since seeds" in verdict(of_seeds).reason
    assert rows_needed(of_seeds) is None
    assert (
        rows_needed(replace(of_seeds, reach_of_seeds=0.03))
        == 100 * (0.1**2 - 0.03**2) / (0.05**2 - 0.03**2) // 1 + 1
    )


@pytest.mark.parametrize("rows", [0, 2, 19])
@pytest.mark.parametrize(("left_out", "detail"), [(0, "too_few_rows"), (5, "rows_seen")])
def test_below_20_test_rows_nothing_is_said(rows: int, left_out: int, detail: str) -> None:
    found = silence("binary", "accuracy", Y[:rows], rows, left_out=left_out)
    assert found is not None
    assert found.detail == detail
    assert silence("binary", "accuracy", Y[:20], 20, left_out=left_out) is None


def test_rows_that_belong_together_are_one() -> None:
    found = silence("binary", "accuracy", Y, 12, left_out=0)
    assert found is not None
    assert "12 groups" in found.reason


@pytest.mark.parametrize(
    ("task", "metric", "rows", "speaks"),
    [
        ("binary", "accuracy", [0] * 40 + [1], True),
        ("binary", "auc", [0] * 40 + [1] * 4, False),
        ("binary", "auc", [0] * 40 + [1] * 5, True),
        ("multiclass", "macro_f1", [0] * 20 + [1] * 20 + [2] * 4, False),
        ("multiclass", "balanced_accuracy", [0] * 20 + [1] * 20 + [2] * 5, True),
        ("multiclass", "balanced_accuracy", [0] * 20 + [1] * 20, False),
        ("multiclass", "accuracy", [0] * 20 + [1] * 20, True),
        ("binary", "f1", [0] * 40, False),
        ("regression", "r2", [1.5] * 40, True),
    ],
)
def test_metrics_by_class_need_5_rows_of_each(task, metric: str, rows: list[float], speaks: bool) -> None:
    y = np.array(rows)
    y = y if task == "multiclass" else y.reshape(-1, 1)
    found = silence(task, metric, y, len(y), left_out=0, classes=3)
    assert (found is None) is speaks


@pytest.mark.parametrize(("left_out", "detail"), [(0, "too_few_rows"), (5, "rows_seen")])
def test_a_rare_class_is_told_by_whether_rows_were_left_out(left_out: int, detail: str) -> None:
    y = np.array([[0]] * 40 + [[1]] * 4)
    few = silence("binary", "auc", y, 44, left_out=left_out)
    undefined = silence("binary", "auc", Y, 60, left_out=left_out, gain=gain(0.1, 0.2, "auc", draws=9))
    assert few is not None
    assert undefined is not None
    assert (few.detail, undefined.detail) == (detail, "not_comparable")


def test_of_several_labels_each_must_be_there_5_times_and_lack_5_times() -> None:
    y = np.array([[1, 0]] * 20 + [[0, 1]] * 20)
    assert silence("multilabel", "macro_f1", y, 40, left_out=0) is None
    y[4:20, 0] = 0
    assert silence("multilabel", "macro_f1", y, 40, left_out=0) is not None


def test_a_metric_that_many_draws_leave_undefined_says_nothing() -> None:
    for draws, speaks in ((949, False), (950, True)):
        found = silence("binary", "auc", Y, 60, left_out=0, gain=gain(0.1, 0.2, "auc", draws=draws))
        assert (found is None) is speaks


def test_metrics_that_point_apart_are_told() -> None:
    metrics = {
        "transfer": {"accuracy": 0.615, "auc": 0.681, "log_loss": 0.5},
        "control": {"accuracy": 0.527, "auc": 0.862, "log_loss": 0.6},
    }
    shown = {"auc": gain(-0.3, -0.1, "auc"), "accuracy": gain(0.01, 0.2), "log_loss": gain(0.01, 0.2)}
    said = points_apart(metrics, "accuracy", shown.get)
    assert "the AUC points the other way: 0.681 with transfer, 0.862 without, a gain of -0.2 (" in said
    assert "the accuracy points the other way" in points_apart(metrics, "auc", shown.get)
    assert points_apart(metrics, "log_loss", shown.get) == ""
    assert points_apart(metrics, "f1", shown.get) == ""
    for noise in (gain(-0.3, 0.1, "auc"), None):
        assert points_apart(metrics, "accuracy", {**shown, "auc": noise}.get) == ""


def test_metrics_that_look_the_same_point_nowhere() -> None:
    metrics = {"transfer": {"accuracy": 0.8, "auc": 0.94301}, "control": {"accuracy": 0.7, "auc": 0.94302}}
    assert points_apart(metrics, "accuracy", {}.get) == ""
