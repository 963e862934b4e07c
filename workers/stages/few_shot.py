"""The few-shot curve: both arms on a few rows of each class, drawn anew for each seed, and what it says."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from app.jobs.states import Stage
from workers.job_context import Arms, JobContext
from workers.stages.arms import Arm, train_seeds
from workers.transfer.data import Data, few_shot_subset
from workers.transfer.proof.curves import labels_saved
from workers.transfer.proof.evaluation import Rules, cut_off, measured
from workers.transfer.proof.evidence import told_of, unclaimed
from workers.transfer.proof.measured import Measured
from workers.transfer.proof.several import corrected
from workers.transfer.proof.verdict import Silence
from workers.transfer.tasks import LOWER_IS_BETTER

_SEARCHED = (
    "The control's structure was searched for once, with all labelled rows: at fewer rows it knows more than "
    "these tell, so the transfer's gain there is rather too small."
)


def few_shot_arms(context: JobContext, transfer: Arm, control: Arm | None, count: int) -> Arms:
    """Both arms on so many rows a class, at the rates that the whole data set chose.

    Each seed draws its own rows, the same for both arms, so that what the rows bring is in the interval.
    """
    rows = _drawn(context, count)
    both = {"transfer": transfer} | ({} if control is None else {"control": control})
    return {
        name: train_seeds(
            context,
            replace(arm, stage=Stage.CONTROL, name=f"few_shot/{count}/{name}", like=arm.name),
            rows,
        )
        for name, arm in both.items()
    }


def few_shot_curve(
    context: JobContext, points: Mapping[int, Arms], arms: Arms, rules: Rules, *, is_searched: bool
) -> dict[str, Any]:
    """The points by rows, all rows last; what remains of them as one family; and the labels that are saved.

    The gain on all rows is not one of the family: without folds it is the verdict's. `is_searched`: the
    control's structure was, on all rows.
    """
    known = {count: _measured(context, of, rules) for count, of in points.items()}
    silent = {count: _unclaimed(context, known[count], of) for count, of in points.items()}
    gains = {
        f"{count}": gain
        for count, rows in known.items()
        if silent[count] is None and (gain := rows.gain("transfer", "control")) is not None
    }
    found = corrected(gains)
    told = [
        _point(
            count, _count(context, count), rows, found[str(count)].to_dict() if str(count) in found else None
        )
        for count, rows in sorted(known.items())
    ]
    whole = _measured(context, {arm: arms[arm] for arm in ("transfer", "control") if arm in arms}, rules)
    both = {"transfer": arms["transfer"], "control": arms.get("control", [])}
    of_whole = unclaimed(
        whole,
        "transfer",
        "control",
        drawn_once=rules.drawn_once,
        cut_off=cut_off(both),
        diverged=rules.diverged,
    )
    gain = None if of_whole is not None else whole.gain("transfer", "control")
    alone = None if gain is None else {**gain.to_dict(), "p_value": gain.p_value, "comparisons": 1}
    told.append(_point(None, len(context.target.train), whole, alone))
    return {
        "points": told,
        "labels_saved": labels_saved(told, higher_is_better=whole.metric not in LOWER_IS_BETTER),
        "comparisons": len(found),
        "note": " ".join([*([_SEARCHED] if is_searched else []), *_notes(silent, known)]) or None,
    }


def _unclaimed(context: JobContext, rows: Measured, of: Arms) -> Silence | None:
    """Each seed draws its own rows, so that one training is one draw even where no seed enters it."""
    lacking = {arm for arm, outcomes in of.items() if len(outcomes) < len(context.seeds)}
    return unclaimed(rows, "transfer", "control", cut_off=cut_off(of), diverged=lacking)


def _notes(silent: Mapping[int, Silence | None], known: Mapping[int, Measured]) -> list[str]:
    """Why points have no interval, where both arms were trained."""
    found: dict[Silence, list[str]] = {}
    for count, why in sorted(silent.items()):
        if why is not None and {"transfer", "control"} <= set(known[count].arms):
            found.setdefault(why, []).append(f"the control with {count} rows a class")
    return [told_of(why, of) for why, of in found.items()]


def _drawn(context: JobContext, count: int) -> dict[int, Data]:
    return {seed: few_shot_subset(context.target, count, seed) for seed in context.seeds}


def _count(context: JobContext, count: int) -> int:
    """Rows of a point: of several labels a row, draws may have some more or fewer."""
    return round(float(np.mean([len(data.train) for data in _drawn(context, count).values()])))


def _measured(context: JobContext, arms: Arms, rules: Rules) -> Measured:
    trained = {arm: of for arm, of in arms.items() if of}
    return measured(trained, context.target, rules, seen=context.seen.test, units=context.test_units)


def _point(count: int | None, rows: int, of: Measured, gain: dict[str, Any] | None) -> dict[str, Any]:
    values = {arm: of.means(arm)[of.metric] if arm in of.arms else None for arm in ("transfer", "control")}
    told = ("value", "low", "high", "p_value", "comparisons")
    return {"per_class": count, "rows": rows, **values, "gain": gain and {name: gain[name] for name in told}}
