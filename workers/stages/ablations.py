"""The ablations that a job may ask for: each arm lacks one thing that the transfer has."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

from app.jobs.states import Stage
from workers.costs import SPENT
from workers.job_context import JobContext
from workers.job_rows import DatasetFacts
from workers.stages.arms import Arm
from workers.stages.candidates import random_structured, rates_of_the_usual_network, usual_options
from workers.stages.retrained import source_of
from workers.stages.transfer import as_any_arm
from workers.transfer.data import Data
from workers.transfer.methods import scratch
from workers.transfer.methods.parameter import parameter
from workers.transfer.methods.parts.receipt import Transferred
from workers.transfer.methods.parts.trials import Make
from workers.transfer.networks.network import Network
from workers.transfer.training.fitting import Fit


def ablation(context: JobContext, source: Sequence[Network], name: str) -> Arm:
    """What trains this arm of `evaluation.arms`."""
    makers: dict[str, Make] = {
        "random_weights": partial(scratch.scratch, _randomly(context.options)),
        "random_frozen": partial(scratch.random_frozen, _randomly(context.options)),
        "source_frozen": partial(_source_frozen, context, source),
        "usual_network": partial(scratch.scratch, usual_options(context)),
        "random_structure": partial(random_structured, source[0]),
        "structure_with_parameters": partial(_with_parameters, context, source[0].options),
    }
    of_the_usual = rates_of_the_usual_network(context) if name == "usual_network" else None
    return Arm(Stage.CONTROL, name, as_any_arm(context, makers[name]), of_the_usual)


def _randomly(options: Mapping[str, Any]) -> dict[str, Any]:
    """The options with a preset's architecture alone."""
    return {**options, **({"weights": "random"} if options["kind"] == "pretrained" else {})}


def _source_frozen(context: JobContext, source: Sequence[Network], data: Data, fit: Fit) -> Transferred:
    """The source's backbone as it is, of the same seed as the transfer's: what new layers beside it add."""
    (own,) = source_of(context, source[:1], fit.training.seed)
    made = parameter(own, own.options, data, fit, strategy="linear_probe")
    return replace(made, is_deterministic=False) if context.job.spec.evaluation.retrain_source else made


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
