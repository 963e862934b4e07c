"""Is a job too large to be run, or too long? Estimated from its options and its data, before it is accepted.

An estimate is the least there can be: the memory of the largest training's step, weights, gradients and
Adam's two moments, and each layer's output once for each row of a batch. TensorFlow needs some hundred MB
besides, and holds outputs more than once; see docs/api.md for how far it is off.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from math import prod
from typing import Any

from app.errors import ServiceError
from app.jobs import search_spaces, sizes
from app.jobs.input_specs import input_spec_of
from app.jobs.networks import Application, Network
from app.jobs.recipe import Recipe
from app.jobs.recipes import (
    CombinedTransfer,
    Distillation,
    Method,
    ParameterTransfer,
    StructureTransfer,
    Training,
)
from app.jobs.requirements import Examples
from app.jobs.schemas import Estimate, JobSpec
from app.jobs.sizes import NUMBER_BYTES, InputSpec, Layer, PresetSize
from app.settings import Settings

_COPIES = 4
"""Of a weight that is trained: itself, its gradient, Adam's two moments."""

_STEPS_AN_EPOCH = 10
"""An epoch of fewer steps counts as so many: it is validated and recorded besides."""

_SMALLEST_IMAGE = 32
"""Pixels a side that the architectures of `keras.applications` need."""

Presets = Mapping[str, PresetSize]


@dataclass(frozen=True)
class _Need:
    """What one training needs: weights that are trained and that are not, and what is kept of a row.

    `again` is the same with another network and method.
    """

    place: str
    training: str
    network: Network
    input_spec: InputSpec
    trained: int
    frozen: int
    activations: int
    batch: int
    table: int
    again: Callable[[Network, Method], _Need]

    @property
    def weights_bytes(self) -> int:
        return NUMBER_BYTES * (_COPIES * self.trained + self.frozen)

    @property
    def row_bytes(self) -> int:
        return NUMBER_BYTES * self.activations

    @property
    def bytes(self) -> int:
        return self.weights_bytes + self.batch * self.row_bytes + self.table


@dataclass(frozen=True)
class _Part:
    """Trainings of a job that take so many steps, and the field that says how many."""

    what: str
    field: str
    steps: int


def check(
    spec: JobSpec, source: Examples | None, target: Examples, presets: Presets, settings: Settings
) -> Estimate:
    """What the job needs at least.

    Raises:
        ServiceError: 422; more than the settings allow, with the estimate, the limit and the field to lower.
    """
    _large_enough(spec, source, target)
    needs = list(_needs(spec, source, target, presets))
    most = max(needs, key=lambda need: need.bytes)
    if most.bytes > settings.max_job_memory_bytes:
        raise _too_large(spec, most, settings.max_job_memory_bytes)
    parts = list(_parts(spec, source, target))
    steps = sum(part.steps for part in parts)
    if steps > settings.max_job_steps:
        raise _too_long(parts, steps, settings.max_job_steps)
    return Estimate(parameters=most.trained + most.frozen, memory_bytes=most.bytes, steps=steps)


def _too_large(spec: JobSpec, need: _Need, limit: int) -> ServiceError:
    rows = f"{need.batch:,} row{'s' if need.batch > 1 else ''}"
    received = f"{need.trained + need.frozen:,} weights, and at least {_gib(need.bytes)} for a step of {rows}"
    of_batch = need.batch * need.row_bytes
    if of_batch > need.weights_bytes + need.table and need.bytes - of_batch + need.row_bytes <= limit:
        fits = (limit - need.weights_bytes - need.table) // need.row_bytes
        field, hint = f"{need.training}.batch_size", f"Lower it to {fits:,} or less"
    else:
        field, hint = _to_lower(spec, need), "Lower it"
    message = (
        f"{field}: expected a training that needs at most {_gib(limit)} of memory. Received: {received}."
    )
    hint += "; where workers have more memory, MODEL_TRANSFER_MAX_JOB_MEMORY_BYTES allows more."
    return ServiceError(422, "network_too_large", message, hint=hint)


