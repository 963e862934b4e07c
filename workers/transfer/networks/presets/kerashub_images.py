"""KerasHub's presets for images, from a folder that `save_to_preset` wrote, by the library's own loaders."""

import json
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import keras

from workers.transfer.networks.input_spec import InputSpec
from workers.transfer.networks.presets.errors import PresetError
from workers.transfer.networks.presets.kerashub import family_of, image_option, keras_hub
from workers.transfer.networks.structures import reinitialised

CONVERTER_FILE = "image_converter.json"
"""Says how pixels are scaled."""


def kerashub_image(input_spec: InputSpec, seed: int, folder: Path, *, with_weights: bool) -> keras.Model:
    """A backbone from images (n, h, w, 3), pixels 0 to 255, to the mean of its last maps (n, filters).

    Its pixels are scaled as the preset's image converter says, if it has one, and else not at all. Without
    weights they are drawn, and depend on `seed` and the layers' names alone.

    Raises:
        PresetError: KerasHub is not installed, the preset is not one for images, or it has layers that are
            not made of Keras' own, so that what is downloaded would not open without KerasHub.
    """
    library = keras_hub()
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    option = image_option(config)
    size = {option: input_spec.shape} if option else {}
    loaded = library.models.Backbone.from_preset(str(folder), load_weights=with_weights, **size)
    outputs = [tuple(output.shape) for output in loaded.outputs]
    if len(loaded.inputs) != 1 or [len(shape) for shape in outputs] != [4]:
        raise PresetError(
            "Expected a preset that makes maps (n, h, w, filters) of an image. "
            f"Received: {family_of(config)}, which makes {outputs} of {len(loaded.inputs)} inputs. "
            "Take another preset."
        )
    inner = _in_built_in_layers(loaded, family_of(config))
    x = keras.Input(input_spec.shape, name="features")
    h = keras.layers.Concatenate(name="grey_to_rgb")([x, x, x]) if input_spec.width == 1 else x
    scale, offset = _scaling(library, folder)
    h = keras.layers.Rescaling(scale, offset=offset, name="scaled")(h)
    out = keras.layers.GlobalAveragePooling2D(name="representation")(inner(h))
    backbone = keras.Model(x, out, name="backbone")
    return backbone if with_weights else reinitialised(backbone, seed)


def _scaling(library: Any, folder: Path) -> tuple[Any, Any]:
    if not (folder / CONVERTER_FILE).is_file():
        return 1.0, 0.0
    converter = library.layers.ImageConverter.from_preset(str(folder))
    scale = 1.0 if converter.scale is None else converter.scale
    return scale, 0.0 if converter.offset is None else converter.offset


def _in_built_in_layers(loaded: keras.Model, family: str) -> keras.Model:
    """The same graph of the same layers, KerasHub's own replaced by what they are made of.

    MobileNet's and EfficientNet's blocks are layers of KerasHub that hold Keras' own and call them one after
    the other: called on a symbolic image, they leave those calls in the graph.
    """
    plain = keras.Model(loaded.inputs, loaded.outputs[0], name="preset")
    unknown = {layer for layer in _with_inner(plain) if not _is_built_in(layer)}
    if not unknown:
        return plain
    # A variable that a layer of KerasHub holds itself would be lost with it.
    holders = {layer for layer in unknown if len(_own_variables(layer)) > 0}
    if not holders:
        with _transparent({type(layer) for layer in unknown}):
            opened = keras.models.clone_model(
                plain,
                clone_function=lambda layer: layer,
                call_function=lambda layer, *inputs, **options: layer(*inputs, **options),
            )
        opened.name = "preset"
        if all(_is_built_in(layer) for layer in _with_inner(opened)):
            return opened
    names = ", ".join(sorted({type(layer).__name__ for layer in holders or unknown}))
    raise PresetError(
        "Expected a preset that is made of Keras' own layers, so that the model opens without KerasHub. "
        f"Received: {family}, with {names}. Take another preset."
    )


@contextmanager
def _transparent(kinds: Collection[type[keras.layers.Layer]]) -> Iterator[None]:
    """For the while, a call of such a layer is no node of a graph, but the calls that it makes itself are."""
    for kind in kinds:
        kind.__call__ = kind.call
    try:
        yield
    finally:
        for kind in kinds:
            del kind.__call__


def _with_inner(model: keras.Model) -> list[keras.layers.Layer]:
    return [layer for layer in model._flatten_layers() if not isinstance(layer, keras.Model)]


def _own_variables(layer: keras.layers.Layer) -> list[Any]:
    inner = {
        id(variable) for part in layer._flatten_layers(include_self=False) for variable in part.variables
    }
    return [variable for variable in layer.variables if id(variable) not in inner]


def _is_built_in(layer: keras.layers.Layer) -> bool:
    return str(type(layer).__module__).startswith("keras.src.layers")
