"""What do the folds of a cross-validation say of all arms? Metrics, gains, the verdict on the procedure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from workers.transfer import tasks
from workers.transfer.data import Array, Task
from workers.transfer.proof.comparison import WITHOUT_BOUND, Gain
from workers.transfer.proof.evaluation import LEARNT_NOTHING, NEITHER, Rules, default_metric, margin_of
from workers.transfer.proof.resampled_t import interval
from workers.transfer.proof.verdict import points_apart, silence, verdict

_LEFT_OUT = (
    "{} of the {} labelled rows are held out in no fold, since something in the transfer was trained or "
    "validated on them. "
)


@dataclass(frozen=True, eq=False)
class Fold:
    """What all arms answered for the rows of one fold, which none of them was trained on.

    rows: their places among all rows. answers: by arm, predictions for them.
    """

    repeat: int
    number: int
    rows: Array
    answers: Mapping[str, Array]


@dataclass(frozen=True, eq=False)
class OutOfFold:
    """The folds of a target's labelled rows, and what follows from them.

    targets, units: of all labelled rows; of those with the same unit all are in one fold. seen: (n,) bool,
    rows that something in the transfer was trained on, which are in no fold.
    """

    task: Task
    targets: Array
    units: Array
    seen: Array
    folds: Sequence[Fold]
    rules: Rules
    _known: dict[tuple[str, str], Gain | None] = field(default_factory=dict)

    @property
    def metric(self) -> str:
        """That of the gain."""
        return self.rules.metric or default_metric(self.task)

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

    def metrics(self) -> dict[str, dict[str, float | None]]:
        """By arm, each metric's mean over the folds in which it is defined; None where it is in none."""
        arms = dict.fromkeys(arm for fold in self.folds for arm in fold.answers)
        return {arm: _means(self._by_fold(arm)) for arm in arms}

    def unsaid(self) -> str | None:
        """Why the folds tell nothing of any arm; None if they do."""
        found = self._silence(self.metric) or self._undefined("transfer")
        return None if found is None else f"Label more rows: {found[1][0].lower()}{found[1][1:]}"

    def is_better(self, arm: str, other: str) -> bool:
        """Whether the interval of the gain lies above 0."""
        gain = self.gain(arm, other)
        return gain is not None and gain.low > 0

    def gain(self, arm: str, other: str) -> Gain | None:
        """That of one arm over another, over the folds in which both are defined; None of fewer than two."""
        if (arm, other) not in self._known:
            self._known[arm, other] = self._gain(arm, other)
        return self._known[arm, other]

    def judged(self, control: str) -> dict[str, Any]:
        """`gain`, `verdict`, `verdict_details`, `reason` of the transfer against the control of that kind."""
        told = _LEFT_OUT.format(self.seen.sum(), len(self.seen)) if self.seen.any() else ""
        nothing: dict[str, Any] = {"gain": None, "verdict": None}
        unsaid = self._silence("") or self._undefined("control")
        gain = None if unsaid is not None else self.gain("transfer", "control")
        if gain is not None:
            nothing["gain"] = gain.to_dict()
            unsaid = self._silence(self.metric, gain)
        if unsaid is not None:
            return {**nothing, "verdict_details": [unsaid[0]], "reason": told + unsaid[1]}
        assert gain is not None  # else it would be undefined
        judged = verdict(gain, control, margin=margin_of(gain, self.rules))
        level, sentence = self._level(judged.outcome)
        reason = judged.reason + points_apart(self.metrics(), self.metric) + sentence
        return {
            "gain": gain.to_dict(),
            "verdict": judged.outcome,
            "verdict_details": [*judged.details, *level],
            "reason": told + reason,
        }

    def _level(self, outcome: str | None) -> tuple[list[str], str]:
        """What is said where the control, or both arms, are not shown to be better than one answer."""
        if outcome not in ("helped", "no difference") or self.is_better("control", "constant"):
            return [], ""
        value = self.metrics()["constant"][self.metric]
        if outcome == "helped":
            return ["control_learnt_nothing"], LEARNT_NOTHING.format(value)
        if self.is_better("transfer", "constant"):
            return [], ""
        return ["neither_beats_one_answer"], NEITHER.format(value)

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

    def _silence(self, metric: str, gain: Gain | None = None) -> tuple[str, str] | None:
        rows = self.rows
        count = len(np.unique(self.units[rows]))
        y, left_out = self.targets[rows], int(self.seen.sum())
        what = "rows that can be held out"
        return silence(self.task, metric, y, count, left_out=left_out, gain=gain, rows=what)

    def _undefined(self, arm: str) -> tuple[str, str] | None:
        """Where a metric is defined in fewer than two folds there is no spread."""
        defined = sum(values[self.metric] is not None for values in self._by_fold(arm))
        if defined >= 2:
            return None
        of = f"{defined} of the {len(self.folds)} folds"
        return "too_few_rows", f"The {self.metric.replace('_', ' ')} is defined in {of}: label more rows."

    def _by_fold(self, arm: str) -> list[dict[str, float | None]]:
        return [tasks.metrics(self.task, self.targets[fold.rows], fold.answers[arm]) for fold in self.folds]

    def _gain(self, arm: str, other: str) -> Gain | None:
        pairs = [
            (one[self.metric], two[self.metric])
            for one, two in zip(self._by_fold(arm), self._by_fold(other), strict=True)
        ]
        values = np.array([pair for pair in pairs if None not in pair], np.float64)
        if len(values) < 2:
            return None
        sign = -1.0 if self.metric in tasks.LOWER_IS_BETTER else 1.0
        differences = sign * (values[:, 0] - values[:, 1])
        bounds = interval(differences, self.ratio, self.rules.confidence, self._variance_of_rows(arm, other))
        value, low, high = (round(bound, 12) + 0.0 for bound in bounds)
        if self.metric not in WITHOUT_BOUND:
            low, high = max(low, -1.0), min(high, 1.0)
        return Gain(
            metric=self.metric,
            value=value,
            low=low,
            high=high,
            confidence=self.rules.confidence,
            transfer=float(values[:, 0].mean()),
            control=float(values[:, 1].mean()),
            rows=len(self.rows),
            draws=len(values),
            drawn=len(self.folds),
            folds=self.folds_of_a_repeat,
            repeats=self.repeats,
        )

    @property
    def ratio(self) -> float:
        """n_test/n_train, of units, the mean over the folds."""
        every = len(np.unique(self.units))
        held = [len(np.unique(self.units[fold.rows])) for fold in self.folds]
        return float(np.mean([count / (every - count) for count in held]))

    def _variance_of_rows(self, arm: str, other: str) -> float:
        """Of the mean over the units of how many rows more are decided rightly; 0 of numbers."""
        if self.task == "regression":
            return 0.0
        sums, counts = np.zeros(len(self.targets)), np.zeros(len(self.targets))
        for fold in self.folds:
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
