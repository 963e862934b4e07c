"""All arms' answers on the test rows that were not seen before, and the gain of any arm over another."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from workers.transfer import tasks
from workers.transfer.data import Array, Task
from workers.transfer.proof.comparison import Gain, compare
from workers.transfer.proof.verdict import Silence, silence


@dataclass(frozen=True, eq=False)
class Measured:
    """Test rows and what each training of each arm answers for them.

    classes: how many the task has, 0 of numbers. answers: by arm. units: numbers of the rows that are drawn
    whole. left_out: test rows that were seen before and are not among these. metric: of the gain.
    shared_source: as in `comparison.compare`, of the transfer against the arms that know nothing of it.
    """

    task: Task
    classes: int
    y: Array
    units: Array
    left_out: int
    answers: Mapping[str, Sequence[Array]]
    metric: str
    confidence: float
    draws: int
    seed: int
    shared_source: bool
    _known: dict[tuple[str, ...], Gain | None] = field(default_factory=dict)

    def metrics(self, p: Array) -> dict[str, float | None]:
        """The task's metrics of one training; each None without rows, or where an answer is not finite."""
        if not len(self.y) or not np.isfinite(p).all():
            return dict.fromkeys(tasks.METRICS[self.task])
        return tasks.metrics(self.task, self.y, p)

    def silence(self, metric: str | None = None, gain: Gain | None = None) -> Silence | None:
        """Why these rows tell nothing; None if they do. Without a metric, their number alone is looked at."""
        count = len(np.unique(self.units))
        return silence(
            self.task, metric or "", self.y, count, left_out=self.left_out, classes=self.classes, gain=gain
        )

    def gain(self, arm: str, other: str, metric: str | None = None) -> Gain | None:
        """That of an arm over another; None where the metric is undefined."""
        key = (arm, other, metric or self.metric)
        if key not in self._known:
            shared = self.shared_source and arm == "transfer" and other not in ("baseline", "constant")
            self._known[key] = self.over(arm, self.answers[other], metric, shared_source=shared)
        return self._known[key]

    def over(
        self, arm: str, other: Sequence[Array], metric: str | None = None, *, shared_source: bool = False
    ) -> Gain | None:
        """The gain of an arm over other answers for the same rows; None where the metric is undefined."""
        metric, answers = metric or self.metric, self.answers[arm]
        if not answers or not other or any(self.metrics(p)[metric] is None for p in [*answers, *other]):
            return None
        try:
            return compare(
                self.task,
                self.y,
                answers,
                other,
                metric,
                units=self.units,
                shared_source=shared_source,
                confidence=self.confidence,
                draws=self.draws,
                seed=self.seed,
            )
        except ValueError:  # no draw of these rows leaves the metric defined
            return None

    def not_finite(self, arm: str) -> int:
        """Test rows for which a training of the arm answers no finite number."""
        rows = [~np.isfinite(p.reshape(len(p), -1)).all(axis=1) for p in self.answers[arm]]
        return int(np.any(rows, axis=0).sum()) if rows else 0
