"""Which source suits the target best, is it better than no source, and how sure is that?"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np

from workers.transfer.choosing.measuring import Measured, Of
from workers.transfer.choosing.target import Target
from workers.transfer.data import Array

Answer = Literal["use", "undecided", "no"]

FEWEST_ROWS = 20
"""Rows out of fold below which accuracies are not compared: of 8, a source that is no better seems so in 11
of 100 cases."""

DRAWS = 1000


@dataclass(frozen=True)
class Gain:
    """How much better than the best baseline: the mean of rows' differences, and its standard error.

    unit: in shares of right answers (`accuracy`), or in squared deviations of the label (`squared_error`).
    """

    value: float
    standard_error: float
    unit: Literal["accuracy", "squared_error"]


@dataclass(frozen=True)
class Row:
    """One line of a ranking, plain values.

    expected: the metric out of fold; None where it is undefined on these rows.
    gain, answer: against the best baseline; None of that one, and an answer is given for candidates alone.
    """

    rank: int
    name: str
    kind: Of
    score: float
    standard_error: float
    expected: float | None
    gain: Gain | None
    answer: Answer | None
    metrics: dict[str, float | None]
    scores: dict[str, float | None]
    cpu_seconds: float


@dataclass(frozen=True)
class Optimism:
    """By how much the best of several looks better than it is, since it was chosen by the rows it is told by.

    expected: the share of right answers out of fold, of a number minus the squared error in deviations, of
    the candidate with the best score. corrected: the same where rows that are drawn choose and the others
    judge (Tsamardinos et al. 2018).
    """

    expected: float
    corrected: float
    candidates: int

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        told = max(0.0, self.expected - self.corrected)
        return {**asdict(self), "optimism": told, "method": "bootstrap of out-of-fold answers"}


@dataclass(frozen=True)
class Ranking:
    """Candidates, baselines and one answer for all, best score first, and what follows for the best.

    best: the candidate of the best score; None without candidates. baseline: the baseline that is right most
    often. of_rows: train rows of the target, of which so many `rows` were held out.
    """

    score: str
    metric: str
    rows: int
    of_rows: int
    folds: int
    answer: Answer
    why: str
    best: str | None
    baseline: str
    optimism: Optimism | None
    ranked: list[Row]

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values; the lines are called `rows_ranked`."""
        told = {name: value for name, value in vars(self).items() if name != "ranked"}
        optimism = self.optimism and self.optimism.to_dict()
        return {**told, "optimism": optimism, "rows_ranked": [asdict(row) for row in self.ranked]}


def rank(
    target: Target,
    candidates: Sequence[Measured],
    baselines: Sequence[Measured],
    none: Measured,
    *,
    metric: str | None = None,
) -> Ranking:
    """Order by score, and compare each candidate with the best baseline on the same rows.

    By accuracy, or squared error, and not by log-likelihood: trees are right as often as linear models of
    much better log-likelihood. A candidate that is better by more than one standard error is to be used, one
    that is better by less is undecided, and any other is of no help. Without baselines it is compared with
    one answer for all.

    Args:
        metric: which is told as expected; accuracy, or R² of a number, if None.
    """
    numbers = target.task == "regression"
    metric = metric or ("r2" if numbers else "accuracy")
    units = target.units[target.is_held_out]
    baseline = max(baselines or [none], key=lambda one: (one.judged.mean(), one.score))
    found = [*candidates, *baselines, none]
    order = sorted(found, key=lambda one: -one.score)  # of equal ones the first
    ranked = []
    for number, one in enumerate(order, 1):
        gain = None if one is baseline else _gain(one, baseline, units, numbers)
        answer = _answer(gain, len(units)) if gain is not None and one.of == "candidate" else None
        error = standard_error(np.asarray(one.log_likelihoods), units)
        expected = one.metrics.get(metric)
        ranked.append(
            Row(
                number,
                one.name,
                one.of,
                one.score,
                error,
                expected,
                gain,
                answer,
                one.metrics,
                one.scores,
                one.cpu_seconds,
            )
        )
    best = next((row for row in ranked if row.kind == "candidate"), None)
    return Ranking(
        score="cross_validated_squared_error" if numbers else "cross_validated_log_likelihood",
        metric=metric,
        rows=len(units),
        of_rows=target.of_rows,
        folds=int(target.fold.max()) + 1,
        answer="no" if best is None or best.answer is None else best.answer,
        why=_why(best, baseline.name, len(units)),
        best=None if best is None else best.name,
        baseline=baseline.name,
        optimism=optimism(candidates, units) if candidates else None,
        ranked=ranked,
    )


