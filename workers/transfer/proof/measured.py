"""All arms' answers on the test rows that were not seen before, and the gain of any arm over another."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from workers.transfer import tasks
from workers.transfer.data import Array, Task
from workers.transfer.proof.comparison import Gain, compare
from workers.transfer.proof.verdict import Silence, not_finite, silence, undefined


@dataclass(frozen=True, eq=False)
class Measured:
    """Test rows and what each training of each arm answers for them, see `evidence.Evidence`.

    classes: how many the task has, 0 of numbers. answers: by arm. one_answer: the same for all rows. units:
    numbers of the rows that are drawn whole. left_out: test rows that were seen before and are not among
    these. metric: of the gain. shared_source: as in `comparison.compare`, of the transfer against the arms
    that know nothing of it.
    """

    task: Task
    classes: int
    y: Array
    units: Array
    left_out: int
    answers: Mapping[str, Sequence[Array]]
    one_answer: Array
    metric: str
    confidence: float
    draws: int
    seed: int
    shared_source: bool
    _known: dict[tuple[str, ...], Gain | None] = field(default_factory=dict)

    @property
    def arms(self) -> Collection[str]:
        """Those that were trained."""
        return [arm for arm, answers in self.answers.items() if answers]

    def trainings(self, arm: str) -> int:
        """How many seeds an arm has."""
        return len(self.answers.get(arm, ()))

    def metrics(self, p: Array) -> dict[str, float | None]:
        """The task's metrics of one training; each None without rows, or where an answer is not finite."""
        return metrics_of_answers(self.task, self.y, p)

    def means(self, arm: str) -> dict[str, float | None]:
        """The task's metrics over the seeds; None where a seed's is."""
        return means([self.metrics(p) for p in self.answers[arm]])

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
            answers = self.answers.get(other, ())
            self._known[key] = self._over(arm, answers, metric, shared_source=shared)
        return self._known[key]

    def over_one_answer(self, arm: str) -> Gain | None:
        """The gain of an arm over one answer for all rows."""
        return self._over(arm, [self.one_answer])

    def not_finite(self, arm: str) -> Silence | None:
        """Whether a training of the arm answers what is no finite number."""
        broken = np.any([is_not_finite(p) for p in self.answers[arm]], axis=0)
        count = int(np.sum(broken))
        return not_finite(arm, count, len(self.y)) if count else None

    def undefined(self, arm: str, other: str) -> Silence:
        """What is said where there is no gain of one arm over the other."""
        return undefined(self.metric, len(self.y))

    def _over(
        self, arm: str, other: Sequence[Array], metric: str | None = None, *, shared_source: bool = False
    ) -> Gain | None:
        metric, answers = metric or self.metric, self.answers.get(arm, ())
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


def metrics_of_answers(task: Task, y: Array, p: Array) -> dict[str, float | None]:
    """The task's metrics; each None without rows, or where an answer is not finite."""
    if not len(y) or not np.isfinite(p).all():
        return dict.fromkeys(tasks.METRICS[task])
    return tasks.metrics(task, y, p)


def is_not_finite(p: Array) -> Array:
    """Rows whose answer is no finite number, (n,) bool."""
    rows: Array = np.logical_not(np.isfinite(p.reshape(len(p), -1)).all(axis=1))
    return rows


def means(metrics: Sequence[Mapping[str, float | None]]) -> dict[str, float | None]:
    """Means over the seeds; None where a seed's is."""
    values = {name: [one[name] for one in metrics] for name in metrics[0]}
    return {
        name: None if None in of_seeds else float(np.mean(np.array(of_seeds, dtype=np.float64)))
        for name, of_seeds in values.items()
    }
