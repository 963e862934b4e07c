"""Which of the candidates that know no source is the control?"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Literal

from app.jobs.budgets import chosen_by
from app.jobs.states import Stage
from workers.job_context import JobContext
from workers.stages import arms as training
from workers.stages.arm_models import keep_network
from workers.stages.arms import Arm
from workers.transfer.methods.parts.held_out import Score
from workers.transfer.proof.evaluation import Outcome


@dataclass(frozen=True, eq=False)
class Control:
    """Which candidate the transfer is compared with, what it was chosen by, and what each came to.

    scores: on held-out rows, None where there were none to choose by, or the training diverged.
    outcomes: of the first seed, of the candidates that did not diverge.
    """

    chosen: str
    by: Literal["validation", "cross-validation", "default"]
    scores: Mapping[str, Score | None]
    outcomes: Mapping[str, Outcome]


def choose_control(
    context: JobContext, known: Mapping[str, Arm], *, keeps_models: bool = False
) -> Control | None:
    """The candidate that is best on held-out rows, of equal ones the first; with the first seed.

    None where all diverge. keeps_models: whether its network is to be downloaded, and so made durable.
    """
    outcomes: dict[str, Outcome] = {}
    scores: dict[str, Score | None] = {}
    for name, arm in known.items():
        scores[name] = None
        with training.may_diverge(context, arm.name):
            keep = partial(keep_network, context, arm.name) if keeps_models else None
            outcomes[name], _ = training.train_first(context, arm, context.target, keep)
            chosen = training.choice_of(context, Stage.CONTROL, arm.name)
            scores[name] = chosen.rate.score if chosen else None
    if not outcomes:
        return None
    judged = {name: score for name, score in scores.items() if score is not None}
    if not judged:
        return Control(next(iter(outcomes)), "default", scores, outcomes)
    budget = context.training.budget
    spec = context.job.spec
    judged_by = chosen_by(spec.training, spec.evaluation.metric, context.target.signature.task)
    enough = 1 if budget is None else max(1, budget.least_validation_rows)
    rows = 0 if context.target.validation is None else len(context.target.validation)
    by: Literal["validation", "cross-validation"] = "validation" if rows >= enough else "cross-validation"
    return Control(min(judged, key=lambda name: judged[name].penalty(judged_by)), by, scores, outcomes)
