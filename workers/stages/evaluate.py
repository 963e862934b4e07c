"""The stage `evaluate`: all arms on the target's test rows, and the verdict."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from app.jobs.states import Stage
from workers import costs
from workers.job_context import Arms, JobContext
from workers.transfer.data import few_shot_subset
from workers.transfer.proof import evaluation
from workers.transfer.proof.curves import labels_saved
from workers.transfer.tasks import LOWER_IS_BETTER


def evaluate(context: JobContext, arms: Arms, few_shot: dict[int, Arms]) -> dict[str, Any]:
    """All arms on the target's test rows: metrics, gain, verdict, calibration, curves."""
    done = context.journal.finished(Stage.EVALUATE)
    if done is not None and done.output is not None:
        return done.output
    context.begin_stage(Stage.EVALUATE)
    output = {**_proved(context, arms), "rows_seen": context.seen.told}
    output["reason"] += doubt(output["verdict"], context.seen.told["datasets"])
    if few_shot:
        points = [_point(context, count, of_count) for count, of_count in sorted(few_shot.items())]
        points.append(_point(context, None, arms))
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


def _proved(context: JobContext, arms: Arms) -> dict[str, Any]:
    asked = context.job.spec.evaluation
    return evaluation.evaluate_arms(
        arms,
        context.target,
        seen=context.seen.test,
        metric=asked.metric,
        confidence=asked.confidence,
        draws=asked.draws,
        seed=context.job.spec.training.seed,
    )


def _point(context: JobContext, count: int | None, arms: Arms) -> dict[str, Any]:
    data = (
        context.target
        if count is None
        else few_shot_subset(context.target, count, context.job.spec.training.seed)
    )
    proved = _proved(context, arms)
    metric = context.job.spec.evaluation.metric or evaluation.default_metric(data.signature.task)
    values = {arm: proved["metrics"].get(arm, {}).get(metric) for arm in ("transfer", "control")}
    gain = proved["gain"] and {name: proved["gain"][name] for name in ("value", "low", "high")}
    return {"per_class": count, "rows": len(data.train), **values, "gain": gain}
