"""KerasHub's presets for images, from a folder that `save_to_preset` wrote, by the library's own loaders."""

import json
from pathlib import Path
from typing import Any

import keras

from workers.transfer.form import Form
from workers.transfer.structures import reinitialised

MARK = "keras_hub>"


def is_kerashub(config: Any) -> bool:
    """Whether this is the `config.json` of a KerasHub preset."""
    return isinstance(config, dict) and str(config.get("registered_name", "")).startswith(MARK)


def kerashub(form: Form, seed: int, folder: Path, with_weights: bool) -> keras.Model:
    """A backbone from images (n, h, w, 3), pixels 0 to 255, to the mean of its last maps (n, filters).

    Its pixels are scaled as the preset's image converter says, if it has one, and else not at all. Without
    weights they are drawn, and depend on `seed` and the layers' names alone.

    Raises:
        ValueError: KerasHub is not installed, the preset is not one for images, or it has layers that Keras
            has not, so that what is downloaded would not open without KerasHub.
    """
    try:
        import keras_hub
    except ImportError as error:
        raise ValueError(
            "Expected the package keras-hub for this preset. Received: none. Bring it by: "
            "pip install --no-deps keras-hub kagglehub kagglesdk"
        ) from error
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    size = {"image_shape": form.shape} if "image_shape" in config["config"] else {}
    loaded = keras_hub.models.Backbone.from_preset(str(folder), load_weights=with_weights, **size)
    strangers = sorted({layer.__class__.__name__ for layer in _layers(loaded) if not _is_built_in(layer)})
    if strangers or len(loaded.inputs) != 1 or len(loaded.outputs[0].shape) != 4:
        raise ValueError(
            "Expected a preset that makes maps of an image by Keras' own layers, so that the model opens "
            f"without KerasHub. Received: {config['registered_name']}, {', '.join(strangers) or 'others'}."
        )
    x = keras.Input(form.shape, name="features")
    h = keras.layers.Concatenate(name="grey_to_rgb")([x, x, x]) if form.width == 1 else x
    scale, offset = _scaling(keras_hub, folder)
    h = keras.layers.Rescaling(scale, offset=offset, name="scaled")(h)
    inner = keras.Model(loaded.inputs, loaded.outputs[0], name="preset")
    out = keras.layers.GlobalAveragePooling2D(name="representation")(inner(h))
    backbone = keras.Model(x, out, name="backbone")
    return backbone if with_weights else reinitialised(backbone, seed)


def _scaling(keras_hub: Any, folder: Path) -> tuple[Any, Any]:
    if not list(folder.glob("*image_converter.json")) and not (folder / "preprocessor.json").is_file():
        return 1.0, 0.0
    converter = keras_hub.layers.ImageConverter.from_preset(str(folder))
    scale = 1.0 if converter.scale is None else converter.scale
    return scale, 0.0 if converter.offset is None else converter.offset


def _layers(model: keras.Model) -> list[keras.layers.Layer]:
    return [layer for layer in model._flatten_layers() if not isinstance(layer, keras.Model)]


def _is_built_in(layer: keras.layers.Layer) -> bool:
    return str(layer.__class__.__module__).startswith("keras.src.layers")
