"""What the test rows say of all arms: metrics, the gain of the transfer over each, the verdict."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from workers.transfer import tasks
from workers.transfer.data import Array, Data, Task
from workers.transfer.proof import confusion
from workers.transfer.proof.calibration import calibrate
from workers.transfer.proof.comparison import Gain, compare, mcnemar
from workers.transfer.proof.curves import compare_curves, mean_curve
from workers.transfer.proof.verdict import Verdict, points_apart, silence, verdict

LEARNT_NOTHING = (
    " The control is not shown to be better than one answer for all rows ({:.3g}): another "
    "network, more labels or a longer training may be a fairer comparison."
)
NEITHER = " Neither is shown to be better than one answer for all rows ({:.3g})."
_LEFT_OUT = (
    "{} of the {} test rows were left out, since something in the transfer was trained or validated on them. "
)
_CHEAP = ("baseline", "constant")
"""Arms that the transfer is compared with in `recommendation`."""

_RELATIVE = frozenset({"rmse", "mae", "log_loss"})
"""Metrics whose margin is a share of the control's value."""


@dataclass(frozen=True, eq=False)
class Outcome:
    """What one training of an arm came to: predictions on test and validation rows, and its curve.

    curve: the validation accuracy after each epoch, or the validation loss of a regression; empty without
    validation rows.
    """

    seed: int
    test: Array
    validation: Array | None
    curve: Sequence[float]


@dataclass(frozen=True)
class Rules:
    """How arms are compared, the same for all of them.

    metric: of the gain; None for the task's own. margin: within it, arms are equivalent, see `verdict`. seed:
    of the draws. shared_source: all trainings of the transfer come from one source, which was drawn once.
    drawn_once: arms that no seed enters, so that one training is all there is.
    """

    metric: str | None
    confidence: float
    draws: int
    seed: int
    margin: float = 0.02
    shared_source: bool = False
    drawn_once: Collection[str] = ()


def default_metric(task: Task) -> str:
    """The metric of the gain where none is asked for."""
    return tasks.DEFAULT_METRIC[task]


