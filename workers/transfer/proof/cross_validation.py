"""What do the folds of a cross-validation say of all arms? Metrics, gains, the verdict on the procedure."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from workers.transfer import tasks
from workers.transfer.data import Array, Task
from workers.transfer.proof.comparison import Gain, size_of
from workers.transfer.proof.evaluation import Rules, default_metric
from workers.transfer.proof.judging import Beside, judge
from workers.transfer.proof.measured import is_not_finite, metrics_of_answers
from workers.transfer.proof.resampled_t import spread
from workers.transfer.proof.verdict import HELD_OUT_ROWS, Silence, not_finite, silence, undefined_in_folds

_LEFT_OUT = (
    "{} of the {} labelled rows are held out in no fold, since something in the transfer was trained or "
    "validated on them. "
)

_ARMS = ("transfer", "control", "baseline", "constant")
"""In this order they are told."""


@dataclass(frozen=True, eq=False)
class Fold:
    """What all arms answered for the rows of one fold, which none of them was trained on.

    rows: their places among all rows. answers: by arm, predictions for them; of those that did not diverge.
    """

    repeat: int
    number: int
    rows: Array
    answers: Mapping[str, Array]


@dataclass(frozen=True, eq=False)
class OutOfFold:
    """The folds of a target's labelled rows, and what follows from them, see `evidence.Evidence`.

    targets, units: of all labelled rows; of those with the same unit all are in one fold. seen: (n,) bool,
    rows that something in the transfer was trained on, which are in no fold. classes: how many the task has,
    0 of numbers.
    """

    task: Task
    targets: Array
    units: Array
    seen: Array
    folds: Sequence[Fold]
    rules: Rules
    classes: int = 0
    _known: dict[tuple[str, ...], Gain | None] = field(default_factory=dict)

    @property
    def metric(self) -> str:
        """That of the gain."""
        return self.rules.metric or default_metric(self.task)

    @property
    def arms(self) -> Collection[str]:
        """Those that answer in two folds at least: of one there is no spread."""
        return [arm for arm in _ARMS if self.trainings(arm) > 1]

    @property
    def rows(self) -> Array:
        """The places of the rows that are held out, or could be if they were more."""
        held = [fold.rows for fold in self.folds]
        return np.unique(np.concatenate(held)) if held else np.flatnonzero(~self.seen)

    @property
    def repeats(self) -> int:
        """How often all rows are dealt out."""
        return len({fold.repeat for fold in self.folds})

    @property
    def folds_of_a_repeat(self) -> int:
        """The folds that rows are dealt out to."""
        return len({fold.number for fold in self.folds})

    def trainings(self, arm: str) -> int:
        """Folds in which an arm was trained, each with a seed of its own, and did not diverge."""
        return sum(arm in fold.answers for fold in self.folds)

    def metrics(self) -> dict[str, dict[str, float | None]]:
        """By arm, each metric's mean over the folds in which it is defined; None where it is in none."""
        return {arm: self.means(arm) for arm in _ARMS if self.trainings(arm) or self._is_transfer(arm)}

    def _is_transfer(self, arm: str) -> bool:
        """It is told wherever there are folds, though it may have diverged in all."""
        return arm == "transfer" and bool(self.folds)

    def means(self, arm: str) -> dict[str, float | None]:
        """Over the folds in which each metric is defined."""
        return _means(self._by_fold(arm))

    def silence(self, metric: str | None = None, gain: Gain | None = None) -> Silence | None:
        """Why these rows tell nothing; None if they do. Without a metric, their number alone is looked at."""
        rows = self.rows
        return silence(
            self.task,
            metric or "",
            self.targets[rows],
            len(np.unique(self.units[rows])),
            left_out=int(self.seen.sum()),
            classes=self.classes,
            gain=gain,
            rows=HELD_OUT_ROWS,
        )

    def gain(self, arm: str, other: str, metric: str | None = None) -> Gain | None:
        """That of one arm over another, over the folds in which both are defined; None of fewer than two."""
        key = (arm, other, metric or self.metric)
        if key not in self._known:
            self._known[key] = self._gain(*key)
        return self._known[key]

    def over_one_answer(self, arm: str) -> Gain | None:
        """The gain of an arm over one answer for all rows, the mean of the fold's train rows."""
        return self.gain(arm, "constant")

    def not_finite(self, arm: str) -> Silence | None:
        """Whether an arm answers in some fold what is no finite number."""
        broken = [fold.rows[is_not_finite(fold.answers[arm])] for fold in self._with(arm)]
        count = len(np.unique(np.concatenate(broken))) if broken else 0
        return not_finite(arm, count, len(self.rows), HELD_OUT_ROWS) if count else None

    def undefined(self, arm: str, other: str) -> Silence:
        """What is said where there is no gain of one arm over the other."""
        return undefined_in_folds(self.metric, len(self._pairs(arm, other, self.metric)), len(self.folds))

    def judged(
        self, control: str, *, cut_off: Collection[str] = (), diverged: Collection[str] = ()
    ) -> dict[str, Any]:
        """The transfer against the control of that kind, as `judging.judge` tells it.

        cut_off: arms that were, in at least half of the folds. diverged: those that did in one.
        """
        told = _LEFT_OUT.format(self.seen.sum(), len(self.seen)) if self.seen.any() else ""
        beside = Beside(control, self.rules.margin, cut_off=cut_off, diverged=diverged)
        judged = judge(self, beside)
        return {**judged, "reason": told + judged["reason"]}

    def proof(self) -> dict[str, Any]:
        """What is told of the folds, beside the gains."""
        return {
            "kind": "cross-validation",
            "folds": self.folds_of_a_repeat,
            "repeats": self.repeats,
            "rows": len(self.rows),
            "left_out": int(self.seen.sum()),
            "metrics": self.metrics(),
        }

    @property
    def ratio(self) -> float:
        """n_test/n_train, of units, the mean over the folds."""
        every = len(np.unique(self.units))
        held = [len(np.unique(self.units[fold.rows])) for fold in self.folds]
        return float(np.mean([count / (every - count) for count in held]))

    def _with(self, *arms: str) -> list[Fold]:
        return [fold for fold in self.folds if all(arm in fold.answers for arm in arms)]

    def _by_fold(self, arm: str) -> list[dict[str, float | None]]:
        return [self._metrics(fold, arm) for fold in self._with(arm)] or [
            dict.fromkeys(tasks.METRICS[self.task])
        ]

    def _metrics(self, fold: Fold, arm: str) -> dict[str, float | None]:
        return metrics_of_answers(self.task, self.targets[fold.rows], fold.answers[arm])

    def _pairs(self, arm: str, other: str, metric: str) -> Array:
        """The metric of both arms in the folds in which it is defined, (folds, 2)."""
        pairs = [
            [self._metrics(fold, one)[metric] for one in (arm, other)] for fold in self._with(arm, other)
        ]
        return np.array([pair for pair in pairs if None not in pair], np.float64).reshape(-1, 2)

    def _gain(self, arm: str, other: str, metric: str) -> Gain | None:
        values = self._pairs(arm, other, metric)
        if len(values) < 2 or self.not_finite(arm) or self.not_finite(other):
            return None
        sign = -1.0 if metric in tasks.LOWER_IS_BETTER else 1.0
        means = values.mean(axis=0)
        size = size_of(metric, *means)
        differences = sign * (values[:, 0] - values[:, 1]) / size
        value = (round(float(np.mean(differences)), 12) + 0.0) * size
        of_rows = self._variance_of_rows(arm, other) / size**2
        return Gain(
            metric=metric,
            value=value,
            low=value,
            high=value,
            confidence=self.rules.confidence,
            transfer=float(means[0]),
            control=float(means[1]),
            rows=len(self.rows),
            draws=len(values),
            drawn=len(self._with(arm, other)),
            folds=self.folds_of_a_repeat,
            repeats=self.repeats,
            parts=(spread(differences, self.ratio, of_rows),),
            size=size,
        ).bounded()

    def _variance_of_rows(self, arm: str, other: str) -> float:
        """Of the mean over the units of how many rows more are decided rightly; 0 of numbers."""
        if self.task == "regression":
            return 0.0
        sums, counts = np.zeros(len(self.targets)), np.zeros(len(self.targets))
        for fold in self._with(arm, other):
            right = [self._right(fold, one) for one in (arm, other)]
            sums[fold.rows] += right[0] - right[1]
            counts[fold.rows] += 1
        held = counts > 0
        _, units = np.unique(self.units[held], return_inverse=True)
        of_units = np.bincount(units.reshape(-1), sums[held] / counts[held])
        count = len(of_units)
        return float(np.var(of_units, ddof=1)) * count / int(held.sum()) ** 2 if count > 1 else 0.0

    def _right(self, fold: Fold, arm: str) -> Array:
        decided = tasks.decide(self.task, fold.answers[arm])
        right = tasks.right_answers(self.task, self.targets[fold.rows], decided)
        return np.asarray(right, np.float64)


def _means(metrics: Sequence[Mapping[str, float | None]]) -> dict[str, float | None]:
    values = {name: [one[name] for one in metrics if one[name] is not None] for name in metrics[0]}
    return {
        name: float(np.mean(np.array(some, np.float64))) if some else None for name, some in values.items()
    }
