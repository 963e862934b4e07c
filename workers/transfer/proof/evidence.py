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
