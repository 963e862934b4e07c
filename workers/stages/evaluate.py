"""The stage `evaluate`: all arms on the target's test rows, and the verdict."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from app.jobs.states import Stage
from workers import costs
from workers.job_context import Arms, JobContext
from workers.job_rows import PresetFacts
from workers.stages.arms import Chosen, choice_of
from workers.stages.control import Compared, Control
from workers.transfer.data import few_shot_subset
from workers.transfer.proof import evaluation
from workers.transfer.proof.curves import labels_saved
from workers.transfer.tasks import LOWER_IS_BETTER


def evaluate(context: JobContext, arms: Arms, compared: Compared) -> dict[str, Any]:
    """All arms on the target's test rows: metrics, gain, verdict, calibration, curves."""
    done = context.journal.finished(Stage.EVALUATE)
    if done is not None and done.output is not None:
        return done.output
    context.begin_stage(Stage.EVALUATE)
    control = compared.control
    output = {
        **_proved(context, arms, control),
        "rows_seen": context.seen.told,
        "choices": _choices(context, arms, control),
        "control": control and _control(context, control),
    }
    output["reason"] += doubt(output["verdict"], context.seen.told["datasets"])
    if compared.few_shot:
        points = [
            _point(context, count, of_count, control) for count, of_count in sorted(compared.few_shot.items())
        ]
        points.append(_point(context, None, arms, control))
        metric = context.job.spec.evaluation.metric or evaluation.default_metric(
            context.target.signature.task
        )
        saved = labels_saved(points, higher_is_better=metric not in LOWER_IS_BETTER)
        output["few_shot"] = {"points": points, "labels_saved": saved}
    output["cost"] = costs.gathered(context.journal)
    context.journal.ended(Stage.EVALUATE, output, None, output["reason"])
    return output


def doubt(verdict: str | None, datasets: Sequence[Mapping[str, Any]]) -> str:
    """What a gain may come of as well: it stands in the sentence that people read."""
    doubtful = [one["dataset"] for one in datasets if one["overlap_not_tellable"]]
    if verdict != "helped" or not doubtful:
        return ""
    return (
        f" Whether test rows are among the rows of {', '.join(doubtful)}, which something in the transfer "
        "was trained on, cannot be told, since rows repeat or few columns are shared: "
        "the gain may come of that."
    )


def _choices(context: JobContext, arms: Arms, control: Control | None) -> dict[str, Any]:
    """By arm, its learning rate, what it was chosen by, and the losses of those tried."""
    told = {}
    for arm in arms:
        chosen = _chosen(context, arm, control)
        told[arm] = {
            "learning_rate": chosen.rate.learning_rate,
            "by": chosen.rate.by,
            "tried": chosen.rate.tried,
        }
    return told


def _control(context: JobContext, control: Control) -> dict[str, Any]:
    """Which candidate the control is, and what each came to with the first seed, on the test rows, too."""
    measured = {
        name: evaluation.metrics_of(outcome, context.target, context.seen.test)
        for name, outcome in control.outcomes.items()
    }
    return {
        "chosen": control.chosen,
        "by": control.by,
        "candidates": [
            {
                "name": name,
                "loss": score and score.loss,
                "accuracy": score and score.accuracy,
                "metrics": measured.get(name),
            }
            for name, score in control.scores.items()
        ],
    }


def _proved(context: JobContext, arms: Arms, control: Control | None) -> dict[str, Any]:
    asked = context.job.spec.evaluation
    rules = evaluation.Rules(
        metric=asked.metric,
        confidence=asked.confidence,
        draws=asked.draws,
        seed=context.job.spec.training.seed,
        margin=asked.margin,
        shared_source=not isinstance(context.job.source, PresetFacts),
        drawn_once=_drawn_once(context, arms, control),
    )
    return evaluation.evaluate_arms(
        arms,
        context.target,
        rules,
        seen=context.seen.test,
        units=context.test_units,
        control="from_scratch" if control is None else control.chosen,
    )


def _drawn_once(context: JobContext, arms: Arms, control: Control | None) -> set[str]:
    """Arms that no seed enters."""
    chosen = {arm: _chosen(context, arm, control) for arm in arms}
    return {arm for arm, choice in chosen.items() if choice.is_deterministic}


def _chosen(context: JobContext, arm: str, control: Control | None) -> Chosen:
    name = f"control/{control.chosen}" if arm == "control" and control is not None else arm
    chosen = choice_of(context, Stage.CONTROL, name)
    assert chosen is not None  # the arm is trained
    return chosen


def _point(context: JobContext, count: int | None, arms: Arms, control: Control | None) -> dict[str, Any]:
    data = (
        context.target
        if count is None
        else few_shot_subset(context.target, count, context.job.spec.training.seed)
    )
    proved = _proved(context, arms, control)
    metric = context.job.spec.evaluation.metric or evaluation.default_metric(data.signature.task)
    values = {arm: proved["metrics"].get(arm, {}).get(metric) for arm in ("transfer", "control")}
    gain = proved["gain"] and {name: proved["gain"][name] for name in ("value", "low", "high")}
    return {"per_class": count, "rows": len(data.train), **values, "gain": gain}
