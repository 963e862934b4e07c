"""How much memory does each training of a job need at least?

The memory of one step: weights, gradients and Adam's two moments, and each layer's output once for each row
of a batch. TensorFlow needs some hundred MB besides, and holds outputs more than once; docs/api.md says how
far the estimate is off.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from math import prod

from app.jobs import search_spaces, sizes
from app.jobs.input_specs import input_spec_of
from app.jobs.networks import Network
from app.jobs.recipes import CombinedTransfer, Distillation, Method, ParameterTransfer, StructureTransfer
from app.jobs.requirements import Examples, controls_are_usual
from app.jobs.schemas import JobSpec
from app.jobs.sizes import NUMBER_BYTES, InputSpec, Layer, PresetSize
from app.jobs.training import Training

_COPIES = 4
"""Of a weight that is trained: itself, its gradient, Adam's two moments."""

_HEAD_ROWS, _HEAD_VALUES = 2000, 1 << 25
"""A head is fitted in closed form on so many rows, or on as many more as have so many values at most."""

_HEAD_BYTES = 3 * 8
"""Of each of their values in double precision: as it is, centred, and scaled."""

Presets = Mapping[str, PresetSize]


@dataclass(frozen=True)
class MemoryNeed:
    """What one training needs: weights that are trained and that are not, and what is kept of a row.

    `head` are the bytes of fitting one in closed form, before the first step. `again` is the same with
    another network and method.
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
    again: Callable[[Network, Method], MemoryNeed]
    head: int = 0

    @property
    def weights_bytes(self) -> int:
        return NUMBER_BYTES * (_COPIES * self.trained + self.frozen)

    @property
    def row_bytes(self) -> int:
        return NUMBER_BYTES * self.activations

    @property
    def step_bytes(self) -> int:
        return self.weights_bytes + self.batch * self.row_bytes + self.table

    @property
    def head_bytes(self) -> int:
        """While a head is fitted: no weight has a gradient yet."""
        return NUMBER_BYTES * (self.trained + self.frozen) + self.head + self.table if self.head else 0

    @property
    def bytes(self) -> int:
        return max(self.step_bytes, self.head_bytes)


def memory_needs(
    spec: JobSpec, source: Examples | None, target: Examples, presets: Presets, *, is_preset: bool
) -> Iterator[MemoryNeed]:
    """What each sort of the job's trainings needs; `is_preset`: the source is one, and is not trained.

    The usual network, where the control is one, is small.
    """
    method = spec.method
    searches = isinstance(method, StructureTransfer) and method.strategy == "search"
    if isinstance(method, StructureTransfer) and searches:
        networks = search_spaces.largest_networks(spec.network, method.space)
    else:
        networks = [spec.network]
    is_usual = controls_are_usual(spec, is_preset=is_preset)
    learnt = spec.source_training
    if source is not None and learnt is not None and (searches or not isinstance(method, StructureTransfer)):
        training = "training" if learnt == spec.training else "source.training"
        for network in networks if searches else [spec.source_network]:
            place = "network" if searches or network == spec.network else "source.network"
            yield _whole(place, network, training, learnt, source, presets)
    for network in networks:
        yield _transfer(spec, method, network, target, presets)
        if spec.evaluation.control and not is_usual:
            yield _whole("network", network, "training", spec.training, target, presets)


def _whole(
    place: str, network: Network, training: str, options: Training, examples: Examples, presets: Presets
) -> MemoryNeed:
    """All of a network, trained."""
    input_spec = input_spec_of(network, examples)
    layers = network.layers(input_spec, presets)
    head = _head(layers, examples)
    return MemoryNeed(
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


def _transfer(
    spec: JobSpec, method: Method, network: Network, target: Examples, presets: Presets
) -> MemoryNeed:
    """The method on the target."""
    input_spec = input_spec_of(network, target)
    layers = network.layers(input_spec, presets)
    frozen, trained, head = 0, sizes.count_weights(layers), _fitted_head(spec, layers, target)
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
    need = MemoryNeed(
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
        head=head,
    )
    return _of_its_source(need, spec, method, target, presets)


def _of_its_source(
    need: MemoryNeed, spec: JobSpec, method: Method, target: Examples, presets: Presets
) -> MemoryNeed:
    """The need of a combined transfer, attributed to the source's network if that is the larger part."""
    source, input_spec = spec.source_network, need.input_spec
    if not isinstance(method, CombinedTransfer) or need.network != spec.network or source == spec.network:
        return need
    own = input_spec_of(source, target)
    if sizes.count_weights(source.layers(own, presets)) <= sizes.count_weights(
        need.network.layers(input_spec, presets)
    ):
        return need

    def again(other: Network, changed: Method) -> MemoryNeed:
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
    if task == "seq2seq":  # a word a place at least
        return sizes.dense(layers[-1].shape, layers[0].kernels[0][0] if layers[0].kernels else 1, "")
    if task == "span":  # begin and end of each place
        return sizes.dense(layers[-1].shape, 2, "")
    return sizes.dense(layers[-1].shape[-1:], units, "")


def _fitted_head(spec: JobSpec, layers: Sequence[Layer], examples: Examples) -> int:
    """Bytes that a head in closed form takes on the backbone's outputs; 0 where none is fitted."""
    fitted = ("linear_probe", "lp_ft", "contrastive")
    probes = isinstance(spec.method, ParameterTransfer) and spec.method.strategy in fitted
    if spec.training.epochs is not None or not (probes or "random_frozen" in spec.evaluation.arms):
        return 0
    width = layers[-1].shape[-1]
    rows = min(examples.description.split.rows["train"], max(_HEAD_ROWS, _HEAD_VALUES // width))
    return _HEAD_BYTES * rows * width


def _batch(training: Training, examples: Examples) -> int:
    return max(1, min(training.batch_size, examples.description.split.rows["train"]))


def _table(input_spec: InputSpec, examples: Examples) -> int:
    """Bytes of a table's features, which are in memory as a whole; those of other kinds are in files."""
    if examples.description.kind != "tabular":
        return 0
    rows = examples.description.split.rows
    return NUMBER_BYTES * (rows["train"] + rows["validation"]) * input_spec.shape[0]
