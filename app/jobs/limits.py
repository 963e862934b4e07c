"""Is a job too large to be run, or too long? Estimated from its options and its data, before it is accepted.

An estimate is the least there can be: the memory of the largest training's step, weights, gradients and
Adam's two moments, and each layer's output once for each row of a batch. TensorFlow needs some hundred MB
besides, and holds outputs more than once; see docs/api.md for how far it is off.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from app.errors import ServiceError
from app.jobs import sizes, spaces
from app.jobs.forms import form_of
from app.jobs.networks import Application, Network
from app.jobs.recipes import CombinedTransfer, Distillation, ParameterTransfer, StructureTransfer, Training
from app.jobs.requirements import Examples
from app.jobs.schemas import Estimate, JobSpec
from app.jobs.sizes import NUMBER_BYTES, Form, Layer, PresetSize
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
    """What one training needs: weights that are trained and that are not, and what is kept of a row."""

    place: str
    training: str
    layers: Sequence[Layer]
    trained: int
    frozen: int
    kept: int
    batch: int
    table: int

    @property
    def weights_bytes(self) -> int:
        return NUMBER_BYTES * (_COPIES * self.trained + self.frozen)

    @property
    def row_bytes(self) -> int:
        return NUMBER_BYTES * self.kept

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
        raise _too_large(most, settings.max_job_memory_bytes)
    parts = list(_parts(spec, source, target))
    steps = sum(part.steps for part in parts)
    if steps > settings.max_job_steps:
        raise _too_long(parts, steps, settings.max_job_steps)
    return Estimate(parameters=most.trained + most.frozen, memory_bytes=most.bytes, steps=steps)


def _too_large(need: _Need, limit: int) -> ServiceError:
    rows = f"{need.batch:,} row{'s' if need.batch > 1 else ''}"
    received = f"{need.trained + need.frozen:,} weights, and at least {_gib(need.bytes)} for a step of {rows}"
    if need.table >= max(need.weights_bytes, need.batch * need.row_bytes):
        field, hint = f"{need.place}.max_categories", "Lower it, or upload fewer columns of many values"
        received += f", of which {_gib(need.table)} for the rows of the table"
    elif need.weights_bytes >= need.batch * need.row_bytes:
        largest = max(need.layers, key=lambda layer: layer.parameters)
        field, hint = _field(need.place, largest), "Lower it"
    elif need.weights_bytes + need.row_bytes + need.table <= limit and need.batch > 1:
        fits = (limit - need.weights_bytes - need.table) // need.row_bytes
        field, hint = f"{need.training}.batch_size", f"Lower it to {fits:,} or less"
    else:
        largest = max(need.layers, key=lambda layer: layer.kept)
        option = {"filters": "image_size", "units": "length"}.get(largest.option, largest.option)
        field, hint = _field(need.place, Layer((), option=option)), "Lower it"
    message = (
        f"{field}: expected a training that needs at most {_gib(limit)} of memory. Received: {received}."
    )
    hint += "; where workers have more memory, MODEL_TRANSFER_MAX_JOB_MEMORY_BYTES allows more."
    return ServiceError(422, "network_too_large", message, hint=hint)


def _field(place: str, layer: Layer) -> str:
    return f"method.{layer.option}" if layer.option in ("bottleneck", "rank") else f"{place}.{layer.option}"


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
        height, width = form_of(network, examples).shape[:2]
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
        networks = spaces.largest(spec.network, method.space)
    else:
        networks = [spec.network]
    if source is not None and spec.source_training is not None:
        for network in networks if searches else [spec.source_network]:
            if searches or not isinstance(method, StructureTransfer):
                yield _whole(
                    "source.network", network, "source.training", spec.source_training, source, presets
                )
    for network in networks:
        yield _transfer(spec, network, target, presets)
        if spec.evaluation.control:
            yield _whole("network", network, "training", spec.training, target, presets)


def _whole(
    place: str, network: Network, training: str, options: Training, examples: Examples, presets: Presets
) -> _Need:
    """All of a network, trained."""
    form = form_of(network, examples)
    layers = network.layers(form, presets)
    head = _head(layers, examples)
    weights = sizes.weights_of([*layers, head])
    return _need(place, training, layers, weights, 0, sizes.kept_of(layers), options, form, examples)


def _transfer(spec: JobSpec, network: Network, target: Examples, presets: Presets) -> _Need:
    """The job's method on the target."""
    method, form = spec.method, form_of(network, target)
    layers = network.layers(form, presets)
    backbone, kept, frozen = sizes.weights_of(layers), sizes.kept_of(layers), 0
    trained = backbone
    if isinstance(method, ParameterTransfer):
        if method.strategy == "linear_probe":
            trained, frozen, kept = 0, backbone, 0
        elif method.strategy == "lora":
            thin = sizes.low_rank(layers, method.rank)
            layers = [*layers, Layer(layers[-1].shape, thin, option="rank")]
            trained, frozen = thin, backbone
        elif method.frozen_layers:
            weighted = [layer for layer in layers if layer.parameters]
            frozen = sizes.weights_of(weighted[: method.frozen_layers])
            trained = backbone - frozen
    elif isinstance(method, CombinedTransfer):
        own = spec.source_network.layers(form_of(spec.source_network, target), presets)
        layers, trained, frozen = _combined(method, own, layers, form, spec.source_network.in_sequence)
        kept = sizes.kept_of(layers)
    elif isinstance(method, Distillation):
        teacher = spec.source_network.layers(form_of(spec.source_network, target), presets)
        frozen = sizes.weights_of(teacher) * (1 + len(spec.other_versions))
    head = _head(layers, target)
    return _need(
        "network", "training", layers, trained + head.parameters, frozen, kept, spec.training, form, target
    )


