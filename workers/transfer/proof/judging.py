"""Transfer against control, on test rows or in folds: gain, verdict, and what is said besides."""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any

from workers.transfer.proof.comparison import Gain
from workers.transfer.proof.evidence import Evidence, unsaid_of
from workers.transfer.proof.verdict import (
    RETRAINED_SOURCE,
    THIS_SOURCE,
    Silence,
    Verdict,
    if_converged,
    points_apart,
    rows_needed,
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
    """What is known beside the rows.

    control: its kind, see `CONTROLS`. margin: within it, arms are equivalent. drawn_once: arms that no seed
    enters. cut_off, diverged: see `verdict.if_converged`. is_source_retrained: for each seed of the transfer.
    p_of_rows: McNemar's of the first seeds, where there are test rows.
    """

    control: str
    margin: float
    drawn_once: Collection[str] = ()
    cut_off: Collection[str] = ()
    diverged: Collection[str] = ()
    is_source_retrained: bool = False
    p_of_rows: float | None = None

    @property
    def source(self) -> str:
        """In a sentence."""
        return RETRAINED_SOURCE if self.is_source_retrained else THIS_SOURCE


def judge(rows: Evidence, beside: Beside) -> dict[str, Any]:
    """Gain, verdict, its details and reason, and how many rows would tell more, as plain JSON values.

    A control was asked for, though it may be missing, since it diverged.
    """
    gain, unsaid = rows.gain("transfer", "control"), unsaid_of(rows, "transfer", "control")
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
    found = if_converged(_judged(rows, beside, gain), beside.cut_off, beside.diverged)
    values = {arm: rows.means(arm) for arm in ("transfer", "control")}
    details: list[str] = list(found.details)
    reason = found.reason + points_apart(values, gain.metric, _own_gain(rows))
    if found.outcome in ("helped", "no difference"):
        more, said = _against_one_answer(rows, found.outcome)
        details, reason = details + more, reason + said
    return {
        "gain": gain.to_dict(),
        "verdict": found.outcome,
        "verdict_details": details,
        "reason": reason,
        "rows_needed": rows_needed(gain) if found.outcome == "no difference" else None,
    }


def needed(unsaid: Silence, gain: Gain | None) -> int | None:
    """Rows that would do: as many as a verdict needs, and as would show a gain as large as measured."""
    if unsaid.detail not in ("too_few_rows", "rows_seen") or unsaid.rows_needed is None:
        return None
    of_gain = None if gain is None else rows_needed(gain)
    return max(unsaid.rows_needed, of_gain or 0)


def margin_of(gain: Gain, margin: float) -> float:
    """Within it arms are equivalent, in the metric's own unit."""
    return margin * (abs(gain.control) if gain.metric in _RELATIVE else 1.0)


def _judged(rows: Evidence, beside: Beside, gain: Gain) -> Verdict:
    once = {arm for arm in ("transfer", "control") if rows.trainings(arm) == 1}
    is_fitted_once = once == {"transfer", "control"} and gain.metric in ("accuracy", "exact_match")
    return verdict(
        gain,
        beside.control,
        margin=margin_of(gain, beside.margin),
        is_one_seed=bool(once - set(beside.drawn_once)),
        p_of_rows=beside.p_of_rows if is_fitted_once else None,
        source=beside.source,
    )


def _own_gain(rows: Evidence) -> Callable[[str], Gain | None]:
    """The transfer's gain over the control by another metric, of which the rows must tell as much."""

    def gain_in(metric: str) -> Gain | None:
        if rows.silence(metric) is not None:
            return None
        gain = rows.gain("transfer", "control", metric)
        return None if gain is None or rows.silence(metric, gain) is not None else gain

    return gain_in


def _against_one_answer(rows: Evidence, outcome: str) -> tuple[list[str], str]:
    """What is said where the control, or both arms, are not shown to beat one answer for all rows."""
    learnt, reached = (rows.over_one_answer(arm) for arm in ("control", "transfer"))
    if learnt is None or reached is None or learnt.low > 0:
        return [], ""
    if outcome == "helped":
        return ["control_learnt_nothing"], _LEARNT_NOTHING.format(learnt.control)
    if reached.low <= 0:
        return ["neither_beats_one_answer"], _NEITHER.format(learnt.control)
    return [], ""
