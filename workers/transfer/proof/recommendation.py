"""Which arm should one use? Held-out rows choose; the test rows may only ask for two, or for more labels."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

from workers.transfer.data import Array, Data
from workers.transfer.proof.comparison import Gain
from workers.transfer.proof.evaluation import Outcome, Rules, cut_off, measured
from workers.transfer.proof.evidence import Evidence, told_of, unclaimed, unsaid_of
from workers.transfer.proof.verdict import RETRAINED_SOURCE, THIS_SOURCE, Silence, measured_on_rows

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
    arms are measured, in words. accuracy: what stands for it, in words.
    """

    held_out: Mapping[str, HeldOut]
    judged_by: Literal["accuracy", "loss"]
    rows: str
    baseline: str | None
    measured: str = "on the test rows"
    accuracy: str = "accuracy"

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
        what = "the lowest loss" if is_of_loss else f"the highest {self.accuracy}"
        return f"has {what} on {self.rows} ({values[best]:.3g}{beside})"


def recommend(
    choice: Choice,
    *,
    unsaid: str | None,
    beat_constant: Collection[str],
    gain_over: Callable[[str, str], Gain | None],
) -> Recommendation:
    """What to use.

    unsaid: why nothing can be told, if it cannot. beat_constant: arms that are shown to be better
    than one answer for all rows. gain_over: the gain of one arm over another.
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
    source = RETRAINED_SOURCE if rules.is_source_retrained else THIS_SOURCE
    return advised(
        measured(arms, data, rules, seen=seen, units=units),
        arms,
        choice,
        source,
        drawn_once={*rules.drawn_once, "baseline"},
        cut_off=cut_off(arms),
        diverged=rules.diverged,
    )


def advised(
    rows: Evidence,
    arms: Collection[str],
    choice: Choice,
    source: str = THIS_SOURCE,
    **known: Collection[str],
) -> dict[str, Any]:
    """The same of arms that are measured already; `source` is what the transfer comes from, in words.

    `known` as in `evidence.unclaimed`, which says where there is no gain over the baseline.
    """
    silent = unsaid_of(rows, "transfer", "constant")
    why = None if silent is not None else unclaimed(rows, "transfer", "baseline", **known)
    is_told = silent is None and why is None
    versus = rows.gain("transfer", "baseline") if is_told else None
    usable = [arm for arm in ARMS if arm in arms]
    made = recommend(
        choice,
        unsaid=None if silent is None else _more_labels(silent),
        beat_constant=[]
        if silent is not None
        else [arm for arm in usable if _is_better(rows.gain(arm, "constant"))],
        gain_over=rows.gain,
    )
    if silent is not None:
        reason = silent.reason
    elif why is not None and why.detail in ("one_seed", "not_converged"):
        reason = told_of(why, ["baseline"])
    elif versus is None:
        reason = f"{rows.undefined('transfer', 'baseline').fact} for transfer and baseline."
    else:
        reason = _versus(versus, choice, source)
    return {
        "versus_baseline": {"gain": versus and versus.to_dict(), "reason": reason},
        "recommendation": made.use,
        "recommendation_reason": made.reason,
    }


def _more_labels(silent: Silence) -> str:
    """Why nothing can be told, in one sentence that says once what to do."""
    if silent.detail in ("not_comparable", "not_converged"):
        return silent.reason
    return f"Label more rows: {silent.fact[0].lower()}{silent.fact[1:]}."


def _is_better(gain: Gain | None) -> bool:
    return gain is not None and gain.low > 0


def _versus(gain: Gain, choice: Choice, source: str) -> str:
    said = measured_on_rows(gain, f"by {choice.named('baseline')}", source)
    if gain.low > 0:
        return f"{said} lies above 0."
    return f"{said} lies below 0." if gain.high < 0 else f"{said} contains 0."