def _combined(
    method: CombinedTransfer, source: list[Layer], new: list[Layer], form: Form, in_sequence: bool
) -> tuple[list[Layer], int, int]:
    """The layers of both, and the weights that are trained and frozen."""
    theirs = sizes.weights_of(source)
    if method.strategy == "partial_copy":
        weighted = [layer for layer in source if layer.parameters]
        count = method.copied_layers or max(1, len(weighted) - 1)
        layers = [*weighted[:count], *[layer for layer in new if layer.parameters][count:]]
        trained = sizes.weights_of(layers)
        return layers, (trained, 0)[method.source_learning_rate_factor == 0], 0
    if method.strategy == "adapter":
        added = sizes.adapters(source if in_sequence else source[-1:], method.bottleneck)
    elif method.strategy == "side_tuning":
        added = [*new, sizes.dense(new[-1].shape, source[-1].shape[-1], new[-1].option)]
    else:
        added = sizes.laterals(source, new, form.shape)
    layers, ours = [*source, *added], sizes.weights_of(added)
    if method.source_learning_rate_factor:
        return layers, theirs + ours, 0
    return layers, ours, theirs


def _head(layers: Sequence[Layer], examples: Examples) -> Layer:
    task, classes = examples.description.task, examples.description.classes
    units = len(classes) if task in ("multiclass", "multilabel") else 1
    return sizes.dense(layers[-1].shape[-1:], units, "")


def _need(
    place: str,
    training: str,
    layers: Sequence[Layer],
    trained: int,
    frozen: int,
    kept: int,
    options: Training,
    form: Form,
    examples: Examples,
) -> _Need:
    rows = examples.description.split.rows
    # A table's features are in memory as a whole; those of other kinds are in files.
    table = NUMBER_BYTES * (rows["train"] + rows["validation"]) * form.shape[0]
    is_table = examples.description.kind == "tabular"
    return _Need(
        place=place,
        training=training,
        layers=layers,
        trained=trained,
        frozen=frozen,
        kept=kept + _read(form),
        batch=max(1, min(options.batch_size, rows["train"])),
        table=table if is_table else 0,
    )


def _read(form: Form) -> int:
    count = 1
    for length in form.shape:
        count *= length
    return count


def _parts(spec: JobSpec, source: Examples | None, target: Examples) -> Iterator[_Part]:
    """The job's trainings by the field that makes them many."""
    asked, method, training = spec.evaluation, spec.method, spec.training
    rows = target.description.split.rows["train"]
    one = _steps(training, rows, training.epochs)
    one *= 2 if spec.pseudo_labels is not None else 1
    searches = isinstance(method, StructureTransfer) and method.strategy == "search"
    if source is not None and spec.source_training is not None:
        learnt, theirs = spec.source_training, source.description.split.rows["train"]
        if isinstance(method, StructureTransfer) and searches:
            yield _search(method, learnt, theirs, "the source")
        elif not isinstance(method, StructureTransfer):
            yield _Part(
                "the source's training", "source.training.epochs", _steps(learnt, theirs, learnt.epochs)
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
