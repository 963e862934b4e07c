"""The ablations that a job may ask for: each arm lacks one thing that the transfer has."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

from app.jobs.networks import usual_network
from app.jobs.recipes import DEFAULT_LEARNING_RATE
from app.jobs.states import Stage
from workers.costs import SPENT
from workers.job_context import JobContext
from workers.job_rows import DatasetFacts
from workers.stages.transfer import with_pseudo_labels
from workers.transfer.data import Data
from workers.transfer.methods import scratch
from workers.transfer.methods.parameter import parameter
from workers.transfer.methods.parts.receipt import Transferred
from workers.transfer.networks.network import Network
from workers.transfer.networks.structures import random_structure
from workers.transfer.training.fitting import Fit

Make = Callable[[Data, Fit], Transferred]


def ablation(context: JobContext, source: Sequence[Network], arm: str) -> Make:
    """What trains this arm of `evaluation.arms`."""
    makers: dict[str, Make] = {
        "random_frozen": partial(scratch.random_frozen, context.options),
        "source_frozen": partial(_source_frozen, source[0]),
        "usual_network": partial(_usual_network, context),
        "random_structure": partial(_random_structure, source[0]),
        "structure_with_parameters": partial(_with_parameters, context, source[0].options),
    }

    def make(data: Data, fit: Fit) -> Transferred:
        return with_pseudo_labels(context, makers[arm](data, fit), data, fit)

    return make


def _source_frozen(source: Network, data: Data, fit: Fit) -> Transferred:
    """The source's backbone as it is: what new layers beside it add."""
    return parameter(source, source.options, data, fit, strategy="linear_probe")


def _usual_network(context: JobContext, data: Data, fit: Fit) -> Transferred:
    """What one would take who knew of no source: the fairer comparison where the job's network is large."""
    options = usual_network(context.job.target.description.kind).model_dump(mode="json")
    if context.options["kind"] == "pretrained":  # whose learning rate is that of a head
        fit = fit.named(fit.hooks.run, learning_rate=DEFAULT_LEARNING_RATE)
    return scratch.scratch(options, data, fit)


def _random_structure(source: Network, data: Data, fit: Fit) -> Transferred:
    """Another structure of the same size: what the structure itself is worth."""
    width, parameters = int(source.backbone.input_shape[-1]), source.backbone.count_params()
    drawn = random_structure(source.options, width, parameters, fit.training.seed)
    return scratch.scratch(drawn, data, fit)


def _with_parameters(context: JobContext, options: Mapping[str, Any], data: Data, fit: Fit) -> Transferred:
    """The same structure with the source's parameters: what leaving them behind costs."""
    return parameter(_trained_source(context, options), options, data, fit)


def _trained_source(context: JobContext, options: Mapping[str, Any]) -> Network:
    """The found structure trained on the source, once for all seeds and attempts."""
    source, training, key = context.job.source, context.job.spec.source_training, "structure on the source"
    assert isinstance(source, DatasetFacts)  # checked before the job was accepted
    assert training is not None
    data = context.data(source)
    part = context.journal.part(Stage.CONTROL, key)
    if part is not None and part.digest is not None and context.storage.exists(part.digest):
        return context.load_network(part.digest, data.signature, options)
    fit = context.trainings.fit(Stage.CONTROL, key, training)
    network = scratch.scratch(options, data, fit).network
    value = {SPENT: context.trainings.spent(Stage.CONTROL, key, "structure_with_parameters")}
    context.journal.save_part(Stage.CONTROL, key, digest=context.store_network(network), value=value)
    return network
