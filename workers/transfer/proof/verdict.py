"""Did the transfer help? The sentence, and when nothing can be said."""

import math
from collections.abc import Callable, Collection, Mapping
from typing import Literal, NamedTuple

import numpy as np

from workers.transfer.data import Array, Task
from workers.transfer.proof.comparison import Gain
from workers.transfer.tasks import OF_TEXTS

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
}
"""What the control may be, as the sentence says it."""

NAMED: Mapping[str, str] = {**CONTROLS, "of_each_fold": "by the better candidate of each fold"}
"""The same, and where folds chose different ones."""

TEST_ROWS = "test rows"
HELD_OUT_ROWS = "rows that can be held out"
"""What a verdict is worked out from, as the sentence says it."""

THIS_SOURCE = "this source"
RETRAINED_SOURCE = "a source that is trained anew for each seed"
"""What the transfer comes from, as the sentence says it."""

Detail = Literal[
    "equivalent",
    "too_few_rows",
    "control_learnt_nothing",
    "neither_beats_one_answer",
    "rows_seen",
    "not_comparable",
    "not_converged",
    "one_seed",
]
Outcome = Literal["helped", "no difference", "hurt"]


class Verdict(NamedTuple):
    """Whether the transfer helped, None where that is not known; sentences why; what is said besides."""

    outcome: Outcome | None
    reason: str
    details: tuple[Detail, ...] = ()


class Silence(NamedTuple):
    """Why nothing can be said of the rows, what to do, and how many would do at least.

    rows_needed: None where their number is not what is lacking, or cannot be told.
    """

    detail: Detail
    fact: str
    remedy: str
    rows_needed: int | None = None

    @property
    def reason(self) -> str:
        """Sentences that a person reads in place of a verdict."""
        return f"{self.fact}, so whether the transfer helped is not known: {self.remedy}."


def silence(
    task: Task,
    metric: str,
    y: Array,
    units: int,
    *,
    left_out: int,
    classes: int = 0,
    gain: Gain | None = None,
    rows: str = TEST_ROWS,
) -> Silence | None:
    """Why targets y, of so many units that are drawn whole, tell nothing; None if they do.

    `left_out` rows were seen before; `classes` are those of the task, of which the rows may lack some;
    `gain`, if it is known, was defined on some of its draws. `rows` is what they are, in words.
    """
    return (
        _too_few(y, units, left_out, rows)
        or _too_few_of_a_class(task, metric, y, left_out, classes, rows)
        or (None if gain is None else _undefined_on_draws(metric, y, gain, rows))
    )


def _too_few(y: Array, units: int, left_out: int, rows: str) -> Silence | None:
    if units >= LEAST_TEST_ROWS:
        return None
    apart = (
        ""
        if units == len(y)
        else f" in {units} group{'' if units == 1 else 's'} of rows that belong together"
    )
    needed = math.ceil(LEAST_TEST_ROWS * len(y) / units) if units else LEAST_TEST_ROWS
    if left_out:
        fact = f"{len(y)} remain{apart}, fewer than the {LEAST_TEST_ROWS} that a verdict needs"
        return Silence("rows_seen", fact, "use a target with rows that the source has not seen", needed)
    fact = f"A verdict needs {LEAST_TEST_ROWS} {rows}, and there are {len(y)}{apart}"
    return Silence("too_few_rows", fact, "label more rows", needed)


def _too_few_of_a_class(
    task: Task, metric: str, y: Array, left_out: int, classes: int, rows: str
) -> Silence | None:
    fewest = _fewest(task, y, classes) if metric in _BY_CLASS else None
    if fewest is None or fewest >= LEAST_CLASS_ROWS:
        return None
    name, found = metric.replace("_", " "), fewest or "none"
    fact = f"The {name} needs {LEAST_CLASS_ROWS} {rows} of each class, and one has {found}"
    needed = math.ceil(LEAST_CLASS_ROWS * len(y) / fewest) if fewest else None
    detail: Detail = "rows_seen" if left_out else "too_few_rows"
    return Silence(detail, fact, "label more rows of it, or use the accuracy", needed)


def _undefined_on_draws(metric: str, y: Array, gain: Gain, rows: str) -> Silence | None:
    if gain.draws >= (1 - MOST_UNDEFINED) * gain.drawn:
        return None
    of = "folds" if gain.folds else "draws"
    share = f"{1 - gain.draws / gain.drawn:.0%} of the {of} from the {len(y)} {rows}"
    fact = f"The {metric.replace('_', ' ')} is not defined on {share}"
    return Silence("not_comparable", fact, "label more rows, or choose another `evaluation.metric`")


def undefined(metric: str, rows: int) -> Silence:
    """Where a metric has no value on the test rows, such as where their label never varies."""
    fact = f"The {metric.replace('_', ' ')} is not defined on these {rows} test rows"
    remedy = "choose another `evaluation.metric`, or test rows whose label varies"
    return Silence("not_comparable", fact, remedy)


def undefined_in_folds(metric: str, defined: int, folds: int) -> Silence:
    """Where a metric has a value in fewer than two folds, so that there is no spread."""
    fact = f"The {metric.replace('_', ' ')} is defined in {defined} of the {folds} folds"
    return Silence("not_comparable", fact, "label more rows, or choose another `evaluation.metric`")


def diverged(arm: str) -> Silence:
    """Where no training of an arm is left."""
    fact = f"The {arm} diverged, at each learning rate that it may take"
    return Silence("not_converged", fact, "train at a lower learning rate")


