"""Did the transfer help? The sentence, and when nothing can be said."""

import math
from collections.abc import Mapping
from typing import Literal, NamedTuple

import numpy as np

from workers.transfer.data import Array, Task
from workers.transfer.proof.comparison import Gain

LEAST_TEST_ROWS = 20
"""Of fewer, intervals are too narrow: for accuracy the error is .109 with 8 rows, at most .048 from 20 on."""

LEAST_CLASS_ROWS = 5
"""Of each class, for a metric that is worked out class by class."""

MOST_UNDEFINED = 0.05
"""The share of draws on which the metric may be undefined."""

_ROWS_OF_NOTHING = 3
"""What was not seen once in n rows is less frequent than 3/n (rule of three, Hanley & Lippman-Hand 1983)."""

_OF_NUMBERS = frozenset({"rmse", "mae", "r2", "log_loss"})
"""Metrics that are equal where the predictions are, and not where they only lie on the same side."""

_BY_CLASS = frozenset({"balanced_accuracy", "auc", "f1", "macro_f1"})

CONTROLS: Mapping[str, str] = {
    "from_scratch": "from scratch",
    "random_weights": "by the same procedure from random weights",
    "preset_weights": "by the same procedure from the preset's own weights",
    "random_structure": "with a random structure of the same size",
    "untrained_teacher": "by a student of an untrained teacher",
    "of_each_fold": "by the better candidate of each fold",
}
"""What the control may be, as the sentence says it."""

Detail = Literal[
    "equivalent",
    "too_few_rows",
    "control_learnt_nothing",
    "neither_beats_one_answer",
    "rows_seen",
    "one_seed",
]
Outcome = Literal["helped", "no difference", "hurt"]


class Verdict(NamedTuple):
    """Whether the transfer helped, None where that is not known; sentences why; what is said besides."""

    outcome: Outcome | None
    reason: str
    details: tuple[Detail, ...] = ()


class Silence(NamedTuple):
    """Why nothing can be said of the test rows."""

    detail: Detail
    reason: str


def silence(
    task: Task,
    metric: str,
    y: Array,
    units: int,
    *,
    left_out: int,
    gain: Gain | None = None,
    rows: str = "test rows",
) -> Silence | None:
    """Why targets y, of so many units that are drawn whole, are too few for a verdict; None if they are not.

    `left_out` test rows were seen before; `gain`, if it is known, was defined on some of its draws. `rows` is
    what they are, in words.
    """
    detail: Detail = "rows_seen" if left_out else "too_few_rows"
    if units < LEAST_TEST_ROWS:
        apart = "" if units == len(y) else f" in {units} groups of rows that belong together"
        if left_out:
            reason = (
                f"{len(y)} remain{apart}, fewer than the {LEAST_TEST_ROWS} that a verdict needs, so whether "
                "the transfer helped is not known: use a target with rows that the source has not seen."
            )
            return Silence(detail, reason)
        reason = (
            f"A verdict needs {LEAST_TEST_ROWS} {rows}, and there are {len(y)}{apart}, so whether the "
            "transfer helped is not known: label more rows."
        )
        return Silence(detail, reason)
    fewest = _fewest(task, y) if metric in _BY_CLASS else None
    name = metric.replace("_", " ")
    if fewest is not None and fewest < LEAST_CLASS_ROWS:
        reason = (
            f"The {name} needs {LEAST_CLASS_ROWS} {rows} of each class, and one has {fewest}, so whether "
            "the transfer helped is not known: label more rows of it, or use the accuracy."
        )
        return Silence(detail, reason)
    if gain is not None and gain.draws < (1 - MOST_UNDEFINED) * gain.drawn:
        of = "folds" if gain.folds else "draws"
        reason = (
            f"The {name} is not defined on {1 - gain.draws / gain.drawn:.0%} of the {of} from the {len(y)} "
            f"{rows}, so whether the transfer helped is not known: label more rows."
        )
        return Silence(detail, reason)
    return None


