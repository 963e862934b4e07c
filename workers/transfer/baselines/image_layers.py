"""Pixels and histograms of oriented gradients as `images` makes them, by built-in layers."""

import keras
import numpy as np
from keras import ops

from workers.transfer.baselines.as_network import scores
from workers.transfer.data import Array

ORIENTATIONS, CLIPPED = 9, 0.2
"""Of gradients, and what a block's values are held to."""

_CELLS, _SMALLEST_CELL, _LARGEST_CELL = 7, 2, 8


def cell_of(height: int, width: int) -> int:
    """The side of a cell in pixels."""
    cell = int(np.clip(min(height, width) // _CELLS, _SMALLEST_CELL, _LARGEST_CELL))
    return min(cell, height, width)


def flat(part: keras.Model, _: object, kernel: Array, bias: Array) -> tuple[keras.Model, keras.Model]:
    """Pixels from 0 to 1."""
    return part, scores(part.output_shape[1:], kernel, bias, lambda x: ops.divide(x, 255.0))


def hog(part: keras.Model, _: object, kernel: Array, bias: Array) -> tuple[keras.Model, keras.Model]:
    """Histograms of oriented gradients."""
    return part, scores(part.output_shape[1:], kernel, bias, _hog)


def _hog(x: keras.KerasTensor) -> keras.KerasTensor:
    _, height, width, channels = x.shape
    cell = cell_of(height, width)
    rows, columns = _gradient(x, 1), _gradient(x, 2)
    size = ops.sqrt(ops.add(ops.square(rows), ops.square(columns)))
    # The channel of the largest gradient, of equal ones the first.
    strongest = ops.one_hot(ops.argmax(size, axis=-1), channels)
    rows, columns, size = (ops.sum(ops.multiply(one, strongest), axis=-1) for one in (rows, columns, size))
    turn = ops.mod(ops.arctan2(rows, columns) * (180 / np.pi), 180.0)
    bins = ops.mod(ops.cast(ops.divide(turn, 180.0 / ORIENTATIONS), "int32"), ORIENTATIONS)
    votes = ops.multiply(ops.one_hot(bins, ORIENTATIONS), ops.expand_dims(size, -1))
    down, across = height // cell, width // cell
    votes = votes[:, : down * cell, : across * cell]
    cells = ops.average_pool(votes, cell, strides=cell, padding="valid")
    tall, wide = min(2, down), min(2, across)
    corners = [(i, j) for i in range(tall) for j in range(wide)]
    around = [cells[:, i : down - tall + 1 + i, j : across - wide + 1 + j] for i, j in corners]
    return _unit(ops.clip(_unit(ops.concatenate(around, axis=-1)), 0.0, CLIPPED))


def _gradient(x: keras.KerasTensor, axis: int) -> keras.KerasTensor:
    """Of each pixel the difference of its neighbours along an axis, 0 at the ends."""
    length = x.shape[axis]
    if length < 3:
        return ops.zeros_like(x)
    after = x[:, 2:] if axis == 1 else x[:, :, 2:]
    before = x[:, :-2] if axis == 1 else x[:, :, :-2]
    width = [(1, 1) if place == axis else (0, 0) for place in range(4)]
    return ops.pad(ops.subtract(after, before), width)


def _unit(blocks: keras.KerasTensor) -> keras.KerasTensor:
    length = ops.sqrt(ops.add(ops.sum(ops.square(blocks), axis=-1, keepdims=True), 1e-10))
    return ops.divide(blocks, length)