def not_finite(arm: str, count: int, of: int, rows: str = TEST_ROWS) -> Silence:
    """Where an arm answers what is no number."""
    fact = f"For {count} of the {of} {rows} the {arm} answers no finite number"
    remedy = "look for inputs far beyond those of the train rows, or train at a lower learning rate"
    return Silence("not_comparable", fact, remedy)


def verdict(
    gain: Gain,
    control: str = "from_scratch",
    *,
    margin: float = 0.0,
    is_one_seed: bool = False,
    p_of_rows: float | None = None,
    source: str = THIS_SOURCE,
) -> Verdict:
    """`helped` if the interval lies above 0, `hurt` if below, else `no difference`.

    `control` is its kind, "of_each_fold" where folds chose different ones. Where the interval lies within
    ± `margin`, both are `equivalent`. An arm whose draw of weights was trained once, `is_one_seed`, tells
    nothing of another draw. `p_of_rows`, McNemar's of accuracies of arms that were fitted once, must agree.
    `source` is what the transfer comes from, in words.
    """
    measured = measured_on_rows(gain, NAMED[control], source)
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
    needed, rows = rows_needed(gain), "labelled rows" if gain.folds else TEST_ROWS
    return "" if needed is None else f" If that is so, about {needed:,} {rows} would show it."


def rows_needed(gain: Gain) -> int | None:
    """How many rows would take 0 out of the interval, if the gain is as measured; None if none would.

    What the rows add to the interval's square falls with their number; what seeds and source add remains.
    """
    reach, size = (gain.high - gain.low) / 2, abs(gain.value)
    if reach <= size or gain.reach_of_seeds >= size:
        return None
    rest = (gain.reach_of_seeds / size) ** 2
    needed = gain.rows * max(1.0, ((reach / size) ** 2 - rest) / (1 - rest))
    return None if needed > 1e6 else math.ceil(needed - 1e-6)


def if_converged(judged: Verdict, cut_off: Collection[str], diverged: Collection[str]) -> Verdict:
    """The verdict, or None where an arm that was trained longer, or otherwise, might turn it round.

    `cut_off`: arms whose trainings ended at their limit while they still learnt: they may only lose by it,
    so it counts where they lost. `diverged`: arms that lack trainings, since these diverged: what is left of
    them is too good, or tells nothing of the arm at another rate.
    """
    lost = {"helped": "control", "hurt": "transfer"}.get(judged.outcome or "")
    unknown = ", so whether the transfer helped is not known: "
    if diverged:
        arm = " and of the ".join(sorted(diverged))
        said = f" But a training of the {arm} diverged{unknown}train at a lower learning rate."
    elif lost in cut_off:
        said = (
            f" But the {lost} was still learning when its training ended at its limit{unknown}raise "
            "`training.budget.max_updates`."
        )
    else:
        return judged
    return Verdict(None, judged.reason + said, ("not_converged",))


def points_apart(
    metrics: Mapping[str, Mapping[str, float | None]],
    metric: str,
    gain_in: Callable[[str], Gain | None],
) -> str:
    """A sentence where accuracy and what ranks or weighs probabilities point in opposite directions.

    Only where the other metric's own interval, that of `gain_in`, does not contain 0: all else is noise.
    """
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
            gain = gain_in(name)
            if gain is None or gain.low <= 0 <= gain.high:
                continue
            one, other, _ = values[name]
            shown = {"auc": "AUC"}.get(name, name.replace("_", " "))
            return (
                f" But the {shown} points the other way: {one:.3g} with transfer, {other:.3g} without, a "
                f"gain of {gain.value:+.3g} ({gain.low:+.3g} to {gain.high:+.3g})."
            )
    return ""


def measured_on_rows(gain: Gain, other: str, source: str = THIS_SOURCE) -> str:
    """The beginning of a sentence: both metrics, the gain, its interval; `other` is how that arm is made."""
    seeds = f" and {gain.seeds} seeds" if gain.seeds > 1 else ""
    value = f"{gain.value:+.3g}" if gain.value else "0"
    begin, rows = "With", f", on {gain.rows} test rows{seeds}"
    if gain.folds:
        begin, rows = f"In {crossed(gain.folds, gain.repeats)} on {gain.rows} rows, with", ""
    return (
        f"{begin} transfer from {source} the {gain.metric.replace('_', ' ')} is {gain.transfer:.3g}, "
        f"{other} {gain.control:.3g}{rows}: a gain of {value}, whose "
        f"{gain.confidence:.0%} interval, {gain.low:+.3g} to {gain.high:+.3g},"
    )


def crossed(folds: int, repeats: int) -> str:
    """The cross-validation, in words."""
    return f"{folds}-fold cross-validation" + (f" repeated {repeats} times" if repeats > 1 else "")


def _fewest(task: Task, y: Array, classes: int) -> int | None:
    """Rows of the rarest class, 0 where one has none; of several labels, with or without each.

    A label that every row has is no reason: its rows are there.
    """
    if task == "regression" or task in OF_TEXTS:
        return None
    if task == "multilabel":
        marked = (y > 0.5).sum(axis=0)
        lacking = len(y) - marked
        counts = np.concatenate([marked, lacking[lacking > 0]])
    else:
        least = 2 if task == "binary" else classes
        counts = np.bincount(y.reshape(-1).astype(np.int64), minlength=least)
    return int(counts.min()) if len(counts) else None