def evaluate_arms(
    arms: Mapping[str, Sequence[Outcome]],
    data: Data,
    rules: Rules,
    *,
    seen: Array | None = None,
    units: Array | None = None,
    control: str = "from_scratch",
) -> dict[str, Any]:
    """All that the data's test rows say of the arms, as plain JSON values.

    Test rows that were `seen`, (n,) bool, since something in the transfer was trained or validated on them,
    are left out of all arms and of all that is said. `units`, (n,), numbers of the test rows that belong
    together and are drawn whole, by default each for itself. Where too little remains for a verdict, see
    `verdict.silence`, it is None, and the reason says so; of too few rows gain and ablations are None, too,
    or empty; of no rows at all, every metric is None.

    `arms` holds "transfer", perhaps "control", of the kind `control`, see `CONTROLS`, perhaps others; each
    with one outcome a seed, in the same order, or with one alone if no seed enters. `metrics` are means over
    the seeds; calibration, classes, confusion and McNemar's test (of rows right in all labels) are of the
    first seed, whose network is the model. `ablations` are the gains of the transfer over the other arms, but
    for "baseline" and "constant", see `recommendation`.
    Without a control, or where the metric is undefined on these rows, gain and verdict are None, and the
    reason says so; as it does where the control learnt nothing, which makes any transfer look good.
    """
    assert data.test is not None  # checked before the job was accepted
    task = data.signature.task
    metric = rules.metric or default_metric(task)
    seen = np.zeros(len(data.test), bool) if seen is None else seen
    units = (np.arange(len(data.test)) if units is None else units)[~seen]
    arms = {arm: [replace(one, test=one.test[~seen]) for one in outcomes] for arm, outcomes in arms.items()}
    y, told = data.test.targets[~seen], _LEFT_OUT.format(seen.sum(), len(seen)) if seen.any() else ""
    by_arm: dict[str, list[dict[str, Any]]] = {
        arm: [{"seed": one.seed, "metrics": _metrics(task, y, one.test)} for one in outcomes]
        for arm, outcomes in arms.items()
    }
    metrics = {arm: _means([one["metrics"] for one in seeds]) for arm, seeds in by_arm.items()}
    both = {arm: outcomes for arm, outcomes in arms.items() if arm in ("transfer", "control")}
    output: dict[str, Any] = {
        "metrics": metrics,
        "gain": None,
        "verdict": None,
        "verdict_details": [],
        "reason": told + "No control was trained, so whether the transfer helped is not known.",
        "arms": by_arm,
        "ablations": {},
        "few_shot": None,
        "choices": {},
        "control": None,
        "baseline": None,
        "versus_control": None,
        "versus_baseline": None,
        "recommendation": None,
        "recommendation_reason": None,
        "proof": {
            "kind": "test_rows",
            "folds": None,
            "repeats": None,
            "rows": int((~seen).sum()),
            "left_out": int(seen.sum()),
            "metrics": metrics,
            "chosen": None,
        },
        **_of_first_seed(both, data, y),
        "curves": _curves(both, task),
    }
    count, left_out = len(np.unique(units)), int(seen.sum())
    too_few = silence(task, "", y, count, left_out=left_out)
    if too_few is not None:
        return {**output, "verdict_details": [too_few.detail], "reason": told + too_few.reason}

    def gain_over(arm: str) -> Gain | None:
        measured = [one["metrics"][metric] for known in ("transfer", arm) for one in by_arm[known]]
        if None in measured:
            return None
        return _compared(arms["transfer"], [one.test for one in arms[arm]], metric, y, units, task, rules)

    gains = {arm: gain_over(arm) for arm in arms if arm not in ("transfer", *_CHEAP)}
    ablations = {arm: gain for arm, gain in gains.items() if arm != "control" and gain is not None}
    output["ablations"] = {arm: gain.to_dict() for arm, gain in ablations.items()}
    if "control" not in arms:
        return output
    gain = gains["control"]
    if gain is None:
        reason = f"{told}The {metric} is not defined on these {len(y)} test rows."
        return {**output, "verdict_details": ["rows_seen" if left_out else "too_few_rows"], "reason": reason}
    output["gain"] = gain.to_dict()
    unsaid = silence(task, metric, y, count, left_out=left_out, gain=gain)
    if unsaid is not None:
        return {**output, "verdict_details": [unsaid.detail], "reason": told + unsaid.reason}
    judged = _judged(gain, control, arms, output, rules)
    details, reason = list(judged.details), judged.reason + points_apart(metrics, metric)
    if judged.outcome in ("helped", "no difference"):
        same = [tasks.one_answer(task, data.train.targets, arms["control"][0].test)]
        learnt, reached = (
            _compared(arms[arm], same, metric, y, units, task, replace(rules, shared_source=False))
            for arm in ("control", "transfer")
        )
        if learnt.low <= 0 and judged.outcome == "helped":
            details, reason = (
                [*details, "control_learnt_nothing"],
                reason + LEARNT_NOTHING.format(learnt.control),
            )
        elif learnt.low <= 0 and reached.low <= 0:
            details, reason = [*details, "neither_beats_one_answer"], reason + NEITHER.format(learnt.control)
    return {**output, "verdict": judged.outcome, "verdict_details": details, "reason": told + reason}


def _compared(
    arm: Sequence[Outcome],
    other: Sequence[Array],
    metric: str,
    y: Array,
    units: Array,
    task: Task,
    rules: Rules,
) -> Gain:
    return compare(
        task,
        y,
        [one.test for one in arm],
        other,
        metric,
        units=units,
        shared_source=rules.shared_source,
        confidence=rules.confidence,
        draws=rules.draws,
        seed=rules.seed,
    )


def _judged(
    gain: Gain, control: str, arms: Mapping[str, Sequence[Outcome]], output: Mapping[str, Any], rules: Rules
) -> Verdict:
    once = {arm for arm in ("transfer", "control") if len(arms[arm]) == 1}
    is_fitted_once = once == {"transfer", "control"} and gain.metric in ("accuracy", "exact_match")
    return verdict(
        gain,
        control,
        margin=margin_of(gain, rules),
        is_one_seed=bool(once - set(rules.drawn_once)),
        p_of_rows=output["mcnemar"]["p_value"] if is_fitted_once and output["mcnemar"] else None,
    )


