"""Images: histograms of oriented gradients, or the pixels themselves."""

from collections.abc import Callable, Mapping
from functools import partial

import keras
import numpy as np

from workers.transfer.baselines import image_layers
from workers.transfer.baselines.image_layers import CLIPPED, ORIENTATIONS, cell_of
from workers.transfer.baselines.linear import linear
from workers.transfer.baselines.readings import MOST_ROWS, MOST_VALUES, Inputs, Reading, as_they_are
from workers.transfer.data import Array, Data, Rows
from workers.transfer.networks.inputs import image

LARGEST_PIXELS = 32
"""The height and width, at most, of pictures that are read by their pixels."""


def readings(data: Data, pool: Rows | None = None) -> list[Reading]:
    """Gradients of pictures of the size that a network reads; pixels of at most 32 by 32; with a pool also
    beside the source's pictures."""
    columns, train = data.signature.columns, data.train.inputs
    options = {"image_size": None, "channels": None, "kind": "convnet"}
    whole = image.first(columns, train, options)
    _, height, width, channels = whole.output_shape
    size = [min(height, LARGEST_PIXELS), min(width, LARGEST_PIXELS)]
    small = image.first(columns, train, {**options, "image_size": size, "channels": channels})
    found = []
    for prefix, rows in (("", None), ("pooled_", pool)):
        if prefix and rows is None:
            continue
        for name, part, features in (("hog", whole, hog), ("pixels", small, flat)):
            prepare = partial(_prepared, name, part, features)
            example = features(np.zeros((1, *part.output_shape[1:]), np.uint8)).shape[1]
            most = min(MOST_ROWS, MOST_VALUES // example)
            parts = partial(image_layers.flat if name == "pixels" else image_layers.hog, part)
            learners = {f"{prefix}{name}": linear}
            found.append(Reading(learners, as_they_are(name), prepare, most, rows, parts=parts))
    return found


def _prepared(
    name: str, part: keras.Model, features: Callable[[Array], Array], inputs: Mapping[str, Array]
) -> Inputs:
    return {name: np.concatenate([features(block) for block in image.blocks(part, [inputs["image"]])])}


def flat(pixels: Array) -> Array:
    """Pixels (n, h, w, c) from 0 to 1, (n, h · w · c) float32."""
    return pixels.reshape(len(pixels), np.prod(pixels.shape[1:])).astype(np.float32) / 255


def hog(pixels: Array) -> Array:
    """Histograms of oriented gradients (Dalal & Triggs 2005) of pixels (n, h, w, c), (n, d) float32.

    Of each pixel the channel of the largest gradient; nine unsigned orientations in cells of 2 to 8 pixels,
    about seven to the shorter side; blocks of 2 by 2 cells at every place, their length clipped (L2-Hys).
    """
    return np.concatenate([_hog(some) for some in np.array_split(pixels, max(1, len(pixels) // 256))])


def _hog(pixels: Array) -> Array:
    n, height, width, _ = pixels.shape
    x = pixels.astype(np.float32)
    rows, columns = np.zeros_like(x), np.zeros_like(x)
    rows[:, 1:-1] = x[:, 2:] - x[:, :-2]
    columns[:, :, 1:-1] = x[:, :, 2:] - x[:, :, :-2]
    strongest = np.hypot(rows, columns).argmax(axis=-1)[..., None]
    rows = np.take_along_axis(rows, strongest, axis=-1)[..., 0]
    columns = np.take_along_axis(columns, strongest, axis=-1)[..., 0]
    size = np.hypot(rows, columns)
    bins = (np.degrees(np.arctan2(rows, columns)) % 180 / (180 / ORIENTATIONS)).astype(np.int64)
    bins %= ORIENTATIONS
    cell = cell_of(height, width)
    down, across = height // cell, width // cell
    cells = np.empty((n, down, across, ORIENTATIONS), np.float32)
    for number in range(ORIENTATIONS):
        of_bin = np.where(bins == number, size, 0)[:, : down * cell, : across * cell]
        cells[..., number] = of_bin.reshape(n, down, cell, across, cell).mean(axis=(2, 4))
    tall, wide = min(2, down), min(2, across)
    corners = [(i, j) for i in range(tall) for j in range(wide)]
    parts = [cells[:, i : down - tall + 1 + i, j : across - wide + 1 + j] for i, j in corners]
    blocks = _unit(np.clip(_unit(np.concatenate(parts, axis=-1)), 0, CLIPPED))
    return blocks.reshape(n, np.prod(blocks.shape[1:]))


def _unit(blocks: Array) -> Array:
    unit: Array = blocks / np.sqrt((blocks**2).sum(axis=-1, keepdims=True) + 1e-10)
    return unit
