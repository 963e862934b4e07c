"""Which arm should one use? Held-out rows choose; the test rows may only ask for two, or for more labels."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple, Protocol

import numpy as np

from workers.transfer import tasks
from workers.transfer.data import Array, Data
from workers.transfer.proof.comparison import Gain, compare
from workers.transfer.proof.evaluation import Outcome, Rules, default_metric
from workers.transfer.proof.verdict import measured_on_rows, silence

Use = Literal["transfer", "control", "baseline", "train_both", "label_more"]

ARMS = ("baseline", "control", "transfer")
"""Those that can be used, the cheapest first: of equally good ones it is taken."""


@dataclass(frozen=True)
class HeldOut:
    """What an arm came to on the rows that everything is chosen by; accuracy is None of a regression."""

    loss: float
    accuracy: float | None


class Recommendation(NamedTuple):
    """What to use, and one sentence why."""

    use: Use
    reason: str


@dataclass(frozen=True)
class Choice:
    """What the arm is chosen by.

    held_out: by arm, of those that were judged. judged_by: accuracy and then loss, or loss alone. rows: which
    rows they are, in words. baseline: the name of the candidate that the baseline is. measured: where the
    arms are measured, in words.
    """

    held_out: Mapping[str, HeldOut]
    judged_by: Literal["accuracy", "loss"]
    rows: str
    baseline: str | None
    measured: str = "on the test rows"

    @property
    def best(self) -> str | None:
        """The best arm; None where none was judged."""
        return min((arm for arm in ARMS if arm in self.held_out), key=self._penalty, default=None)

    def _penalty(self, arm: str) -> tuple[float, float]:
        one = self.held_out[arm]
        if self.judged_by == "loss" or one.accuracy is None:
            return one.loss, 0.0
        return -one.accuracy, one.loss

    def named(self, arm: str) -> str:
        """An arm in a sentence."""
        if arm == "baseline" and self.baseline is not None:
            return f"the baseline ({self.baseline.replace('_', ' ')})"
        return f"the {arm}"

    def told(self, best: str) -> str:
        """What makes it the best."""
        is_of_loss = self.judged_by == "loss" or self.held_out[best].accuracy is None
        values = {
            arm: one.loss if is_of_loss or one.accuracy is None else one.accuracy
            for arm, one in self.held_out.items()
        }
        others = ", ".join(
            f"{self.named(arm)} {values[arm]:.3g}" for arm in ARMS if arm in values and arm != best
        )
        beside = f"; {others}" if others else ""
        what = "the lowest loss" if is_of_loss else "the highest accuracy"
        return f"has {what} on {self.rows} ({values[best]:.3g}{beside})"


def recommend(
    choice: Choice,
    *,
    unsaid: str | None,
    beat_constant: Collection[str],
    gain_over: Callable[[str, str], Gain | None],
) -> Recommendation:
    """What to use.

    unsaid: why the test rows tell nothing, if they do not. beat_constant: arms that are shown to be better
    than one answer for all rows. gain_over: the gain on the test rows of one arm over another.
    """
    if unsaid is not None:
        return Recommendation("label_more", unsaid)
    best = choice.best
    if best is None:
        return Recommendation("label_more", "Label more rows: none could be held out to choose an arm by.")
    if not beat_constant:
        reason = (
            f"Label more rows: no arm is shown to be better than one answer for all rows {choice.measured}."
        )
        return Recommendation("label_more", reason)
    told = choice.told(best)
    better = [
        (gain, arm)
        for arm in ARMS
        if arm != best and arm in choice.held_out and (gain := gain_over(arm, best)) and gain.low > 0
    ]
    if better:
        gain, arm = max(better, key=lambda one: one[0].value)
        reason = (
            f"Train both {choice.named(best)} and {choice.named(arm)}, and compare them on new rows: "
            f"the first {told}, but {choice.measured} the second is better ({gain.metric.replace('_', ' ')} "
            f"{gain.transfer:.3g} against {gain.control:.3g})."
        )
        return Recommendation("train_both", reason)
    return Recommendation(best, f"Use {choice.named(best)}: it {told}.")  # type: ignore[arg-type]


def advice(
    arms: Mapping[str, Sequence[Outcome]],
    data: Data,
    rules: Rules,
    choice: Choice,
    *,
    seen: Array,
    units: Array,
) -> dict[str, Any]:
    """`versus_baseline`, the gain of the transfer over it and a sentence, and the recommendation.

    `arms` holds "transfer", "constant", "baseline" and perhaps "control"; `seen` and `units` as in
    `evaluation.evaluate_arms`. Each gain is that of an arm over another on the same test rows.
    """
    return advised(_Rows(arms, data, rules, seen, units), arms, choice)


class Measured(Protocol):
    """What arms came to, on test rows or in folds."""

    def unsaid(self) -> str | None:
        """Why nothing can be told of it."""

    def is_better(self, arm: str, other: str) -> bool:
        """Whether one arm is shown to be better than another."""

    def gain(self, arm: str, other: str) -> Gain | None:
        """That of one arm over another."""


def advised(rows: Measured, arms: Collection[str], choice: Choice) -> dict[str, Any]:
    """The same of arms that are measured already; "constant" is among them."""
    unsaid = rows.unsaid()
    versus = None if unsaid is not None else rows.gain("transfer", "baseline")
    usable = [arm for arm in ARMS if arm in arms]
    made = recommend(
        choice,
        unsaid=unsaid,
        beat_constant=[]
        if unsaid is not None
        else [arm for arm in usable if rows.is_better(arm, "constant")],
        gain_over=rows.gain,
    )
    reason = unsaid if versus is None else _versus(versus, choice)
    return {
        "versus_baseline": {"gain": versus and versus.to_dict(), "reason": reason},
        "recommendation": made.use,
        "recommendation_reason": made.reason,
    }


def _versus(gain: Gain, choice: Choice) -> str:
    measured = measured_on_rows(gain, f"by {choice.named('baseline')}")
    if gain.low > 0:
        return f"{measured} lies above 0."
    return f"{measured} lies below 0." if gain.high < 0 else f"{measured} contains 0."


class _Rows:
    """The test rows that were not seen, and what the arms answer for them."""

    def __init__(
        self,
        arms: Mapping[str, Sequence[Outcome]],
        data: Data,
        rules: Rules,
        seen: Array,
        units: Array,
    ) -> None:
        assert data.test is not None  # checked before the job was accepted
        self.task, self.rules = data.signature.task, rules
        self.metric = rules.metric or default_metric(self.task)
        self.y, self.units, self.left_out = data.test.targets[~seen], units[~seen], int(seen.sum())
        self.answers = {arm: [one.test[~seen] for one in outcomes] for arm, outcomes in arms.items()}
        self.known: dict[tuple[str, str], Gain | None] = {}

    def unsaid(self) -> str | None:
        """Why these rows tell nothing; None if they do."""
        count = len(np.unique(self.units))
        few = silence(self.task, self.metric, self.y, count, left_out=self.left_out)
        if few is not None:
            return f"Label more rows: {few.reason[0].lower()}{few.reason[1:]}"
        if self._value("transfer") is None:
            return f"Label more rows: the {self.metric} is not defined on these {len(self.y)} test rows."
        return None

    def is_better(self, arm: str, other: str) -> bool:
        """Whether the interval of the gain lies above 0."""
        gain = self.gain(arm, other)
        return gain is not None and gain.low > 0

    def gain(self, arm: str, other: str) -> Gain | None:
        """That of an arm over another; None where the metric is undefined."""
        if (arm, other) not in self.known:
            self.known[arm, other] = None
            if None not in (self._value(arm), self._value(other)):
                self.known[arm, other] = self._compared(arm, other)
        return self.known[arm, other]

    def _compared(self, arm: str, other: str) -> Gain:
        return compare(
            self.task,
            self.y,
            self.answers[arm],
            self.answers[other],
            self.metric,
            units=self.units,
            shared_source=self.rules.shared_source and (arm, other) == ("transfer", "control"),
            confidence=self.rules.confidence,
            draws=self.rules.draws,
            seed=self.rules.seed,
        )

    def _value(self, arm: str) -> float | None:
        values = [tasks.metrics(self.task, self.y, p)[self.metric] for p in self.answers[arm]]
        return None if None in values else float(np.mean(np.array(values, np.float64)))
