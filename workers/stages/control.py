"""The stage `control`: the arms that the transfer is compared with, the few-shot curve, and the folds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from app.jobs.states import Stage
from workers.job_context import Arms, JobContext
from workers.stages import arms as training
from workers.stages.ablations import ablation
from workers.stages.arms import may_diverge
from workers.stages.baseline import Fitted, baseline
from workers.stages.candidates import candidates
from workers.stages.choose_control import Control, choose_control
from workers.stages.few_shot import few_shot_arms
from workers.stages.folds import Folds, folds
from workers.stages.held_out_rows import HeldOut, held_out
from workers.stages.transfer import transfer_arm
from workers.transfer.networks.network import Network
from workers.transfer.proof.evaluation import constant


@dataclass(eq=False)
class Compared:
    """What the stage came to beside the arms: control, baseline, the arms by rows of a class, the folds.

    held_out: rows with answers of models that were trained without them.
    """

    control: Control | None = None
    baseline: Fitted | None = None
    few_shot: dict[int, Arms] = field(default_factory=dict)
    folds: Folds | None = None
    held_out: HeldOut | None = None


def control(context: JobContext, source: Sequence[Network], arms: Arms) -> Compared:
    """The other arms, under the same budget and seeds, the few-shot curve by rows of a class, the folds.

    The models of the control and the baseline are kept, to be downloaded.
    """
    asked = context.job.spec.evaluation
    if not (asked.control or asked.baseline or asked.arms or asked.few_shot):
        return Compared()
    done = context.journal.finished(Stage.CONTROL)
    if done is None:
        context.begin_stage(Stage.CONTROL)
    compared, against = Compared(), None
    if asked.control:
        known = candidates(context, source)
        compared.control = choose_control(context, known, keeps_models=True)
        if compared.control is not None:
            against = known[compared.control.chosen]
            first = compared.control.outcomes[compared.control.chosen]
            arms["control"] = [first, *training.train_others(context, against, context.target)]
    if asked.baseline:
        compared.baseline = baseline(context, source, keeps_model=True)
        arms["baseline"] = [compared.baseline.outcome]
        arms["constant"] = [constant(context.target, context.seeds[0])]
    for name in asked.arms:
        with may_diverge(context, name):
            arms[name], _ = training.train_arm(context, ablation(context, source, name), context.target)
    for count in asked.few_shot:
        compared.few_shot[count] = few_shot_arms(context, transfer_arm(context, source), against, count)
    if asked.fold_count:
        compared.folds = folds(context, source)
    compared.held_out = held_out(context, source, compared.baseline, compared.folds)
    if done is None:
        context.journal.ended(Stage.CONTROL, {}, None, "The networks to compare with are trained.")
    return compared
