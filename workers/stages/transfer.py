"""The stage `transfer`: the source's knowledge carried to the target, once for each seed."""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from dataclasses import replace
from functools import partial

from app.jobs.recipes import Distillation, Method, ParameterTransfer
from app.jobs.states import TRAINED, Stage
from workers.job_context import Arms, JobContext, StoredNetwork
from workers.stages.arms import Arm, train_arm
from workers.stages.retrained import source_of
from workers.stages.unread import tell_unread
from workers.transfer.data import Data
from workers.transfer.methods.parts.equal_updates import as_many_updates
from workers.transfer.methods.parts.pseudo_labels import self_trained
from workers.transfer.methods.parts.receipt import Transferred
from workers.transfer.methods.parts.trials import Make
from workers.transfer.networks.network import Network
from workers.transfer.training.fitting import Fit


def transfer(context: JobContext, source: Sequence[Network]) -> tuple[StoredNetwork, Arms]:
    """Carry the source's knowledge to the target by the job's method, once for each seed."""
    done = context.journal.finished(Stage.TRANSFER)
    if done is None:
        context.begin_stage(Stage.TRANSFER)
    arm = transfer_arm(context, source)
    measured, fresh = train_arm(context, arm, context.target, partial(_kept, context))
    made = _made(context, fresh)
    if done is None:
        message = "The target network is trained."
        output = {"receipt": made.receipt, "findings": made.findings}
        context.journal.ended(Stage.TRANSFER, output, None, message)
    return made, {"transfer": measured}


def transfer_arm(context: JobContext, source: Sequence[Network]) -> Arm:
    """The job's method on the job's source."""
    make = as_any_arm(context, partial(_on_its_source, context, source), reads_unlabelled=True)
    is_judged = context.job.spec.evaluation.baseline
    return Arm(Stage.TRANSFER, "transfer", make, is_judged=is_judged, is_by_the_method=True)


def _on_its_source(context: JobContext, source: Sequence[Network], data: Data, fit: Fit) -> Transferred:
    """The method on the source of the training's seed, which enters with it even where nothing else does."""
    own = source_of(context, source, fit.training.seed)
    made = by_the_method(context, own, data, fit)
    return replace(made, is_deterministic=False) if context.job.spec.evaluation.retrain_source else made


def by_the_method(
    context: JobContext, source: Sequence[Network], data: Data, fit: Fit, recipe: Method | None = None
) -> Transferred:
    """The job's method, or another recipe of it; without validation rows nothing is mixed by them."""
    recipe = recipe or context.method
    if data.validation is None and isinstance(recipe, ParameterTransfer):
        recipe = recipe.model_copy(update={"wise_ft": False})
    method = getattr(importlib.import_module(f"workers.transfer.methods.{recipe.kind}"), recipe.kind)
    of = source[0] if len(source) == 1 else source
    made: Transferred = method(of, context.options, data, fit, **recipe.model_dump(exclude={"kind"}))
    return made


def as_any_arm(context: JobContext, make: Make, *, reads_unlabelled: bool = False) -> Make:
    """The same with what every arm of the job has: as many updates, and pseudo-labels if they are asked for.

    A distillation `reads_unlabelled` rows beside the others; arms that do not take more epochs over theirs.
    """
    shares = isinstance(context.method, Distillation) and not reads_unlabelled

    def made(data: Data, fit: Fit) -> Transferred:
        rows = len(data.train)
        unlabelled = len(data.unlabelled) if shares and data.unlabelled is not None else 0
        with as_many_updates(fit, rows, rows + unlabelled):
            first = make(data, fit)
        threshold = context.job.spec.pseudo_labels
        return first if threshold is None else self_trained(first, data, fit, threshold)

    return made


def _made(context: JobContext, fresh: Transferred | None) -> StoredNetwork:
    """What this attempt trained, or what an earlier one kept."""
    part = context.journal.part(Stage.TRANSFER, TRAINED)
    assert part is not None  # `_kept` wrote it before the outcome
    assert part.digest is not None
    assert part.value is not None
    if fresh is not None:
        return StoredNetwork(fresh.network, part.digest, fresh.receipt, fresh.findings)
    kept = context.load_network(part.digest, context.target.signature, part.value["network"])
    return StoredNetwork(kept, part.digest, part.value["receipt"], part.value["findings"])


def _kept(context: JobContext, made: Transferred) -> Transferred:
    """The network of the first seed is durable before its outcome is, so it is there whenever that is."""
    left = tell_unread(context.journal, made.network, context.target.train.inputs)
    if left:
        made = replace(made, findings={**made.findings, "unread": left})
    value = {"receipt": made.receipt, "findings": made.findings, "network": dict(made.network.options)}
    context.journal.save_part(
        Stage.TRANSFER, TRAINED, digest=context.store_network(made.network), value=value
    )
    return made
