"""A request on its way to a job: references resolved, defaults filled in, accepted only if it can be run."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from pydantic import TypeAdapter
from sqlalchemy.orm import Session

from app.datasets import service as datasets
from app.datasets.reading.profile import Profile
from app.db.tables import Dataset, Job, Version
from app.errors import ServiceError
from app.jobs import budgets, compatibility, folds, limits, search_spaces
from app.jobs.networks import Network, Pretrained, usual_network
from app.jobs.notices import notices, same_data
from app.jobs.opening import open_job, queue_of
from app.jobs.recipes import ParameterTransfer, StructureTransfer
from app.jobs.requirements import Examples
from app.jobs.schemas import JobRequest, JobSpec
from app.jobs.sizes import PresetSize
from app.jobs.states import STAGES, Kind, Stage
from app.jobs.training import Training
from app.models import service as models
from app.models.signature import Backbone, Signature, of_preset, signature
from app.presets.schemas import PresetView
from app.presets.service import PresetCatalogue
from app.settings import Settings


@dataclass(frozen=True)
class Resolved:
    """A request that can be run, every default and reference filled in, before it is a job."""

    spec: JobSpec
    target: Dataset
    source: Dataset | None
    versions: list[Version]
    learnt: list[Signature]
    stages: list[Stage]


def accept(session: Session, workspace: str, owner: str, request: JobRequest, settings: Settings) -> Job:
    """A queued job with every default and reference filled in; the caller announces it after the commit."""
    found = resolve(session, workspace, request, settings)
    versions = found.versions
    return open_job(
        session,
        Kind.TRANSFER,
        request,
        found.spec,
        settings,
        workspace=workspace,
        owner=owner,
        stages=found.stages,
        called=request.model,
        warnings=found.spec.warnings,
        inputs=versions[1:],
        model=request.model,
        source_dataset=found.source,
        source_version=versions[0] if versions else None,
        source_preset=request.source.preset,
        target_dataset=found.target,
    )


def resolve(session: Session, workspace: str, request: JobRequest, settings: Settings) -> Resolved:
    """What the request comes to; nothing is written.

    Raises:
        ServiceError: it cannot be run, and why.
    """
    queue_of(request, settings.queue_names)
    preset_dir = settings.effective_preset_dir
    source_datasets = [] if request.source.dataset is None else [request.source.dataset]
    target, *sources = datasets.find_to_use(session, workspace, [request.target.dataset, *source_datasets])
    source, versions = next(iter(sources), None), _versions(session, workspace, request)
    trained_on = _examples(source) if source else None
    network, source_network = _networks(request, versions, trained_on or _examples(target))
    learnt = [models.signature(version) for version in versions]
    if request.source.preset is not None:
        learnt = [of_preset(_examples(target).description)]
    elif trained_on is not None:
        learnt = [signature(trained_on.description)]
    spec = _spec(request, network, source_network, trained_on, _examples(target), versions)
    backbone = models.backbone(versions[0]) if versions else _backbone(source_network)
    is_preset = request.source.preset is not None
    compatibility.check(spec, learnt, backbone, trained_on, _examples(target), is_preset=is_preset)
    ours = signature(_examples(target).description)
    spec.warnings = notices(spec, learnt, ours, source_is_dataset=source is not None)
    spec.warnings += same_data(datasets.ref(target), _trained_on(source, versions))
    known = _presets(spec, _examples(target).description.kind, preset_dir)
    spec.estimate = limits.check(spec, trained_on, _examples(target), known, settings, is_preset=is_preset)
    return Resolved(spec, target, source, versions, learnt, _stages(request))


def _presets(spec: JobSpec, kind: str, folder: Path) -> dict[str, PresetSize]:
    """The sizes of the presets that the job uses, or a ServiceError if one cannot be used."""
    pretrained = [used for used in _used(spec) if isinstance(used, Pretrained)]
    catalogue = PresetCatalogue(folder) if pretrained else None
    found = {}
    for name, length in dict.fromkeys((used.preset, used.length) for used in pretrained):
        assert catalogue is not None
        found[name] = _size(catalogue.require(name, kind, length))
    return found


def _size(preset: PresetView) -> PresetSize:
    """Where nobody counted its numbers, half of what its files could hold, which may hold them twice."""
    return PresetSize(preset.parameters or (preset.bytes or 0) // 8, preset.units or _USUAL_UNITS)


_USUAL_UNITS = 1024


def _used(spec: JobSpec) -> Iterator[Network]:
    """The job's networks, and what a search tries in their place."""
    yield from (spec.network, spec.source_network)
    if isinstance(spec.method, StructureTransfer) and spec.method.space:
        yield from search_spaces.candidate_networks(spec.network, spec.method.space)


def _trained_on(source: Dataset | None, versions: list[Version]) -> list[str]:
    """The data sets of which the sources know rows, over all generations."""
    given = [] if source is None else [datasets.ref(source)]
    return [*given, *(rows.dataset for version in versions for rows in version.trained_rows)]