def _to_lower(spec: JobSpec, need: _Need) -> str:
    """The field that makes the need least where it has its default, or of defaults half of it."""
    searched = (spec.method.space or {}) if isinstance(spec.method, StructureTransfer) else {}
    for lowered in (_defaults, _halves):
        fields = {
            f"{'method.space' if option in searched else need.place}.{option}": need.again(
                need.network.model_copy(update={option: value}), spec.method
            ).bytes
            for option, value in lowered(need.network, need.input_spec).items()
        }
        for option, value in lowered(spec.method, need.input_spec).items():
            if option in ("rank", "bottleneck"):
                changed = spec.method.model_copy(update={option: value})
                fields[f"method.{option}"] = need.again(need.network, changed).bytes
        field = min(fields, key=lambda field: fields[field], default=need.place)
        if fields and fields[field] < need.bytes:
            return field
    return need.place


def _defaults(recipe: Recipe, input_spec: InputSpec) -> dict[str, Any]:
    """The options that have another value than their default."""
    return {
        name: field.get_default()
        for name, field in type(recipe).model_fields.items()
        if name != "image_shape" and not field.is_required() and getattr(recipe, name) != field.get_default()
    }


def _halves(recipe: Recipe, input_spec: InputSpec) -> dict[str, Any]:
    """The numbers and lists of numbers, each half as large; of those that the data decides, what it says."""
    found = {
        "image_size": input_spec.shape[:2] if len(input_spec.shape) == 3 else None,
        "length": input_spec.shape[0] if input_spec.tokens or len(input_spec.shape) == 2 else None,
    }
    halves: dict[str, Any] = {}
    for option in set(type(recipe).model_fields) - {"image_shape", "channels"}:
        value = getattr(recipe, option)
        value = found.get(option) if value is None else value
        if isinstance(value, list | tuple):
            halves[option] = type(value)((number + 1) // 2 for number in value)
        elif isinstance(value, int) and not isinstance(value, bool):
            halves[option] = (value + 1) // 2
    return dict(sorted(halves.items()))


def _too_long(parts: Sequence[_Part], steps: int, limit: int) -> ServiceError:
    longest = max(parts, key=lambda part: part.steps)
    message = (
        f"{longest.field}: expected a job of at most {limit:,} training steps. "
        f"Received: about {steps:,}, of which {longest.steps:,} in {longest.what}."
    )
    hint = "Lower it, or raise `batch_size`; MODEL_TRANSFER_MAX_JOB_STEPS allows more."
    return ServiceError(422, "training_too_long", message, hint=hint)


def _gib(size: int) -> str:
    for power, unit in ((4, "TiB"), (3, "GiB"), (2, "MiB")):
        if size >= 1024**power or unit == "MiB":
            # Whole numbers, since what is beyond any machine is beyond a float as well.
            tenths = size * 10 // 1024**power
            return f"{tenths // 10:,}.{tenths % 10} {unit}"
    raise AssertionError


def _large_enough(spec: JobSpec, source: Examples | None, target: Examples) -> None:
    """Whether images are as large as an architecture needs them."""
    asked = [("network", spec.network, target)]
    asked += [("source.network", spec.source_network, source)] if source is not None else []
    for place, network, examples in asked:
        if not isinstance(network, Application):
            continue
        height, width = input_spec_of(network, examples).shape[:2]
        if min(height, width) < _SMALLEST_IMAGE:
            message = (
                f"{place}.image_size: expected at least {_SMALLEST_IMAGE} pixels a side, as "
                f"{network.architecture} needs. Received: {height} x {width}."
            )
            hint = f"Give `image_size`, such as [{_SMALLEST_IMAGE}, {_SMALLEST_IMAGE}], or use a `convnet`."
            raise ServiceError(422, "image_too_small", message, hint=hint)


def _needs(spec: JobSpec, source: Examples | None, target: Examples, presets: Presets) -> Iterator[_Need]:
    """What each sort of the job's trainings needs."""
    method = spec.method
    searches = isinstance(method, StructureTransfer) and method.strategy == "search"
    if isinstance(method, StructureTransfer) and searches:
        networks = search_spaces.largest_networks(spec.network, method.space)
    else:
        networks = [spec.network]
    learnt = spec.source_training
    if source is not None and learnt is not None and (searches or not isinstance(method, StructureTransfer)):
        training = "training" if learnt == spec.training else "source.training"
        for network in networks if searches else [spec.source_network]:
            place = "network" if searches or network == spec.network else "source.network"
            yield _whole(place, network, training, learnt, source, presets)
    for network in networks:
        yield _transfer(spec, method, network, target, presets)
        if spec.evaluation.control:
            yield _whole("network", network, "training", spec.training, target, presets)


def _whole(
    place: str, network: Network, training: str, options: Training, examples: Examples, presets: Presets
) -> _Need:
    """All of a network, trained."""
    input_spec = input_spec_of(network, examples)
    layers = network.layers(input_spec, presets)
    head = _head(layers, examples)
    return _Need(
        place=place,
        training=training,
        network=network,
        input_spec=input_spec,
        trained=sizes.count_weights([*layers, head]),
        frozen=0,
        activations=sizes.count_activations(layers) + prod(input_spec.shape),
        batch=_batch(options, examples),
        table=_table(input_spec, examples),
        again=lambda other, _: _whole(place, other, training, options, examples, presets),
    )


def _transfer(spec: JobSpec, method: Method, network: Network, target: Examples, presets: Presets) -> _Need:
    """The method on the target."""
    input_spec = input_spec_of(network, target)
    layers = network.layers(input_spec, presets)
    frozen, trained = 0, sizes.count_weights(layers)
    if isinstance(method, ParameterTransfer):
        if method.strategy == "linear_probe":
            # The backbone answers once, and its layers are not kept.
            layers, trained, frozen = layers[-1:], 0, trained
        elif method.strategy == "lora":
            trained, frozen = sizes.low_rank(layers, method.rank), trained
        elif method.frozen_layers:
            weighted = [layer for layer in layers if layer.parameters]
            frozen = sizes.count_weights(weighted[: method.frozen_layers])
            trained -= frozen
    elif isinstance(method, CombinedTransfer):
        source = spec.source_network if network == spec.network else network
        own = source.layers(input_spec_of(source, target), presets)
        layers, trained, frozen = _combined(method, own, layers, input_spec, source.in_sequence)
    elif isinstance(method, Distillation):
        teacher = spec.source_network.layers(input_spec_of(spec.source_network, target), presets)
        frozen = sizes.count_weights(teacher) * (1 + len(spec.other_versions))
    need = _Need(
        place="network",
        training="training",
        network=network,
        input_spec=input_spec,
        trained=trained + _head(layers, target).parameters,
        frozen=frozen,
        activations=sizes.count_activations(layers) + prod(input_spec.shape),
        batch=_batch(spec.training, target),
        table=_table(input_spec, target),
        again=lambda other, changed: _transfer(spec, changed, other, target, presets),
    )
    return _of_its_source(need, spec, method, target, presets)


def _of_its_source(need: _Need, spec: JobSpec, method: Method, target: Examples, presets: Presets) -> _Need:
    """The need of a combined transfer, told of the source's network where that is the larger part."""
    source, input_spec = spec.source_network, need.input_spec
    if not isinstance(method, CombinedTransfer) or need.network != spec.network or source == spec.network:
        return need
    own = input_spec_of(source, target)
    if sizes.count_weights(source.layers(own, presets)) <= sizes.count_weights(
        need.network.layers(input_spec, presets)
    ):
        return need

    def again(other: Network, changed: Method) -> _Need:
        lowered = spec.model_copy(update={"source_network": other})
        return _transfer(lowered, changed, spec.network, target, presets)

    return replace(need, place="source.network", network=source, input_spec=own, again=again)


def _combined(
    method: CombinedTransfer, source: list[Layer], new: list[Layer], input_spec: InputSpec, in_sequence: bool
) -> tuple[list[Layer], int, int]:
    """The layers of both, and the weights that are trained and frozen."""
    source_weights = sizes.count_weights(source)
    if method.strategy == "partial_copy":
        weighted = [layer for layer in source if layer.parameters]
        count = method.copied_layers or max(1, len(weighted) - 1)
        layers = [*weighted[:count], *[layer for layer in new if layer.parameters][count:]]
        trained = sizes.count_weights(layers)
        return layers, trained, 0
    if method.strategy == "adapter":
        added = sizes.adapters(source if in_sequence else source[-1:], method.bottleneck)
    elif method.strategy == "side_tuning":
        added = [*new, sizes.dense(new[-1].shape, source[-1].shape[-1], new[-1].option)]
    else:
        added = sizes.laterals(source, new, input_spec.shape)
    layers, added_weights = [*source, *added], sizes.count_weights(added)
    if method.source_learning_rate_factor:
        return layers, source_weights + added_weights, 0
    return layers, added_weights, source_weights


def _head(layers: Sequence[Layer], examples: Examples) -> Layer:
    task, classes = examples.description.task, examples.description.classes
    units = len(classes) if task in ("multiclass", "multilabel") else 1
    return sizes.dense(layers[-1].shape[-1:], units, "")


def _batch(training: Training, examples: Examples) -> int:
    return max(1, min(training.batch_size, examples.description.split.rows["train"]))


def _table(input_spec: InputSpec, examples: Examples) -> int:
    """Bytes of a table's features, which are in memory as a whole; those of other kinds are in files."""
    if examples.description.kind != "tabular":
        return 0
    rows = examples.description.split.rows
    return NUMBER_BYTES * (rows["train"] + rows["validation"]) * input_spec.shape[0]


def _parts(spec: JobSpec, source: Examples | None, target: Examples) -> Iterator[_Part]:
    """The job's trainings by the field that makes them many."""
    asked, method, training = spec.evaluation, spec.method, spec.training
    rows = target.description.split.rows["train"]
    one = _steps(training, rows, training.epochs)
    one *= 2 if spec.pseudo_labels is not None else 1
    searches = isinstance(method, StructureTransfer) and method.strategy == "search"
    if source is not None and spec.source_training is not None:
        learnt, source_rows = spec.source_training, source.description.split.rows["train"]
        if isinstance(method, StructureTransfer) and searches:
            yield _search(method, learnt, source_rows, "the source")
        elif not isinstance(method, StructureTransfer):
            yield _Part(
                "the source's training", "source.training.epochs", _steps(learnt, source_rows, learnt.epochs)
            )
    arms = 1 + asked.control + len(asked.arms)
    what = f"{asked.seeds} seed{'s' if asked.seeds > 1 else ''} of {arms} arm{'s' if arms > 1 else ''}"
    of_arms = asked.seeds * arms * one
    yield _Part(
        what, "training.epochs" if asked.seeds * arms <= training.epochs else "evaluation.seeds", of_arms
    )
    if isinstance(method, StructureTransfer) and searches and asked.control:
        yield _search(method, training, rows, "the target")
    classes = max(1, len(target.description.classes))
    few = sum(_steps(training, min(rows, count * classes), training.epochs) for count in asked.few_shot)
    if few:
        yield _Part("few-shot points", "evaluation.few_shot", few * asked.seeds * (1 + asked.control))


def _search(method: StructureTransfer, training: Training, rows: int, of: str) -> _Part:
    epochs = method.epochs_per_trial or training.epochs
    what = f"a search on {of}, {method.trials:,} trials of {epochs:,} epochs"
    field = "method.epochs_per_trial" if epochs >= method.trials else "method.trials"
    return _Part(what, field, method.trials * _steps(training, rows, epochs))


def _steps(training: Training, rows: int, epochs: int) -> int:
    return epochs * max(_STEPS_AN_EPOCH, -(-rows // training.batch_size))
