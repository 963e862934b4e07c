"""How many numbers does a network hold: its weights, and what a training step keeps of each row?

Sizes follow from shapes alone, so nothing is built. Each network says in `networks.py` which layers it has of
what it reads; here is what a layer of each sort comes to. Weights are exact. What a step keeps is the least
there can be, each layer's output once, so that an estimate never refuses what runs well.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from math import prod

NUMBER_BYTES = 4
"""Networks compute in float32."""


@dataclass(frozen=True)
class InputSpec:
    """What a backbone reads of a row: its shape and, of token ids, how many there are (else 0).

    answer_tokens: how many ids a translation answers with.
    """

    shape: tuple[int, ...]
    tokens: int = 0
    answer_tokens: int = 0


@dataclass(frozen=True)
class Layer:
    """What a layer makes of a row, and what it costs.

    `parameters` are its weights, `activations` the numbers that a step keeps of a row until the gradients
    are known, `kernels` what each of its matrices reads and makes (None: not known), `option` the network's
    option that sets its size.
    """

    shape: tuple[int, ...]
    parameters: int = 0
    activations: int = 0
    kernels: tuple[tuple[int, int], ...] | None = ()
    option: str = ""
    is_dense: bool = False


@dataclass(frozen=True)
class PresetSize:
    """What is known of a pretrained backbone."""

    parameters: int
    units: int


def dense(shape: Sequence[int], units: int, option: str) -> Layer:
    """A dense layer on the last axis."""
    width, places = shape[-1], prod(shape[:-1])
    return Layer(
        (*shape[:-1], units), (width + 1) * units, places * units, ((width, units),), option, is_dense=True
    )


def convolution(shape: Sequence[int], filters: int, size: int, option: str) -> Layer:
    """A convolution over all axes but the last, which keeps their lengths."""
    read = size ** (len(shape) - 1) * shape[-1]
    activations = prod(shape[:-1]) * filters
    return Layer((*shape[:-1], filters), (read + 1) * filters, activations, ((read, filters),), option)


def pooling(shape: Sequence[int], size: int) -> Layer:
    """The maximum of so many places along all axes but the last."""
    pooled = (*(-(-length // size) for length in shape[:-1]), shape[-1])
    return Layer(pooled, activations=prod(pooled))


def flat(shape: Sequence[int]) -> Layer:
    """All axes as one."""
    return Layer((prod(shape),))


def embedding(input_spec: InputSpec, units: int, option: str) -> Layer:
    """A vector a token."""
    (length,) = input_spec.shape
    kernel = (input_spec.tokens, units)
    return Layer((length, units), input_spec.tokens * units, length * units, (kernel,), option)


def joined(layers: Iterable[Layer], shape: tuple[int, ...]) -> Layer:
    """Several layers as the one that holds them."""
    parts = list(layers)
    largest = max(parts, key=lambda part: part.parameters)
    kernels = tuple(kernel for part in parts for kernel in part.kernels or ())
    return Layer(
        shape,
        count_weights(parts),
        sum(part.activations for part in parts),
        kernels,
        largest.option,
        is_dense=False,
    )


def attention_block(shape: tuple[int, int], heads: int, option: str) -> Layer:
    """Attention and a dense layer of four times the width, each after a normalisation and added to its input.

    Kept are, of each place: queries, keys, values, what is attended to, two projections, two normalisations,
    a sum, and the wide layer before and after its activation; of each pair of places and each head, the score
    and its share.
    """
    length, units = shape
    inner = [dense(shape, units, option) for _ in ("query", "key", "value", "joined")]
    inner += [dense(shape, 4 * units, option), dense((length, 4 * units), units, option)]
    block = joined(inner, shape)
    norms, rest = 4 * units, 4 * length * units + 4 * length * units
    return replace(
        block,
        parameters=block.parameters + norms,
        activations=block.activations + rest + 2 * heads * length * length,
    )


def text_encoder(input_spec: InputSpec, preset: PresetSize) -> Layer:
    """A pretrained encoder of the BERT family, whose layers are found in its parameters.

    Twelve squares of its width a layer, beside some 30,000 word pieces. Heads have 64 numbers or fewer.
    """
    (length,) = input_spec.shape
    units = max(preset.units, 1)
    blocks = max(1, round((preset.parameters - 31_000 * units) / (12 * units * units)))
    heads = max(1, units // 64)
    activations = blocks * attention_block((length, units), heads, "length").activations
    return Layer((units,), preset.parameters, activations, None, "length")


def image_backbone(input_spec: InputSpec, preset: PresetSize, activations_per_pixel: float) -> Layer:
    """A convolutional backbone whose layers are not known one by one."""
    height, width = input_spec.shape[:2]
    return Layer(
        (preset.units,), preset.parameters, int(height * width * activations_per_pixel), None, "image_size"
    )


def count_weights(layers: Iterable[Layer]) -> int:
    """How many weights they have together."""
    return sum(layer.parameters for layer in layers)


def count_activations(layers: Iterable[Layer]) -> int:
    """How many numbers a step keeps of a row together."""
    return sum(layer.activations for layer in layers)


def low_rank(layers: Sequence[Layer], rank: int) -> int:
    """Weights of the thin products beside their kernels; the least there can be where those are not known."""
    known = sum(rank * (read + made) for layer in layers for read, made in layer.kernels or ())
    unknown = sum(layer.parameters for layer in layers if layer.kernels is None)
    return known + 2 * rank * int(unknown**0.5)


def adapters(layers: Sequence[Layer], bottleneck: int) -> list[Layer]:
    """What `adapter` puts after each of the layers that has weights."""
    return [
        joined(
            [down := dense(layer.shape, bottleneck, "bottleneck"), dense(down.shape, layer.shape[-1], "")],
            layer.shape,
        )
        for layer in layers
        if layer.parameters
    ]


def laterals(source: Sequence[Layer], new: Sequence[Layer], read_from: tuple[int, ...]) -> list[Layer]:
    """What `progressive` has beside the source's column: the new one, and the layers that join them.

    The column is rebuilt with what its dense layers read besides, as `branches.progressive` does.
    """
    taps = [layer.shape for layer in source if layer.parameters]
    made: list[Layer] = []
    shape, read = read_from, 0
    for layer in new:
        if read and layer.is_dense:
            lateral = dense((prod(taps[min(read, len(taps)) - 1]),), shape[-1], layer.option)
            wider = dense((*shape[:-1], 2 * shape[-1]), layer.shape[-1], layer.option)
            made += [lateral, wider]
        else:
            made.append(layer)
        shape = layer.shape
        read += bool(layer.parameters)
    return [*made, dense((prod(taps[-1]),), shape[-1], made[-1].option), Layer((2 * shape[-1],))]