def _examples(dataset: Dataset) -> Examples:
    return Examples(datasets.description(dataset), Profile.model_validate(dataset.profile))


def _versions(session: Session, workspace: str, request: JobRequest) -> list[Version]:
    if request.source.dataset is not None:
        return []
    if request.source.preset is not None:
        if request.method.kind == "distillation":
            message = "Expected a teacher that knows the classes. Received: a preset, which has no head."
            hint = "Fine-tune it with parameter transfer first, and send the new version as `source.version`."
            raise ServiceError(422, "preset_is_no_teacher", message, hint=hint)
        return []
    asked = request.source.versions or [request.source.version or ""]
    if len(asked) > 1 and request.method.kind != "distillation":
        message = f"Expected one source version for {request.method.kind} transfer. Received: {len(asked)}."
        hint = "Only distillation takes several teachers. Send one version as `source.version`."
        raise ServiceError(422, "several_sources", message, hint=hint)
    return models.find_to_use(session, workspace, asked)


def _networks(request: JobRequest, versions: list[Version], first: Examples) -> tuple[Network, Network]:
    """The target's and the source's: the same, unless the method joins or distils."""
    may_differ = request.method.kind in ("combined", "distillation")
    usual = usual_network(first.description.kind)
    if request.source.preset is not None:
        asked = request.network if isinstance(request.network, Pretrained) else None
        preset = asked or Pretrained(preset=request.source.preset)
        if preset.preset != request.source.preset or (
            request.network not in (None, preset) and not may_differ
        ):
            received = request.network or preset
            raise _network_differs(
                request, "the source's preset", Pretrained(preset=request.source.preset), received
            )
        return request.network or (usual if may_differ else preset), preset
    if not versions:
        network = request.network or usual
        source = request.source.network or network
        if source != network and not may_differ:
            raise _network_differs(request, "the job's `network`", network, source)
        return network, source
    given = {name: value for name, value in versions[0].network.items() if name not in _MEASURED}
    source = _NETWORK.validate_python(given)
    network = request.network or source
    if network != source and not may_differ:
        raise _network_differs(request, models.ref(versions[0]), source, network)
    return network, source


def _backbone(network: Network) -> Backbone:
    return Backbone(layers=network.count_layers, blocks=network.count_blocks, in_sequence=network.in_sequence)


_NETWORK: TypeAdapter[Network] = TypeAdapter(Network)

_MEASURED = frozenset({"source_length", "target_length", "question_length", "context_length"})
"""What a version's network tells of the data that it was made for, beside its options."""


def _network_differs(request: JobRequest, of: str, expected: Network, received: Network) -> ServiceError:
    message = (
        f"Expected the network of {of}, {expected.model_dump_json()}, because {request.method.kind} transfer "
        f"keeps it. Received: {received.model_dump_json()}."
    )
    hint = "Leave one of the two networks out; only combined transfer and distillation take different ones."
    return ServiceError(422, "network_differs", message, hint=hint)


def _spec(
    request: JobRequest,
    network: Network,
    source_network: Network,
    source: Examples | None,
    target: Examples,
    versions: list[Version],
) -> JobSpec:
    method = request.method
    if isinstance(method, StructureTransfer):
        method = search_spaces.validated(method, network)
    if isinstance(method, ParameterTransfer) and target.description.task in ("seq2seq", "span"):
        method = _of_sequences(method)
    return JobSpec(
        method=method,
        network=network,
        source_network=source_network,
        training=budgets.settled(request.training, target.description, request.evaluation.metric),
        source_training=None if source is None else _source_training(request, source),
        other_versions=[version.id for version in versions[1:]],
        pseudo_labels=request.target.pseudo_labels,
        evaluation=folds.settled(request.evaluation, target.description),
        champion=request.champion,
    )


def _of_sequences(method: ParameterTransfer) -> ParameterTransfer:
    """For translations and spans all weights at one rate, unless something else was asked for."""
    asked = method.model_fields_set
    usual = {"strategy": "full", "backbone_learning_rate_factor": 1.0}
    return method.model_copy(update={name: value for name, value in usual.items() if name not in asked})


def _source_training(request: JobRequest, source: Examples) -> Training:
    """By default the target's, less what the source's classes and rows do not allow; at one learning rate."""
    asked = budgets.with_one_rate(request.source.training or request.training)
    training = budgets.settled(asked, source.description)
    if request.source.training is not None:
        return training
    weights, classes = training.class_weights, set(source.description.classes)
    weighed = source.description.task in ("binary", "multiclass")
    if not weighed or (isinstance(weights, dict) and not set(weights) <= classes):
        training = training.model_copy(update={"class_weights": None})
    if not source.description.split.rows["validation"]:
        training = training.model_copy(update={"patience": None})
    return training


def _stages(request: JobRequest) -> list[Stage]:
    asked = request.evaluation
    compares = asked.control or asked.baseline or asked.arms or asked.few_shot
    left_out = set() if compares else {Stage.CONTROL}
    return [stage for stage in STAGES[Kind.TRANSFER] if stage not in left_out]
