"""Structures without parameters: the same layers with fresh weights; a random structure of a size."""

import itertools
from collections.abc import Mapping, Sequence
from typing import Any

import keras
import numpy as np

from workers.transfer.data import Array
from workers.transfer.networks.input_spec import InputSpec, input_spec_of
from workers.transfer.networks.network import in_sequence, leaves
from workers.transfer.seeds import layer_seed

MATCHED, INNER, TOKENS = "matched", "inner", "tokens"


def reinitialised(backbone: keras.Model, seed: int, input_spec: InputSpec | None = None) -> keras.Model:
    """A copy with weights drawn anew; every random number follows from the seed and the layer's path.

    Of an `mlp` it is what `network.new_backbone` builds with this seed. `input_spec` is what it reads, by
    default as before: another number of tokens changes the embedding, another number of columns the first
    Dense layer; a backbone that does not begin with one gets one in front.
    """
    config = backbone.get_config()
    old = input_spec_of(backbone)
    input_spec = input_spec or old
    if input_spec.tokens != old.tokens:
        retoken(config, input_spec.tokens)
    before, width = old.width, input_spec.width
    widened = width != before and first_dense(backbone) is not None
    if widened:
        widen(config, before, width)
    _reseed(config, seed, ())
    made = backbone.__class__.from_config(config)
    if width == before or widened:
        return made
    kernel = keras.initializers.GlorotUniform(seed=layer_seed(seed, MATCHED))
    return behind_dense(made, np.array(kernel((width, before))))


def first_dense(backbone: keras.Model) -> tuple[str, keras.layers.Dense] | None:
    """The layer that alone reads the features, and its path; None if there are several, or it is no Dense."""
    path, layer = next((path, layer) for path, layer in leaves(backbone) if layer.weights)
    if in_sequence(backbone) and isinstance(layer, keras.layers.Dense):
        return path, layer
    return None


def behind_dense(backbone: keras.Model, kernel: Array) -> keras.Model:
    """The backbone, as `INNER`, behind a linear layer `MATCHED` of this kernel (features, its own width).

    What lets any backbone read other features than it was made for.
    """
    x = keras.Input((kernel.shape[0],), name="features")
    matched = keras.layers.Dense(kernel.shape[1], use_bias=False, name=MATCHED)
    inner = backbone.__class__.from_config({**backbone.get_config(), "name": INNER})
    joined = keras.Model(x, inner(matched(x)), name="backbone")
    matched.set_weights([kernel])
    inner.set_weights(backbone.get_weights())
    return joined


def retoken(config: Any, tokens: int) -> None:
    """Put a new number of tokens where a config has the embedding of the old ones."""
    if isinstance(config, list):
        for entry in config:
            retoken(entry, tokens)
    elif isinstance(config, dict):
        if config.get("class_name") == "Embedding" and config["config"]["name"] == TOKENS:
            config["config"]["input_dim"] = tokens
        for entry in config.values():
            retoken(entry, tokens)


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


def random_structure(options: Mapping[str, Any], width: int, parameters: int, seed: int) -> dict[str, Any]:
    """Options of an `mlp` drawn at random, whose backbone has about this number of parameters.

    The ablation of structure transfer: the size stays, all else of the structure is drawn as in a search
    space, 1 to 4 layers, ratios of units of 16 to 512, activation and dropout. Of a hundred draws it is the
    first whose size is right to 10 %, or the nearest: few units come in few sizes. `width` is the number of
    features; what says no structure (preprocessing) stays as in `options`.
    """
    rng = np.random.Generator(np.random.Philox(seed))
    nearest: tuple[float, dict[str, Any]] | None = None
    for _ in range(100):
        shape = 2.0 ** rng.uniform(4, 9, size=rng.integers(1, 5))
        units = _scaled(shape, width, parameters)
        activation = str(rng.choice(["relu", "gelu", "selu", "silu", "tanh"]))
        dropout = float(rng.choice([0.0, 0.1, 0.2, 0.3, 0.4, 0.5]))
        off = abs(mlp_parameters(width, units) / parameters - 1)
        if nearest is None or off < nearest[0]:
            nearest = off, {"hidden_units": units, "activation": activation, "dropout": dropout}
        if off <= 0.1:
            break
    assert nearest is not None
    kept = {name: options[name] for name in ("preprocessing", "max_categories")}
    return {"kind": "mlp", **nearest[1], **kept}


def mlp_parameters(width: int, hidden_units: Sequence[int]) -> int:
    """Kernels and biases of dense layers after `width` features."""
    return sum((above + 1) * below for above, below in itertools.pairwise([width, *hidden_units]))


def _scaled(shape: Array, width: int, parameters: int) -> list[int]:
    """Units in these ratios, as many as the parameters allow; by bisection, since both grow together."""
    low, high = 0.0, float(parameters)
    for _ in range(100):
        middle = (low + high) / 2
        units = [max(1, round(middle * ratio)) for ratio in shape]
        low, high = (middle, high) if mlp_parameters(width, units) <= parameters else (low, middle)
    return [max(1, round(low * ratio)) for ratio in shape]


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
