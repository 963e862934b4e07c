"""What the folds of a small target say in place of its test rows: verdict, gains, what to use."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any, Literal, cast

import numpy as np

from workers.job_context import JobContext
from workers.stages.folds import Folds
from workers.transfer.methods.parts.held_out import Score
from workers.transfer.proof.cross_validation import OutOfFold
from workers.transfer.proof.evaluation import Outcome, Rules, cut_off
from workers.transfer.proof.recommendation import ARMS, Choice, HeldOut, advised


def fold_proof(context: JobContext, folds: Folds, rules: Rules) -> dict[str, Any]:
    """The fields of the evaluation that the folds decide.

    What was chosen inside of the folds is told in `proof`: how often each candidate of the control and of the
    baseline was, and which arm was the best on rows held out of a fold's train rows.
    """
    asked, labelled = context.job.spec.evaluation, folds.labelled
    measured = OutOfFold(
        context.target.signature.task,
        labelled.rows.targets,
        labelled.units,
        labelled.seen,
        [one.fold for one in folds.trained],
        rules,
        len(context.target.signature.classes),
    )
    output: dict[str, Any] = {"mcnemar": None, "proof": {**measured.proof(), "chosen": _chosen(folds)}}
    if asked.control:
        both = {arm: _outcomes(folds, arm) for arm in ("transfer", "control")}
        output |= measured.judged(
            _kind_of_control(folds),
            cut_off=cut_off(both),
            diverged={arm for arm, of in both.items() if len(of) < len(folds.trained)},
        )
    if asked.baseline:
        arms = [arm for arm in ARMS if arm != "control" or asked.control]
        transfer = _outcomes(folds, "transfer")
        output |= advised(
            measured,
            arms,
            _choice(folds),
            cut_off=cut_off({"transfer": transfer}),
            diverged={"transfer"} if len(transfer) < len(folds.trained) else (),
        )
    return output


def _outcomes(folds: Folds, arm: str) -> list[Outcome]:
    """Of the folds in which it did not diverge."""
    return [one.outcomes[arm] for one in folds.trained if arm in one.outcomes]


def _kind_of_control(folds: Folds) -> str:
    """The one candidate that was chosen in all folds, or that they differ."""
    kinds = {one.control for one in folds.trained if one.control is not None}
    return kinds.pop() if len(kinds) == 1 else "of_each_fold"


def _choice(folds: Folds) -> Choice:
    """What the arm is chosen by: the mean over the folds of its score on rows held out of the train rows."""
    scores = {arm: _mean([one.scores.get(arm) for one in folds.trained]) for arm in ARMS}
    held_out = {arm: score for arm, score in scores.items() if score is not None}
    names = Counter(one.baseline for one in folds.trained)
    return Choice(
        held_out,
        cast(Literal["accuracy", "loss"], folds.judged_by),
        "rows held out of the folds' train rows",
        names.most_common(1)[0][0] if len(names) == 1 else None,
        "in the cross-validation",
    )


def _mean(scores: list[Score | None]) -> HeldOut | None:
    """None where a fold has no score, so that all arms are compared on the same folds."""
    known = [score for score in scores if score is not None]
    if not known or len(known) < len(scores):
        return None
    right = [score.accuracy for score in known if score.accuracy is not None]
    return HeldOut(float(np.mean([score.loss for score in known])), float(np.mean(right)) if right else None)


def _chosen(folds: Folds) -> dict[str, dict[str, int]]:
    """How often each was."""
    best: Counter[str] = Counter()
    for one in folds.trained:
        held_out: Mapping[str, HeldOut] = {
            arm: HeldOut(score.loss, score.accuracy) for arm, score in one.scores.items() if score is not None
        }
        judged_by = cast(Literal["accuracy", "loss"], folds.judged_by)
        if arm := Choice(held_out, judged_by, "", None).best:
            best[arm] += 1
    return {
        "arm": dict(best),
        "control": dict(Counter(one.control for one in folds.trained if one.control)),
        "baseline": dict(Counter(one.baseline for one in folds.trained if one.baseline)),
    }
