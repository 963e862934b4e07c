"""What the transfer is compared with: two candidates, neither of which knows the source."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import Any

from app.jobs.networks import usual_network
from app.jobs.recipes import CombinedTransfer, Distillation, ParameterTransfer, StructureTransfer
from app.jobs.states import Stage
from workers.job_context import JobContext
from workers.job_rows import PresetFacts
from workers.stages.arms import Arm
from workers.stages.source import search_structure
from workers.stages.transfer import as_any_arm, by_the_method
from workers.transfer.data import Data
from workers.transfer.methods import scratch
from workers.transfer.methods.parts.random_structures import has_random_structure, random_structure
from workers.transfer.methods.parts.rates import DEFAULT_LEARNING_RATE
from workers.transfer.methods.parts.receipt import Transferred
from workers.transfer.methods.parts.trials import Make
from workers.transfer.methods.parts.untrained import is_a_preset_with_weights, untrained
from workers.transfer.methods.structure import structure
from workers.transfer.networks.inputs import geometry
from workers.transfer.networks.network import Network, build, in_sequence, leaves
from workers.transfer.seeds import layer_seed
from workers.transfer.training.fitting import Fit


def candidates(context: JobContext, source: Sequence[Network]) -> dict[str, Arm]:
    """By name: the network from scratch, and the same procedure without the source's knowledge.

    An `application` or a preset has no random structure of equal size: of these there is one candidate.
    """
    found = {"from_scratch": from_scratch(context, source[0])}
    method = context.job.spec.method
    if isinstance(method, ParameterTransfer | CombinedTransfer):
        name = _without_the_source(context, source[0])
        made = partial(_same_procedure, context, source[0])
        found[name] = partial(_drawn_for_each_seed, made) if name == "random_weights" else made
    elif isinstance(method, Distillation):
        found["untrained_teacher"] = partial(_untrained_teacher, context, source)
    elif isinstance(method, StructureTransfer) and has_random_structure(source[0].options):
        found["random_structure"] = partial(random_structured, source[0])
    if context.candidates is not None:
        found = {name: made for name, made in found.items() if name in context.candidates}
    reads_all = ("untrained_teacher",)
    return {
        name: Arm(
            Stage.CONTROL,
            f"control/{name}",
            as_any_arm(context, make, reads_unlabelled=name in reads_all),
            rates_of_the_usual_network(context) if name == "from_scratch" else None,
            is_by_the_method=name != "from_scratch",
            is_judged=True,
        )
        for name, make in found.items()
    }


def rates_of_the_usual_network(context: JobContext) -> list[float] | None:
    """The job's, but of a job with a preset and one rate, which is meant for a head: then the default."""
    of_a_head = _is_the_preset_transferred(context) and len(context.rates) == 1
    return [DEFAULT_LEARNING_RATE] if of_a_head else None


def usual_options(context: JobContext) -> dict[str, Any]:
    """The network that one would take who knew of no source."""
    return usual_network(context.job.target.description.kind).model_dump(mode="json")


def from_scratch(context: JobContext, source: Network) -> Make:
    """The network from scratch, whose options do not describe what an earlier job joined.

    That of a preset, or of a structure that is reused, is the usual one for the kind of data; a search is
    answered by as many trials on the target.
    """
    method, options = context.job.spec.method, context.options
    reuses = isinstance(method, StructureTransfer) and not context.searches
    if reuses or _is_the_preset_transferred(context):
        return partial(scratch.scratch, usual_options(context))
    if context.searches and context.target.validation is not None:
        # Nothing can be searched for where all validation rows were seen by the source.
        found = search_structure(context, Stage.CONTROL, options, context.target, context.training)
        return partial(scratch.scratch, found.options)
    if isinstance(method, ParameterTransfer):
        options = {**options, **geometry(source.options)}
        if options["kind"] != "pretrained" and not in_sequence(source.backbone):
            return partial(structure, source, options, strategy="reuse")
    return partial(scratch.scratch, options)


def random_structured(source: Network, data: Data, fit: Fit) -> Transferred:
    """Another structure of about the same size, drawn from the training's seed."""
    return scratch.scratch(random_structure(source, fit.training.seed), data, fit)


def _is_the_preset_transferred(context: JobContext) -> bool:
    """Whether the job's network is a preset that is itself the source."""
    return isinstance(context.job.source, PresetFacts) and context.options["kind"] == "pretrained"


def _without_the_source(context: JobContext, source: Network) -> str:
    """What the same procedure starts from: a preset that the source trained comes with its own weights."""
    is_the_source = isinstance(context.job.source, PresetFacts)
    keeps = not is_the_source and is_a_preset_with_weights(source)
    return "preset_weights" if keeps else "random_weights"


def _same_procedure(context: JobContext, source: Network, data: Data, fit: Fit) -> Transferred:
    seed = fit.training.seed
    if not isinstance(context.job.source, PresetFacts):
        return by_the_method(context, [untrained(source, data, seed)], data, fit)
    # The preset's head was never trained, nor is this one's.
    usual = replace(build(usual_options(context), data, seed), is_backbone_alone=True)
    method = context.method
    if isinstance(method, ParameterTransfer):
        layers = sum(1 for _, layer in leaves(usual.backbone) if layer.weights)
        method = method.model_copy(update={"frozen_layers": min(method.frozen_layers, layers - 1)})
    return by_the_method(context, [usual], data, fit, method)


def _drawn_for_each_seed(make: Make, data: Data, fit: Fit) -> Transferred:
    """The seed enters with the weights, even where a method only fits a head to them."""
    return replace(make(data, fit), is_deterministic=False)


def _untrained_teacher(context: JobContext, source: Sequence[Network], data: Data, fit: Fit) -> Transferred:
    """Each teacher from its own seed, and none from the student's, which would begin as its own teacher."""
    teachers = [
        untrained(teacher, data, layer_seed(fit.training.seed, f"teacher {number}"), data.signature)
        for number, teacher in enumerate(source)
    ]
    return by_the_method(context, teachers, data, fit)
