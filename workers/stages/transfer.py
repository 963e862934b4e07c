"""The stage `transfer`: the source's knowledge carried to the target, once for each seed."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial

from app.jobs.states import TRAINED, Stage
from workers.job_context import Arms, JobContext, StoredNetwork
from workers.stages.unread import tell_unread
from workers.transfer.data import Data
from workers.transfer.methods.parts.pseudo_labels import self_trained
from workers.transfer.methods.parts.receipt import Transferred
from workers.transfer.networks.network import Network
from workers.transfer.proof.evaluation import Outcome
from workers.transfer.training.fitting import Fit


def transfer(context: JobContext, source: Sequence[Network]) -> tuple[StoredNetwork, Arms]:
    """Carry the source's knowledge to the target by the job's method, once for each seed."""
    done = context.journal.finished(Stage.TRANSFER)
    if done is None:
        context.begin_stage(Stage.TRANSFER)
    measured: list[Outcome] = []
    fresh: Transferred | None = None
    for seed in context.seeds:
        run = f"transfer/{seed}"
        train: Callable[[], Transferred] = partial(transferred, context, source, context.target, run, seed)
        if seed == context.seeds[0]:
            train = partial(_kept, context, train)
        outcome, trained = context.trainings.outcome(Stage.TRANSFER, run, context.target, train)
        measured.append(outcome)
        if seed == context.seeds[0]:
            fresh = trained
    made = _made(context, fresh)
    if done is None:
        message = "The target network is trained."
        output = {"receipt": made.receipt, "findings": made.findings}
        context.journal.ended(Stage.TRANSFER, output, None, message)
    return made, {"transfer": measured}


def transferred(
    context: JobContext,
    source: Sequence[Network],
    data: Data,
    run: str,
    seed: int,
    stage: Stage = Stage.TRANSFER,
) -> Transferred:
    """The job's method on this data with this seed, and pseudo-labels after it if they were asked for."""
    recipe = context.method
    method = getattr(importlib.import_module(f"workers.transfer.methods.{recipe.kind}"), recipe.kind)
    of = source[0] if len(source) == 1 else source
    fit = context.trainings.fit(stage, run, context.training, seed=seed)
    made = method(of, context.options, data, fit, **recipe.model_dump(exclude={"kind"}))
    return with_pseudo_labels(context, made, data, fit)


def with_pseudo_labels(context: JobContext, made: Transferred, data: Data, fit: Fit) -> Transferred:
    """The network trained on with the unlabelled rows it is sure of, if that was asked for."""
    threshold = context.job.spec.pseudo_labels
    return made if threshold is None else self_trained(made, data, fit, threshold)


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


def _kept(context: JobContext, train: Callable[[], Transferred]) -> Transferred:
    """The network of the first seed is durable before its outcome is, so it is there whenever that is."""
    made = train()
    left = tell_unread(context.journal, made.network, context.target.train.inputs)
    if left:
        made = replace(made, findings={**made.findings, "unread": left})
    value = {"receipt": made.receipt, "findings": made.findings, "network": dict(made.network.options)}
    context.journal.save_part(
        Stage.TRANSFER, TRAINED, digest=context.store_network(made.network), value=value
    )
    return made
