"""The stage `control`: the arms that the transfer is compared with, and the few-shot curve."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Literal

from app.jobs.budgets import chosen_by
from app.jobs.states import Stage
from workers.job_context import Arms, JobContext
from workers.stages import arms as training
from workers.stages.ablations import ablation
from workers.stages.arms import Arm
from workers.stages.baseline import Fitted, baseline
from workers.stages.candidates import candidates
from workers.stages.few_shot import few_shot_arms
from workers.stages.transfer import transfer_arm
from workers.transfer.methods.parts.held_out import Score
from workers.transfer.networks.network import Network
from workers.transfer.proof.evaluation import Outcome, constant
from workers.transfer.training.options import TrainingDiverged


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


@dataclass(eq=False)
class Compared:
    """What the stage came to beside the arms: the control, the baseline, and the arms by rows a class."""

    control: Control | None = None
    baseline: Fitted | None = None
    few_shot: dict[int, Arms] = field(default_factory=dict)


def control(context: JobContext, source: Sequence[Network], arms: Arms) -> Compared:
    """The other arms, under the same budget and seeds, and the few-shot curve by rows of a class."""
    asked = context.job.spec.evaluation
    if not (asked.control or asked.baseline or asked.arms or asked.few_shot):
        return Compared()
    done = context.journal.finished(Stage.CONTROL)
    if done is None:
        context.begin_stage(Stage.CONTROL)
    compared, against = Compared(), None
    if asked.control:
        known = candidates(context, source)
        compared.control = _control(context, known)
        if compared.control is not None:
            against = known[compared.control.chosen]
            first = compared.control.outcomes[compared.control.chosen]
            arms["control"] = [first, *training.train_others(context, against, context.target)]
    if asked.baseline:
        compared.baseline = baseline(context, source)
        arms["baseline"] = [compared.baseline.outcome]
        arms["constant"] = [constant(context.target, context.seeds[0])]
    for name in asked.arms:
        with _may_diverge(context, name):
            arms[name], _ = training.train_arm(context, ablation(context, source, name), context.target)
    for count in asked.few_shot:
        compared.few_shot[count] = few_shot_arms(context, transfer_arm(context, source), against, count)
    if done is None:
        context.journal.ended(Stage.CONTROL, {}, None, "The networks to compare with are trained.")
    return compared


@contextmanager
def _may_diverge(context: JobContext, arm: str) -> Iterator[None]:
    """The transfer is worth its model, whatever becomes of what it is compared with."""
    try:
        yield
    except TrainingDiverged as error:
        context.diverged[arm] = str(error)


def _control(context: JobContext, known: Mapping[str, Arm]) -> Control | None:
    """The candidate that is best on held-out rows, of equal ones the first; with the first seed.

    None where all diverge.
    """
    outcomes: dict[str, Outcome] = {}
    scores: dict[str, Score | None] = {}
    for name, arm in known.items():
        scores[name] = None
        with _may_diverge(context, arm.name):
            outcomes[name], _ = training.train_first(context, arm, context.target)
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
