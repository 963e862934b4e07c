"""Build, save and load a network: preprocessing, backbone and head in one Keras model of raw inputs."""

import hashlib
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal

import keras
import numpy as np

from workers.transfer import preprocessing, tasks
from workers.transfer.data import Array, Column, Data, Signature

Part = Literal["preprocessing", "backbone", "head"]
PARTS: tuple[Part, ...] = ("preprocessing", "backbone", "head")

BATCH_ROWS = 1024
"""Rows a forward pass takes at a time, so that memory does not grow with the data."""


@dataclass(frozen=True, eq=False)
class Network:
    """One Keras model from a dict of raw inputs to predictions, made of three named parts.

    Inputs are those of `data.Rows.inputs`, each (n,) or (n, 1). Predictions are probabilities, (n, 1) of
    the positive class or (n, k), or values in the label's unit (n, 1).
    """

    model: keras.Model
    signature: Signature
    options: Mapping[str, Any]

    def part(self, name: Part) -> keras.Model:
        """One of the three parts, a Keras model of its own."""
        return self.model.get_layer(name)

    @property
    def preprocessing(self) -> keras.Model:
        """Raw columns to features (n, d)."""
        return self.part("preprocessing")

    @property
    def backbone(self) -> keras.Model:
        """Features to representation (n, h)."""
        return self.part("backbone")

    @property
    def head(self) -> keras.Model:
        """Representation to predictions."""
        return self.part("head")

    def save(self, path: Path) -> None:
        """Write the `.keras` file; `path` must end so."""
        with warnings.catch_warnings():
            # Keras 3.15 hands its variables to np.array, whose `copy` argument they do not know.
            warnings.filterwarnings("ignore", "__array__ implementation", DeprecationWarning)
            self.model.save(path)


def in_sequence(backbone: keras.Model) -> bool:
    """Whether its layers follow one another; else it branches, or is nested."""
    return isinstance(backbone, keras.Sequential)


def leaves(part: keras.Model) -> list[tuple[str, keras.layers.Layer]]:
    """The layers of a part but its inputs, with their paths; those of a nested model as `model/layer`."""
    found: list[tuple[str, keras.layers.Layer]] = []
    for layer in part.layers:
        if isinstance(layer, keras.Model):
            found += [(f"{layer.name}/{path}", leaf) for path, leaf in leaves(layer)]
        elif not isinstance(layer, keras.layers.InputLayer):
            found.append((layer.name, layer))
    return found


def clone(part: keras.Model) -> keras.Model:
    """A copy with layers of its own, and the same values."""
    copy = part.__class__.from_config(part.get_config())
    copy.set_weights(part.get_weights())
    return copy


def build(options: Mapping[str, Any], data: Data, seed: int) -> Network:
    """A new network for the data: preprocessing learnt from its train rows, initial weights from `seed`.

    Raises:
        ValueError: an unknown kind, or options that do not fit the columns.
    """
    columns = data.signature.columns
    if options["preprocessing"]:
        first = preprocessing.learnt(columns, data.train.inputs, options["max_categories"])
    else:
        first = preprocessing.plain(columns)
    return build_after(first, options, data, seed)


def build_after(first: keras.Model, options: Mapping[str, Any], data: Data, seed: int) -> Network:
    """As `build`, with a given preprocessing part."""
    backbone = new_backbone(options, first.output_shape[-1], seed)
    head = tasks.head(data.signature, backbone.output_shape[-1], seed, tasks.label_unit(options, data))
    return join(first, backbone, head, data.signature, options)


def new_backbone(options: Mapping[str, Any], width: int, seed: int) -> keras.Model:
    """The backbone `backbones/<kind>.py:<kind>` with the options of its kind as keywords."""
    kind = str(options["kind"])
    name = f"workers.transfer.backbones.{kind}"
    if not kind.isidentifier() or find_spec(name) is None:
        raise ValueError(f"Expected a kind of network. Received: {kind!r}. Use, for example, 'mlp'.")
    own = {key: options[key] for key in options if key not in ("kind", "preprocessing", "max_categories")}
    backbone: keras.Model = getattr(import_module(name), kind)(width, seed, **own)
    return backbone


def join(
    first: keras.Model,
    backbone: keras.Model,
    head: keras.Model,
    signature: Signature,
    options: Mapping[str, Any],
) -> Network:
    """Three parts to one network; the parts are shared, not copied."""
    names = [_input_name(number, column) for number, column in enumerate(signature.columns)]
    inputs = {
        column.name: preprocessing.input_of(column, name)
        for column, name in zip(signature.columns, names, strict=True)
    }
    with _renamed_inputs_allowed():
        model = keras.Model(inputs, head(backbone(first(list(inputs.values())))), name="network")
    return Network(model, signature, dict(options))


def load(path: Path, signature: Signature, options: Mapping[str, Any]) -> Network:
    """The network that `Network.save` wrote; Keras' safe mode stays on."""
    with _renamed_inputs_allowed():
        return Network(keras.saving.load_model(path, compile=False), signature, dict(options))


def forward(model: keras.Model, inputs: Any) -> Array:
    """The model's outputs for all rows, inference mode, `BATCH_ROWS` rows at a time.

    `inputs` is an array (n, …), a list of columns or a dict of columns, as the model takes them.
    """
    rows = len(keras.tree.flatten(inputs)[0])
    batches = [slice(start, start + BATCH_ROWS) for start in range(0, max(rows, 1), BATCH_ROWS)]
    outputs = [model(keras.tree.map_structure(lambda x, b=batch: _tensor(x[b]), inputs)) for batch in batches]
    return np.concatenate([np.asarray(output) for output in outputs])


def weights_digest(network: Network) -> str:
    """sha256 over all weights in order, with names, shapes and types: same weights, same digest.

    A `.keras` file's own bytes hold the time of writing.
    """
    digest = hashlib.sha256()
    for weight in network.model.weights:
        values = np.ascontiguousarray(weight.numpy())
        digest.update(f"{weight.name} {values.shape} {values.dtype.str}\n".encode())
        digest.update(values.tobytes())
    return digest.hexdigest()


def _tensor(values: Array) -> Any:
    if values.dtype.kind in "OU":
        return keras.ops.convert_to_tensor(values.reshape(-1, 1).tolist(), dtype="string")
    return keras.ops.convert_to_tensor(values)


def _input_name(number: int, column: Column) -> str:
    """The column's name where Keras allows it as the name of a layer beside the three parts."""
    return (
        f"column_{number}" if "/" in column.name or column.name in PARTS or not column.name else column.name
    )


def _renamed_inputs_allowed() -> "warnings.catch_warnings[None]":
    return warnings.catch_warnings(action="ignore", category=UserWarning)
