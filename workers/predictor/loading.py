"""A version's bundle as something that answers: its network as one graph, and how its rows are read."""

from __future__ import annotations

import json
import tempfile
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pyarrow as pa
import tensorflow as tf

from app.datasets.reading.description import Reading
from app.datasets.reading.errors import DatasetError
from app.datasets.reading.limits import Limits
from app.datasets.reading.rows import read_instances
from workers.transfer.arrays import values
from workers.transfer.data import Array
from workers.transfer.networks.inputs.pictures import decode

GRAPH_BYTES = 16 << 20
"""What a loaded network takes beside its weights: layers and their graph."""

ROWS_A_CALL, IMAGES_A_CALL, PIXELS_A_CALL = 1024, 32, 4 << 20
QUESTIONS_A_CALL = 16
"""Their contexts may be long, and every piece of one is looked for."""

MOST_PIXELS = 32 << 20
"""Of all images of a request: each pixel takes some 50 bytes until it is answered."""

Inputs = dict[str, Array]
"""By the network's input, (n, …); of images all of one size."""


@dataclass(frozen=True, eq=False)
class Loaded:
    """A version's network and what is known of it.

    about: `signature.json` of the bundle.
    """

    about: Mapping[str, Any]
    reading: Reading
    graph: Any
    specs: Mapping[str, Any]
    bytes: int

    @property
    def is_of_questions(self) -> bool:
        """Whether its answers are spans of contexts."""
        return bool(self.about["output"]["task"] == "span")

    def read(self, instances: Sequence[Mapping[str, Any]], limits: Limits) -> Inputs | list[Array]:
        """What the network takes of these rows; of images their pixels, each (h, w, channels).

        Raises:
            DatasetError: a value is none that the upload would take.
        """
        inputs = self.arrays(read_instances(instances, self.reading, limits))
        if "image" not in inputs:
            return inputs
        channels = int(self.about["inputs"][0]["channels"])
        return list(_pixels(inputs["image"], channels))

    def arrays(self, batch: pa.RecordBatch) -> Inputs:
        """Values that were read, by the network's inputs; of images their encoded files."""
        return {
            column["key"]: values(pa.chunked_array([batch[column["name"]]]), column["type"])
            for column in self.about["inputs"]
        }

    def most_rows(self, inputs: Inputs) -> int:
        """How many rows like these one call takes: of images as many as have so many pixels, but one."""
        if self.is_of_questions:
            return QUESTIONS_A_CALL
        image = inputs.get("image")
        if image is None:
            return ROWS_A_CALL
        pixels = int(image.shape[1]) * int(image.shape[2])
        return max(1, min(IMAGES_A_CALL, PIXELS_A_CALL // pixels))

    def contexts(self, inputs: Inputs | list[Array]) -> list[str]:
        """What questions are asked about, where its answers are spans; else nothing."""
        if not self.is_of_questions or isinstance(inputs, list):
            return []
        key = next(one["key"] for one in self.about["inputs"] if one["name"] == "context")
        return [str(text) for text in inputs[key]]

    def answer(self, inputs: Inputs) -> Array:
        """The network's outputs, (n, outputs), float64; texts are bytes."""
        tensors = {name: self._tensor(name, column) for name, column in inputs.items()}
        rows: Array = self.graph(tensors).numpy()
        return rows if rows.dtype == object else rows.astype(np.float64)

    def _tensor(self, name: str, column: Array) -> Any:
        """A column as the graph takes it: cells by themselves are rows of one, pixels are floats."""
        spec = self.specs[name]
        shaped = column.reshape(-1, 1) if len(spec.shape) > column.ndim else column
        return tf.constant(shaped, None if spec.dtype == tf.string else spec.dtype)


def load(bundle: Path) -> Loaded:
    """What a bundle holds; its network is traced once for any number of rows."""
    with zipfile.ZipFile(bundle) as file, tempfile.TemporaryDirectory() as folder:
        about = json.loads(file.read("signature.json"))
        model = keras.saving.load_model(file.extract("model.keras", folder), compile=False)
    specs = {
        column["key"]: _spec(model, place, column["key"]) for place, column in enumerate(about["inputs"])
    }
    function = tf.function(lambda inputs: model(inputs, training=False), input_signature=[specs])
    # Traced now, so that the first row does not wait for it. And a `tf.function` whose arguments do not fit
    # keeps its lock for ever (TensorFlow 2.21); the one graph of it takes none.
    graph = function.get_concrete_function()
    weights = sum(weight.numpy().nbytes for weight in model.weights)
    reading = Reading.model_validate(about["reading"])
    return Loaded(about, reading, graph, specs, weights + GRAPH_BYTES)


def _pixels(files: Array, channels: int) -> Iterator[Array]:
    """Each image (h, w, channels).

    Raises:
        DatasetError: they have too many pixels together.
    """
    left = MOST_PIXELS
    for place, data in enumerate(files):
        pixels = decode(data, channels)
        left -= pixels.shape[0] * pixels.shape[1]
        if left < 0:
            expected = f"images of at most {MOST_PIXELS:,} pixels together"
            received = f"more, with that of row {place + 1}"
            hint = "Send fewer images in a request, or smaller ones."
            error = {"row": place + 1, "column": "image", "expected": expected, "received": received}
            raise DatasetError(
                "too_many_pixels", f"Expected {expected}. Received: {received}.", hint, [error]
            )
        yield pixels


def _spec(model: Any, place: int, key: str) -> Any:
    """Any number of rows, of what the network says it takes."""
    found = next((one for one in model.inputs if one.name == key), model.inputs[place])
    return tf.TensorSpec((None, *found.shape[1:]), found.dtype, name=key)


def groups(rows: Inputs | list[Array]) -> Iterator[tuple[list[int], Inputs]]:
    """Rows that one call takes together, and which they are: all, or of images those of one size."""
    if isinstance(rows, dict):
        yield list(range(len(next(iter(rows.values()))))), rows
        return
    by_shape: dict[tuple[int, ...], list[int]] = {}
    for place, pixels in enumerate(rows):
        by_shape.setdefault(pixels.shape, []).append(place)
    for places in by_shape.values():
        yield places, {"image": np.stack([rows[place] for place in places])}
