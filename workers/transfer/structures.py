"""A structure without its parameters: the same layers with fresh weights."""

from typing import Any

import keras

from workers.transfer.network import leaves
from workers.transfer.seeds import layer_seed


def reinitialised(backbone: keras.Model, seed: int, width: int | None = None) -> keras.Model:
    """A copy with weights drawn anew; every random number follows from the seed and the layer's path.

    Of an `mlp` it is what `network.new_backbone` builds with this seed. `width` is the number of features,
    by default as before.

    Raises:
        ValueError: the width differs, and the backbone does not begin with a Dense layer.
    """
    config = backbone.get_config()
    before = backbone.input_shape[-1]
    if width is not None and width != before:
        first_dense(backbone)
        widen(config, before, width)
    _reseed(config, seed, ())
    return backbone.__class__.from_config(config)


def first_dense(backbone: keras.Model) -> tuple[str, keras.layers.Dense]:
    """The layer that reads the features, and its path.

    Raises:
        ValueError: it is no Dense layer, or there are several.
    """
    path, layer = next((path, layer) for path, layer in leaves(backbone) if layer.weights)
    if not (isinstance(backbone, keras.Sequential) and isinstance(layer, keras.layers.Dense)):
        raise ValueError(
            f"Expected the source's columns exactly, since its backbone begins with {type(layer).__name__} "
            f"or branches. Received: other columns or categories. Give the target the source's columns."
        )
    return path, layer


def widen(config: dict[str, Any], before: int, after: int) -> None:
    """Put a new number of features where a Sequential's config has the old one: the shapes of its input."""
    if config.get("build_input_shape"):
        config["build_input_shape"] = [None, after]
    for layer in config["layers"]:
        if layer["class_name"] == "InputLayer":
            layer["config"]["batch_shape"] = [None, after]
        elif (layer.get("build_config") or {}).get("input_shape") in ([None, before], (None, before)):
            layer["build_config"]["input_shape"] = [None, after]
            break


def _reseed(config: Any, seed: int, path: tuple[str, ...]) -> None:
    """Replace each seed in a config; initialisers and dropout are seeded by the path of their layer."""
    if isinstance(config, list):
        for entry in config:
            _reseed(entry, seed, path)
    elif isinstance(config, dict):
        inner = config.get("config")
        is_layer = isinstance(inner, dict) and "name" in inner
        own = (*path, inner["name"]) if is_layer and isinstance(inner, dict) else path
        for key, value in config.items():
            if key == "seed" and not isinstance(value, dict):
                config[key] = layer_seed(seed, "/".join(path))
            else:
                _reseed(value, seed, own)
