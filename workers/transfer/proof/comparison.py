"""The gain of one arm over another on the same test rows, with its interval."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from typing import Any

import numpy as np
from scipy.stats import binom

from workers.transfer import tasks
from workers.transfer.data import Array, Task
from workers.transfer.proof.intervals import Spread, interval, of_rows, of_seeds, p_value
from workers.transfer.proof.row_draws import drawn_means

_IN_THE_LABELS_UNIT = frozenset({"rmse", "mae"})
_UNTOLD = frozenset({"reach_of_seeds", "drawn", "folds", "repeats", "parts", "size"})
_MOST_ROW_DRAWS, _LEAST_DRAWS = 20_000_000, 1000
"""With many rows fewer draws tell their variance: 1,000 within about 4 %."""

_WITHOUT_BOUND = frozenset({"rmse", "mae", "r2", "log_loss"})
_ROUNDING = 1e-12


@dataclass(frozen=True)
class Gain:
    """The metric of transfer less that of its control; loss-like metrics turned, so that above 0 is better.

    `transfer` and `control` are the metric's own values, means over the trainings of each arm, of which the
    one with more has `seeds`; `low` and `high` bound `value` with `confidence`, see `intervals`; `draws`
    counts the resamplings on which the metric is defined, of `drawn`. `reach_of_seeds` is how far from
    `value` the bounds would lie with test rows without end. Of a cross-validation, of so many `folds` and
    `repeats`, `rows` are held out in turn, and `draws` and `drawn` are folds. `parts` are the variances that
    the bounds follow from, in `size`.
    """

    metric: str
    value: float
    low: float
    high: float
    confidence: float
    transfer: float
    control: float
    rows: int
    draws: int
    seeds: int = 1
    reach_of_seeds: float = 0.0
    drawn: int = 0
    folds: int = 0
    repeats: int = 0
    parts: tuple[Spread, ...] = field(default=(), compare=False)
    size: float = 1.0

    def at(self, confidence: float) -> tuple[float, float]:
        """The bounds with another confidence."""
        bounds = interval(self.value / self.size, self.parts, confidence)
        low, high = (bound * self.size for bound in bounds)
        if self.metric not in _WITHOUT_BOUND:
            low, high = max(low, -1.0), min(high, 1.0)
        return _rounded(low, self.size), _rounded(high, self.size)

    def bounded(self) -> Gain:
        """The same with the bounds of its own confidence."""
        low, high = self.at(self.confidence)
        return replace(self, low=low, high=high)

    @property
    def p_value(self) -> float:
        """Two-sided, of no gain."""
        return p_value(self.value / self.size, self.parts)

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values of what is told."""
        return {one.name: getattr(self, one.name) for one in fields(self) if one.name not in _UNTOLD}


def compare(
    task: Task,
    y: Array,
    p_transfer: Sequence[Array],
    p_control: Sequence[Array],
    metric: str,
    *,
    units: Array | None = None,
    shared_source: bool = False,
    confidence: float = 0.95,
    draws: int = 10_000,
    seed: int = 0,
) -> Gain:
    """The gain on targets y of arms with one prediction a training, and its interval.

    `units`, (n,), numbers of what is drawn whole, by default each row for itself. `shared_source`: all
    trainings of the transfer come from one source, which was drawn once. Of more than 2,000 rows there are
    fewer `draws`, but at least 1,000 if so many are asked for.

    Raises:
        ValueError: the task has no such metric, or it is undefined on these rows.
    """
    scores = [[_defined(tasks.metrics(task, y, p), metric) for p in arm] for arm in (p_transfer, p_control)]
    transfer, control = (float(np.mean(values)) for values in scores)
    sign = -1.0 if metric in tasks.LOWER_IS_BETTER else 1.0
    units = np.arange(len(y)) if units is None else units
    draws = min(draws, max(_LEAST_DRAWS, _MOST_ROW_DRAWS // len(y)))
    of_transfer, of_control = drawn_means(task, metric, y, [p_transfer, p_control], units, draws, seed)
    size = size_of(metric, transfer, control)
    differences = sign * (of_transfer - of_control) / size
    defined = int(np.sum(~np.isnan(differences)))
    if not defined:
        raise ValueError(
            f"Expected resampled test rows on which {metric} is defined. Received: none. Add test rows."
        )
    seeds = of_seeds(*([value / size for value in of_arm] for of_arm in scores), shared_source=shared_source)
    value = sign * (transfer - control)
    value = value if abs(value) > _ROUNDING * size else 0.0  # means of the same scores in another order
    gain = Gain(
        metric=metric,
        value=value,
        low=value,
        high=value,
        confidence=confidence,
        transfer=transfer,
        control=control,
        rows=len(y),
        draws=defined,
        seeds=max(len(p_transfer), len(p_control)),
        drawn=draws,
        reach_of_seeds=interval(0.0, seeds, confidence)[1] * size,
        parts=(of_rows(differences, len(np.unique(units))), *seeds),
        size=size,
    )
    return gain.bounded()


def size_of(metric: str, transfer: float, control: float) -> float:
    """What a gain's spread is told in, a power of two: errors have the label's size, and their squares might
    have none."""
    size = max(abs(transfer), abs(control)) if metric in _IN_THE_LABELS_UNIT else 1.0
    return 2.0 ** int(np.frexp(size)[1]) if size else 1.0


def mcnemar(right_transfer: Array, right_control: Array) -> dict[str, Any]:
    """Mid-p test on the rows that only one arm gets right, of Binomial(n, ½), two-sided.

    McNemar 1947; the mid-p form (Fagerland, Lydersen & Laake 2013) counts half of what is as extreme as the
    rows are, and keeps its level without the exact form's loss of power.
    """
    only_transfer = int(np.sum(right_transfer & ~right_control))
    only_control = int(np.sum(right_control & ~right_transfer))
    n, least = only_transfer + only_control, min(only_transfer, only_control)
    p_value = 2 * float(binom.cdf(least, n, 0.5)) - float(binom.pmf(least, n, 0.5)) if n else 1.0
    return {"transfer_only": only_transfer, "control_only": only_control, "p_value": p_value}


def _rounded(bound: float, size: float) -> float:
    """Differences of equal metrics may come out as 1e-17; such a bound is 0."""
    return round(bound / size, 12) * size + 0.0


def _defined(scores: Mapping[str, float | None], metric: str) -> float:
    if metric not in scores:
        raise ValueError(f"Expected one of the metrics {', '.join(scores)}. Received: {metric!r}.")
    value = scores[metric]
    if value is None:
        raise ValueError(
            f"Expected test rows on which {metric} is defined. Received: rows that lack a class or whose "
            "label never varies. Choose another metric or a larger test part."
        )
    return value
