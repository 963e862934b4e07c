"""The source trained anew for each further seed of the transfer, on request.

The first seed has the source of the stage. Each other one is trained with a seed of its own, is durable by
itself, and is kept for other jobs under its own key.
"""

from __future__ import annotations

from collections.abc import Sequence

from app.jobs.states import Stage
from workers.attempt import signature_of
from workers.costs import SPENT
from workers.job_context import JobContext
from workers.job_rows import DatasetFacts
from workers.stages.source_losses import tell_losses
from workers.stages.source_runs import known_run, source_key, train_source
from workers.transfer.networks.network import Network, weights_digest


def retrain(context: JobContext, source: DatasetFacts) -> None:
    """Train the sources of the seeds after the first, unless that was done or was not asked for."""
    if not context.job.spec.evaluation.retrain_source:
        return
    for place, seed in enumerate(context.seeds):
        if place and context.journal.part(Stage.SOURCE, _name(seed)) is None:
            _make(context, source, place, seed)
        elif place:
            context.trainings.found(Stage.SOURCE, _name(seed))


def source_of(context: JobContext, first: Sequence[Network], seed: int) -> Sequence[Network]:
    """The source that the transfer of a seed comes from: its own where each is trained anew.

    Raises:
        RuntimeError: it is not there. The first seed's in its place would pass for one that was trained anew.
    """
    source = context.job.source
    if not context.job.spec.evaluation.retrain_source or not isinstance(source, DatasetFacts):
        return first
    if seed not in context.seeds[1:]:
        return first
    part = context.journal.part(Stage.SOURCE, _name(seed))
    if part is None or part.digest is None or part.value is None:
        raise RuntimeError(f"Expected a source that was trained for the seed {seed}. Received: none.")
    signature = signature_of(source.description)
    return [context.load_network(part.digest, signature, part.value["network"], "source")]


def _name(seed: int) -> str:
    return f"source/{seed}"


def _make(context: JobContext, source: DatasetFacts, place: int, seed: int) -> None:
    asked, name = context.job.spec.source_training, _name(seed)
    assert asked is not None  # the source is a data set
    training = asked.model_copy(update={"seed": asked.seed + place})
    key = source_key(context, source, training)
    known = known_run(context, key)
    if known is not None:
        context.trainings.found(Stage.SOURCE, name)
        value = {**known.output, "reused": True}
        context.journal.save_part(Stage.SOURCE, name, digest=known.output_digest, value=value)
        return
    data, rows = context.source_data()
    network, losses = train_source(context, training, name, data)
    tell_losses(context.journal, losses)
    output = {
        "weights_sha256": weights_digest(network),
        "network": dict(network.options),
        "findings": {},
        "losses": losses,
        "rows": rows.rows,
        "job": context.job.name,
        SPENT: context.trainings.spent(Stage.SOURCE, name),
    }
    digest = context.store_network(network)
    context.journal.save_part(Stage.SOURCE, name, digest=digest, value={**output, "reused": False})
    context.journal.keep_source_run(key, output, digest, rows.digest)
