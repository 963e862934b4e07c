"""Transfer against control on the test rows: gain, verdict, what is said besides, or why nothing is."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from workers.transfer import tasks
from workers.transfer.data import Array
from workers.transfer.proof.comparison import Gain
from workers.transfer.proof.measured import Measured
from workers.transfer.proof.verdict import (
    RETRAINED_SOURCE,
    THIS_SOURCE,
    Silence,
    Verdict,
    if_converged,
    not_finite,
    points_apart,
    rows_needed,
    undefined,
    verdict,
)

_LEARNT_NOTHING = (
    " The control is not shown to be better than one answer for all rows ({:.3g}): another "
    "network, more labels or a longer training may be a fairer comparison."
)
_NEITHER = " Neither is shown to be better than one answer for all rows ({:.3g})."

_RELATIVE = frozenset({"rmse", "mae", "log_loss"})
"""Metrics whose margin is a share of the control's value."""

NOT_COMPARED: Mapping[str, Any] = {
    "gain": None,
    "verdict": None,
    "verdict_details": [],
    "reason": "No control was trained, so whether the transfer helped is not known.",
    "rows_needed": None,
}


@dataclass(frozen=True)
class Beside:
    """What is known beside the test rows.

    control: its kind, see `CONTROLS`. margin: within it, arms are equivalent. drawn_once: arms that no seed
    enters. cut_off, diverged: see `verdict.if_converged`. is_source_retrained: for each seed of the transfer.
    """

    control: str
    margin: float
    drawn_once: Collection[str]
    cut_off: Collection[str]
    diverged: Collection[str]
    is_source_retrained: bool

    @property
    def source(self) -> str:
        """In a sentence."""
        return RETRAINED_SOURCE if self.is_source_retrained else THIS_SOURCE


def judge(rows: Measured, beside: Beside, y_train: Array, p_of_rows: float | None) -> dict[str, Any]:
    """Gain, verdict, its details and reason, and how many test rows would tell more, as plain JSON values.

    `y_train` are the train rows' targets, `p_of_rows` McNemar's of the first seeds.
    """
    if "control" not in rows.answers:
        return _without_control(beside)
    gain = rows.gain("transfer", "control")
    unsaid = unsaid_of(rows, ("transfer", "control"), gain)
    if unsaid is not None:
        is_gain_told = gain is not None and rows.silence() is None
        return {
            "gain": gain.to_dict() if is_gain_told and gain is not None else None,
            "verdict": None,
            "verdict_details": [unsaid.detail],
            "reason": unsaid.reason,
            "rows_needed": needed(unsaid, gain),
        }
    assert gain is not None  # else it is undefined, which is said
    found = if_converged(_judged(rows, beside, gain, p_of_rows), beside.cut_off, beside.diverged)
    values = {arm: _means(rows, arm) for arm in ("transfer", "control")}
    details: list[str] = list(found.details)
    reason = found.reason + points_apart(values, gain.metric, _own_gain(rows))
    if found.outcome in ("helped", "no difference"):
        more, said = _against_one_answer(rows, found.outcome, y_train)
        details, reason = details + more, reason + said
    return {
        "gain": gain.to_dict(),
        "verdict": found.outcome,
        "verdict_details": details,
        "reason": reason,
        "rows_needed": rows_needed(gain) if found.outcome == "no difference" else None,
    }


def unsaid_of(rows: Measured, arms: Collection[str], gain: Gain | None) -> Silence | None:
    """Why the rows tell nothing of these arms and their gain; None if they do."""
    few = rows.silence()
    if few is not None:
        return few
    for arm in arms:
        count = rows.not_finite(arm)
        if count:
            return not_finite(arm, count, len(rows.y))
    of_class = rows.silence(rows.metric)
    if of_class is not None:
        return of_class
    return undefined(rows.metric, len(rows.y)) if gain is None else rows.silence(rows.metric, gain)


def needed(unsaid: Silence, gain: Gain | None) -> int | None:
    """Test rows that would do: as many as a verdict needs, and as would show a gain as large as measured."""
    if unsaid.detail not in ("too_few_rows", "rows_seen") or unsaid.rows_needed is None:
        return None
    of_gain = None if gain is None else rows_needed(gain)
    return max(unsaid.rows_needed, of_gain or 0)


def _without_control(beside: Beside) -> dict[str, Any]:
    if "control" not in beside.diverged:
        return dict(NOT_COMPARED)
    reason = (
        "The control diverged, at each learning rate that it may take, so whether the transfer helped is not "
        "known: train at a lower learning rate."
    )
    return {**NOT_COMPARED, "verdict_details": ["not_converged"], "reason": reason}


def _judged(rows: Measured, beside: Beside, gain: Gain, p_of_rows: float | None) -> Verdict:
    once = {arm for arm in ("transfer", "control") if len(rows.answers[arm]) == 1}
    margin = beside.margin * (abs(gain.control) if gain.metric in _RELATIVE else 1.0)
    is_fitted_once = once == {"transfer", "control"} and gain.metric in ("accuracy", "exact_match")
    return verdict(
        gain,
        beside.control,
        margin=margin,
        is_one_seed=bool(once - set(beside.drawn_once)),
        p_of_rows=p_of_rows if is_fitted_once else None,
        source=beside.source,
    )


def _own_gain(rows: Measured) -> Callable[[str], Gain | None]:
    """The transfer's gain over the control by another metric, of which the rows must tell as much."""

    def gain_in(metric: str) -> Gain | None:
        if rows.silence(metric) is not None:
            return None
        gain = rows.gain("transfer", "control", metric)
        return None if gain is None or rows.silence(metric, gain) is not None else gain

    return gain_in


def _against_one_answer(rows: Measured, outcome: str, y_train: Array) -> tuple[list[str], str]:
    """What is said where the control, or both arms, are not shown to beat one answer for all rows."""
    same = [tasks.one_answer(rows.task, y_train, rows.answers["control"][0])]
    learnt, reached = (rows.over(arm, same) for arm in ("control", "transfer"))
    if learnt is None or reached is None or learnt.low > 0:
        return [], ""
    if outcome == "helped":
        return ["control_learnt_nothing"], _LEARNT_NOTHING.format(learnt.control)
    if reached.low <= 0:
        return ["neither_beats_one_answer"], _NEITHER.format(learnt.control)
    return [], ""


def _means(rows: Measured, arm: str) -> dict[str, float | None]:
    return means([rows.metrics(p) for p in rows.answers[arm]])


def means(metrics: Sequence[Mapping[str, float | None]]) -> dict[str, float | None]:
    """Means over the seeds; None where a seed's is."""
    values = {name: [one[name] for one in metrics] for name in metrics[0]}
    return {
        name: None if None in of_seeds else float(np.mean(np.array(of_seeds, dtype=np.float64)))
        for name, of_seeds in values.items()
    }