def verdict(
    gain: Gain,
    control: str = "from_scratch",
    *,
    margin: float = 0.0,
    is_one_seed: bool = False,
    p_of_rows: float | None = None,
) -> Verdict:
    """`helped` if the interval lies above 0, `hurt` if below, else `no difference`.

    `control` is its kind. Where the interval lies within ± `margin`, both are `equivalent`. An arm whose draw
    of weights was trained once, `is_one_seed`, tells nothing of another draw. `p_of_rows`, McNemar's of
    accuracies of arms that were fitted once, must agree.
    """
    measured = measured_on_rows(gain, CONTROLS[control])
    within = -margin < gain.low and gain.high < margin
    if gain.low == gain.high and gain.metric not in _OF_NUMBERS:
        within = within and gain.rows * margin >= _ROWS_OF_NOTHING
    details: tuple[Detail, ...] = ("equivalent",) if within else ()
    if is_one_seed:
        reason = (
            f"{measured} holds for these two networks alone: each was trained with one seed, and another may "
            "turn it round. Leave `evaluation.seeds` out for a verdict."
        )
        return Verdict(None, reason, ("one_seed",))
    same = f" Both are within {margin:g} of one another." if within else ""
    outcome: Outcome = "helped" if gain.low > 0 else "hurt"
    if gain.low > 0 or gain.high < 0:
        if p_of_rows is not None and p_of_rows >= 1 - gain.confidence:
            reason = (
                f"{measured} does not contain 0, but McNemar's test of the rows that only one gets right "
                f"does not agree (p = {p_of_rows:.2g}): take the cheaper model."
            )
            return Verdict("no difference", reason + same, details)
        lies = "above" if gain.low > 0 else "below"
        return Verdict(outcome, f"{measured} lies {lies} 0.{same}", details)
    more = "" if within else _what_would_show_it(gain)
    return Verdict("no difference", f"{measured} contains 0: take the cheaper model.{same}{more}", details)


def _what_would_show_it(gain: Gain) -> str:
    if gain.value and gain.reach_of_seeds >= abs(gain.value):
        return " More test rows alone would not show it, since seeds and source vary by more."
    needed, rows = rows_needed(gain), "labelled rows" if gain.folds else "test rows"
    return "" if needed is None else f" If that is so, about {needed:,} {rows} would show it."


def rows_needed(gain: Gain) -> int | None:
    """How many test rows would take 0 out of the interval, if the gain is as measured; None if none would.

    What the rows add to the interval's square falls with their number; what seeds and source add remains.
    """
    reach, size = (gain.high - gain.low) / 2, abs(gain.value)
    if reach <= size or gain.reach_of_seeds >= size:
        return None
    rest = (gain.reach_of_seeds / size) ** 2
    needed = gain.rows * max(1.0, ((reach / size) ** 2 - rest) / (1 - rest))
    return None if needed > 1e6 else math.ceil(needed - 1e-6)


def points_apart(metrics: Mapping[str, Mapping[str, float | None]], metric: str) -> str:
    """A sentence where accuracy and what ranks or weighs probabilities point in opposite directions."""
    values = {}
    for name in ("accuracy", "auc", "log_loss"):
        one, other = metrics["transfer"].get(name), metrics["control"].get(name)
        if one is not None and other is not None and f"{one:.3g}" != f"{other:.3g}":
            values[name] = (one, other, (one - other) * (-1 if name == "log_loss" else 1))
    if metric not in values:
        return ""
    others = ["auc", "log_loss"] if metric == "accuracy" else ["accuracy"]
    for name in others:
        if name in values and values[name][2] * values[metric][2] < 0:
            one, other, _ = values[name]
            shown = {"auc": "AUC"}.get(name, name.replace("_", " "))
            return f" But the {shown} points the other way: {one:.3g} with transfer, {other:.3g} without."
    return ""


def measured_on_rows(gain: Gain, other: str) -> str:
    """The beginning of a sentence: both metrics, the gain, its interval; `other` is how that arm is made."""
    seeds = f" and {gain.seeds} seeds" if gain.seeds > 1 else ""
    value = f"{gain.value:+.3g}" if gain.value else "0"
    begin, rows = "With", f", on {gain.rows} test rows{seeds}"
    if gain.folds:
        begin, rows = f"In {crossed(gain.folds, gain.repeats)} on {gain.rows} rows, with", ""
    return (
        f"{begin} transfer from this source the {gain.metric.replace('_', ' ')} is {gain.transfer:.3g}, "
        f"{other} {gain.control:.3g}{rows}: a gain of {value}, whose "
        f"{gain.confidence:.0%} interval, {gain.low:+.3g} to {gain.high:+.3g},"
    )


def crossed(folds: int, repeats: int) -> str:
    """The cross-validation, in words."""
    return f"{folds}-fold cross-validation" + (f" repeated {repeats} times" if repeats > 1 else "")


def _fewest(task: Task, y: Array) -> int | None:
    """Rows of the rarest class, of those that have any; of several labels, with or without each."""
    if task == "regression":
        return None
    if task == "multilabel":
        marked = (y > 0.5).sum(axis=0)
        counts = np.concatenate([marked, len(y) - marked])
    else:
        counts = np.bincount(y.reshape(-1).astype(np.int64))
    counts = counts[counts > 0]
    return int(counts.min()) if len(counts) else None
