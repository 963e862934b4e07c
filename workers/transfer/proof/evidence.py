"""What must test rows, or folds, tell of arms to judge them by, and why may they tell nothing?"""

from collections.abc import Collection
from typing import Protocol

from workers.transfer.proof.comparison import Gain
from workers.transfer.proof.verdict import Silence, diverged


class Evidence(Protocol):
    """What arms came to, on test rows or in folds."""

    @property
    def metric(self) -> str:
        """Of the gain."""

    @property
    def arms(self) -> Collection[str]:
        """Those of which enough trainings are there to compare."""

    def trainings(self, arm: str) -> int:
        """How often an arm was trained."""

    def means(self, arm: str) -> dict[str, float | None]:
        """The task's metrics, over the trainings."""

    def gain(self, arm: str, other: str, metric: str | None = None) -> Gain | None:
        """That of an arm over another; None where the metric is undefined."""

    def over_one_answer(self, arm: str) -> Gain | None:
        """The gain of an arm over one answer for all rows."""

    def silence(self, metric: str | None = None, gain: Gain | None = None) -> Silence | None:
        """Why the rows tell nothing; None if they do. Without a metric, their number alone is looked at."""

    def not_finite(self, arm: str) -> Silence | None:
        """Whether an arm answers what is no finite number."""

    def undefined(self, arm: str, other: str) -> Silence:
        """What is said where there is no gain of one arm over the other."""


def unsaid_of(rows: Evidence, arm: str, other: str) -> Silence | None:
    """Why nothing is told of these arms and their gain; None if it is."""
    few = rows.silence()
    if few is not None:
        return few
    for one in (arm, other):
        if one not in rows.arms:
            return diverged(one)
        broken = rows.not_finite(one)
        if broken is not None:
            return broken
    of_class = rows.silence(rows.metric)
    if of_class is not None:
        return of_class
    gain = rows.gain(arm, other)
    return rows.undefined(arm, other) if gain is None else rows.silence(rows.metric, gain)


def unclaimed(
    rows: Evidence,
    arm: str,
    other: str,
    *,
    drawn_once: Collection[str] = (),
    cut_off: Collection[str] = (),
    diverged: Collection[str] = (),
) -> Silence | None:
    """Why of a gain neither an interval is told nor that it is one; None if both are.

    As with the verdict: beside what `unsaid_of` says, an arm that a seed enters was trained once, trainings
    of it diverged, or it lost while it still learnt.
    """
    unsaid = unsaid_of(rows, arm, other)
    if unsaid is not None:
        return unsaid
    for one in (arm, other):
        name = one.replace("_", " ")
        if one in diverged:
            return Silence(
                "not_converged", f"A training of the {name} diverged", "train at a lower learning rate"
            )
        if rows.trainings(one) == 1 and one not in drawn_once:
            fact = f"The {name} was trained with one seed, and another may turn it round"
            return Silence("one_seed", fact, "leave `evaluation.seeds` out")
    gain = rows.gain(arm, other)
    lost = other if gain is not None and gain.low > 0 else arm if gain is not None and gain.high < 0 else None
    if lost is None or lost not in cut_off:
        return None
    fact = f"The {lost.replace('_', ' ')} was still learning when its training ended at its limit"
    return Silence("not_converged", fact, "raise `training.budget.max_updates`")


def told_of(silent: Silence, others: Collection[str]) -> str:
    """A sentence on gains over those, in place of a claim."""
    names = ", ".join(name.replace("_", " ") for name in others)
    fact = f"{silent.fact[0].lower()}{silent.fact[1:]}"
    return f"Of the gain over {names} nothing is claimed: {fact}; {silent.remedy}."