def standard_error(values: Array, units: Array) -> float:
    """Of the mean of values (n,), where those of one unit may be alike: sd/√n where each row is its own.

    Infinite of one unit: nothing is known.
    """
    count = len(np.unique(units))
    if count < 2:
        return float("inf")
    sums = np.bincount(np.unique(units, return_inverse=True)[1].reshape(-1), values - values.mean())
    return float(np.sqrt(count / (count - 1) * (sums**2).sum()) / len(values))


def optimism(candidates: Sequence[Measured], units: Array, draws: int = DRAWS) -> Optimism:
    """What the best of the candidates by score is expected to come to, before and after that choice counts.

    In each draw units are drawn with replacement, the best score on them chooses, and the rows of units that
    were not drawn judge.
    """
    by_unit = np.unique(units, return_inverse=True)[1].reshape(-1)
    count = int(by_unit.max()) + 1
    sums = [
        np.stack([np.bincount(by_unit, values, count) for values in one])
        for one in (
            [np.asarray(candidate.log_likelihoods) for candidate in candidates],
            [candidate.judged for candidate in candidates],
        )
    ]
    best = int(np.argmax([candidate.score for candidate in candidates]))
    expected = float(candidates[best].judged.mean())
    rng = np.random.Generator(np.random.Philox(0))
    drawn = rng.multinomial(count, np.full(count, 1 / count), size=draws).astype(np.float64)
    drawn = drawn[(drawn == 0).any(axis=1)]
    left = (drawn == 0).astype(np.float64)
    chosen = (drawn @ sums[0].T).argmax(axis=1)
    totals = (left @ sums[1].T)[np.arange(len(drawn)), chosen]
    means = totals / (left @ np.bincount(by_unit, minlength=count))
    corrected = float(means.mean()) if len(means) else expected
    return Optimism(expected, corrected, len(candidates))


def _gain(one: Measured, baseline: Measured, units: Array, numbers: bool) -> Gain:
    differences = one.judged - baseline.judged
    error = standard_error(differences, units)
    return Gain(float(differences.mean()), error, "squared_error" if numbers else "accuracy")


def _answer(gain: Gain, rows: int) -> Answer:
    if rows < FEWEST_ROWS:
        return "undecided"
    if gain.value <= 0:
        return "no"
    return "use" if gain.value > gain.standard_error else "undecided"


def _why(best: Row | None, baseline: str, rows: int) -> str:
    if best is None or best.gain is None:
        return "There is no candidate."
    if rows < FEWEST_ROWS:
        return f"{rows} rows out of fold are too few to compare: train both."
    gain = best.gain
    if gain.unit == "accuracy":
        size = f"{100 * gain.value:+.1f} points of accuracy (standard error {100 * gain.standard_error:.1f})"
    else:
        size = f"{gain.value:+.3f} squared deviations of the label (standard error {gain.standard_error:.3f})"
    told = f"On {rows} rows out of fold {best.name} differs from the baseline {baseline} by {size}"
    return {
        "use": f"{told}: it is better by more than one standard error, use this source.",
        "undecided": f"{told}: it is better by no more than one standard error, train both.",
        "no": f"{told}: it is not better, no source helps.",
    }[best.answer or "no"]
