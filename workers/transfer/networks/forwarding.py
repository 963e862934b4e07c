"""How rows go through a model: so many at a time that memory grows neither with the data nor with the model.

Called layer by layer, a Keras model holds what every layer makes of the rows until the last one has answered;
as a graph it holds what is still to be read. For 341 texts of 48 tokens MiniLM takes 4.5 GB one way and 0.4
the other, and TensorFlow's allocator keeps for the process what it once took.
"""

from collections.abc import Iterator
from functools import partial
from typing import Any, NamedTuple

import keras
import numpy as np
import tensorflow as tf

from workers.transfer.data import Array

BATCH_ROWS = 1024
"""Rows that go through a model together, at most."""

WIDEST_VALUES = 1 << 23
"""Values of as many rows, at most, where the model is widest."""

_WORTH_TRACING = 6
"""Batches from which on the tracing of a graph is won back."""

_HELD_VALUES = 1 << 25
"""Values that all layers may hold together; a model that would hold more is called as a graph."""


class _Values(NamedTuple):
    """What one row becomes inside a model: the most values at one place, and those of all places."""

    widest: int
    together: int


def forward(model: keras.Model, inputs: Any) -> Array:
    """The model's outputs for all rows, inference mode.

    `inputs` is an array (n, …), a list of columns or a dict of columns, as the model takes them.
    """
    return np.concatenate(list(batches(model, inputs)))


def batches(model: keras.Model, inputs: Any) -> Iterator[Array]:
    """As `forward`, batch by batch."""
    rows, step = len(keras.tree.flatten(inputs)[0]), rows_at_a_time(model)
    starts = range(0, max(rows, 1), step)
    is_deep = _values(model).together * min(rows, step) > _HELD_VALUES
    call = model
    if isinstance(inputs, np.ndarray) and (is_deep or len(starts) >= _WORTH_TRACING):
        call = _traced(model, "string" if inputs.dtype.kind in "OU" else inputs.dtype.name)
    for start in starts:
        yield np.asarray(call(keras.tree.map_structure(partial(_tensor, start, start + step), inputs)))


def inputs_of(model: keras.Model) -> Any:
    """The model's one symbolic input, or several by their names."""
    if len(model.inputs) == 1:
        return model.inputs[0]
    return {one.name: one for one in model.inputs}


def rows_at_a_time(*models: keras.Model, most: int = BATCH_ROWS) -> int:
    """How many rows go through models, one after the other, together."""
    return max(1, min(most, WIDEST_VALUES // max(1, *(_values(model).widest for model in models))))


def _values(model: keras.Model) -> _Values:
    known: _Values | None = model.__dict__.get("values_a_row")
    if known is None:
        # Beside what Keras tracks of a model, and gone with it: a model that is built keeps its layers.
        known = model.__dict__["values_a_row"] = _counted(model)
    return known


def _counted(model: keras.Model) -> _Values:
    widest = together = 0
    for operation in getattr(model, "operations", model.layers):
        if isinstance(operation, keras.Model):
            inner = _values(operation)
            widest, together = max(widest, inner.widest), together + inner.together
            continue
        made = keras.tree.flatten([node.outputs for node in operation._inbound_nodes])
        sizes = [int(np.prod([side or 1 for side in tensor.shape[1:]], dtype=np.int64)) for tensor in made]
        widest, together = max([widest, *sizes]), together + sum(sizes)
    return _Values(widest, together)


def _traced(model: keras.Model, dtype: str) -> Any:
    """The model as a graph, whose layers TensorFlow fuses; traced once for each model and type of inputs."""
    # Beside what Keras tracks of a model, and gone with it.
    graphs: dict[str, Any] = model.__dict__.setdefault("traced_by_type", {})
    if dtype not in graphs:
        read_as = model.inputs[0].dtype
        graphs[dtype] = tf.function(
            lambda x: model(x if dtype == read_as else tf.cast(x, read_as), training=False),
            [tf.TensorSpec([None, *model.input_shape[1:]], dtype)],
            autograph=False,
        )
    return graphs[dtype]


def _tensor(start: int, end: int, values: Array) -> Any:
    some = values[start:end]
    if some.dtype.kind in "OU":
        return keras.ops.convert_to_tensor(some.reshape(-1, 1).tolist(), dtype="string")
    return keras.ops.convert_to_tensor(some)