def margin_of(gain: Gain, rules: Rules) -> float:
    """Within it arms are equivalent, in the metric's own unit."""
    return rules.margin * (abs(gain.control) if gain.metric in _RELATIVE else 1.0)


def constant(data: Data, seed: int) -> Outcome:
    """One answer for all rows, the mean of the train rows' targets."""
    assert data.test is not None  # checked before the job was accepted
    task, y = data.signature.task, data.train.targets
    width = len(data.signature.classes) if task in ("multiclass", "multilabel") else 1
    parts = [None if rows is None else np.zeros((len(rows), width)) for rows in (data.test, data.validation)]
    test, validation = (None if p is None else tasks.one_answer(task, y, p) for p in parts)
    assert test is not None
    return Outcome(seed, test, validation, [])


def metrics_of(outcome: Outcome, data: Data, seen: Array) -> dict[str, float | None]:
    """The task's metrics of one training on the test rows that were not `seen`, (n,) bool."""
    assert data.test is not None  # checked before the job was accepted
    return _metrics(data.signature.task, data.test.targets[~seen], outcome.test[~seen])


def _metrics(task: Task, y: Array, p: Array) -> dict[str, float | None]:
    """The task's metrics, each None without rows."""
    return tasks.metrics(task, y, p) if len(y) else dict.fromkeys(tasks.METRICS[task])


def _means(metrics: Sequence[Mapping[str, float | None]]) -> dict[str, float | None]:
    """Means over the seeds; None where a seed's is."""
    values = {name: [one[name] for one in metrics] for name in metrics[0]}
    return {
        name: None if None in of_seeds else float(np.mean(np.array(of_seeds, dtype=np.float64)))
        for name, of_seeds in values.items()
    }


def _of_first_seed(arms: Mapping[str, Sequence[Outcome]], data: Data, y: Array) -> dict[str, Any]:
    """What single decisions say, on the test rows that y is left of."""
    task, classes = data.signature.task, data.signature.classes
    y_validation = None if data.validation is None else data.validation.targets
    if task == "regression" or not len(y):
        return {"mcnemar": None, "calibration": None, "classes": None, "confusion": None}
    true = y.astype(np.int64) if task == "multilabel" else y.reshape(-1).astype(np.int64)
    first = {arm: outcomes[0] for arm, outcomes in arms.items()}
    decided = {arm: tasks.decide(task, one.test) for arm, one in first.items()}
    right = {arm: tasks.right_answers(task, y, decisions) for arm, decisions in decided.items()}
    return {
        "mcnemar": mcnemar(right["transfer"], right["control"]) if "control" in right else None,
        "calibration": {
            arm: calibrate(task, y_validation, one.validation, y, one.test) for arm, one in first.items()
        },
        "classes": {arm: confusion.by_class(classes, true, decisions) for arm, decisions in decided.items()},
        # Labels that come together are not taken for one another.
        "confusion": None
        if task == "multilabel"
        else {
            "classes": list(classes),
            **{arm: confusion.matrix(classes, true, decisions) for arm, decisions in decided.items()},
        },
    }


def _curves(arms: Mapping[str, Sequence[Outcome]], task: Task) -> dict[str, Any] | None:
    curves = {arm: [one.curve for one in outcomes] for arm, outcomes in arms.items()}
    if any(not curve for of_arm in curves.values() for curve in of_arm):
        return None
    metric = "loss" if task == "regression" else "accuracy"
    if "control" not in curves:
        alone = mean_curve(curves["transfer"], max(len(curve) for curve in curves["transfer"])).tolist()
        higher = metric == "accuracy"
        return {"metric": metric, "higher_is_better": higher, "transfer": alone, "control": None}
    return compare_curves(curves["transfer"], curves["control"], metric, metric == "accuracy")
