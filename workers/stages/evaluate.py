"""The stage `evaluate`: all arms on the target's test rows, and the verdict."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from app.jobs.budgets import chosen_by
from app.jobs.states import Stage
from workers import costs
from workers.job_context import Arms, JobContext
from workers.job_rows import PresetFacts
from workers.stages.arms import Chosen, choice_of
from workers.stages.baseline import Fitted
from workers.stages.choose_control import Control
from workers.stages.control import Compared
from workers.stages.few_shot import few_shot_curve
from workers.stages.fold_proof import fold_proof
from workers.stages.held_out_rows import answered
from workers.transfer.delivery.row_tables import shown_doubtful, shown_wrong
from workers.transfer.delivery.translations import shown_translations
from workers.transfer.methods.parts.held_out import Score
from workers.transfer.proof import evaluation
from workers.transfer.proof.recommendation import Choice, HeldOut, advice


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
        "baseline": compared.baseline and compared.baseline.told,
    }
    folded = None
    if compared.folds is not None:
        folded = fold_proof(context, compared.folds, _rules(context, arms, control))
        output |= folded
    output["reason"] += doubt(output["verdict"], context.seen.told["datasets"])
    if control is not None or (folded is not None and context.job.spec.evaluation.control):
        output["versus_control"] = {"gain": output["gain"], "reason": output["reason"]}
    if compared.baseline is not None and folded is None:
        output |= _advice(context, arms, control, compared.baseline)
    if compared.few_shot:
        is_searched = control is not None and control.chosen == "from_scratch" and context.searches
        output["few_shot"] = few_shot_curve(
            context,
            compared.few_shot,
            arms,
            _rules(context, arms, control),
            is_searched=is_searched and context.target.validation is not None,
        )
    output |= _rows(context, arms, compared)
    output["translations"] = _translations(context, arms)
    output["cost"] = costs.gathered(context.journal)
    context.journal.ended(Stage.EVALUATE, output, None, output["reason"])
    return output


def _rows(context: JobContext, arms: Arms, compared: Compared) -> dict[str, Any]:
    """The rows that the transfer gets most wrong, and those whose labels are likely wrong."""
    signature, told = context.target.signature, answered(context, arms, compared.folds)
    found: dict[str, Any] = {"wrong_rows": None, "doubtful_labels": None}
    if told is not None and "transfer" in told.answers:
        found["wrong_rows"] = {
            "measured": "in folds" if told.in_folds else "on the test rows",
            "rows": len(told.rows),
            "listed": shown_wrong(signature, told.rows, told.answers),
        }
    held = compared.held_out
    if held is not None and held.issues is not None:
        found["doubtful_labels"] = {
            "arm": held.arm,
            "candidate": held.candidate,
            "rows": len(held.rows),
            "doubtful": int(held.issues.is_likely.sum()),
            "listed": shown_doubtful(signature, held.rows, held.answers, held.issues),
        }
    return found


def _translations(context: JobContext, arms: Arms) -> dict[str, Any] | None:
    """The sentences that the transfer translates best, typically and worst; None of other tasks."""
    test = context.target.test
    assert test is not None  # checked before the job was accepted
    texts = {arm: of[0].texts for arm, of in arms.items()}
    if context.target.signature.task != "seq2seq" or "transfer" not in texts:
        return None
    measured = ~context.seen.test
    if not measured.any():
        return None
    return shown_translations(
        test.take(measured),
        {arm: answers[measured].tolist() for arm, answers in texts.items() if answers is not None},
    )


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
    """By arm, its learning rate and strength, what they were chosen by, and the losses of those tried."""
    told = {}
    for arm in _trained(arms):
        chosen = _chosen(context, arm, control)
        told[arm] = {
            **asdict(chosen.rate.trial),
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


def _advice(context: JobContext, arms: Arms, control: Control | None, fitted: Fitted) -> dict[str, Any]:
    """The transfer against the baseline, and what to use."""
    scores: dict[str, Score | None] = {
        arm: _chosen(context, arm, control).rate.score for arm in ("transfer", "control") if arm in arms
    }
    scores["baseline"] = fitted.score
    spec, data = context.job.spec, context.target
    judged_by = chosen_by(spec.training, spec.evaluation.metric, data.signature.task)
    held_out = {
        arm: HeldOut(score.loss, score.accuracy)
        for arm, score in scores.items()
        if score is not None and (judged_by == "accuracy" or math.isfinite(score.loss))
    }
    rows = "train rows held out in folds"
    if fitted.told["by"] == "validation":
        rows = f"the {len(data.validation or ())} validation rows"
    return advice(
        arms,
        data,
        _rules(context, arms, control),
        Choice(
            held_out,
            judged_by,
            rows,
            fitted.told["chosen"],
            accuracy={"seq2seq": "mean chrF of sentences", "span": "mean F1 of answers"}.get(
                data.signature.task, "accuracy"
            ),
        ),
        seen=context.seen.test,
        units=context.test_units,
    )


def _rules(context: JobContext, arms: Arms, control: Control | None) -> evaluation.Rules:
    asked = context.job.spec.evaluation
    is_drawn_once = not isinstance(context.job.source, PresetFacts) and not asked.retrain_source
    return evaluation.Rules(
        metric=asked.metric,
        confidence=asked.confidence,
        draws=asked.draws,
        seed=context.job.spec.training.seed,
        margin=asked.margin,
        shared_source=is_drawn_once,
        drawn_once=_drawn_once(context, arms, control),
        is_source_retrained=asked.retrain_source,
        diverged=_diverged(context, control),
    )


def _proved(context: JobContext, arms: Arms, control: Control | None) -> dict[str, Any]:
    whole = {arm: of for arm, of in arms.items() if arm not in context.diverged or arm == "transfer"}
    return evaluation.evaluate_arms(
        whole,
        context.target,
        _rules(context, arms, control),
        seen=context.seen.test,
        units=context.test_units,
        control="from_scratch" if control is None else control.chosen,
    )


def _diverged(context: JobContext, control: Control | None) -> set[str]:
    """Of transfer, control and ablations those that lack a training, since it diverged."""
    asked = context.job.spec.evaluation.control
    name = f"control/{control.chosen}" if control is not None else "control"
    found = {"transfer"} & set(context.diverged)
    found |= set(context.job.spec.evaluation.arms) & set(context.diverged)
    return found | ({"control"} if asked and (control is None or name in context.diverged) else set())


def _drawn_once(context: JobContext, arms: Arms, control: Control | None) -> set[str]:
    """Arms that no seed enters."""
    chosen = {arm: _chosen(context, arm, control) for arm in _trained(arms)}
    return {arm for arm, choice in chosen.items() if choice.is_deterministic} | (set(arms) - set(chosen))


def _trained(arms: Arms) -> list[str]:
    """Those that are networks."""
    return [arm for arm in arms if arm not in ("baseline", "constant")]


def _chosen(context: JobContext, arm: str, control: Control | None) -> Chosen:
    name = f"control/{control.chosen}" if arm == "control" and control is not None else arm
    chosen = choice_of(context, Stage.CONTROL, name)
    assert chosen is not None  # the arm is trained
    return chosen
