"""Backbones that join the source's layers with new ones, of built-in Keras layers alone.

Each builder takes the source's backbone on the target's features, whose layers it uses as they are, and
answers the joined backbone with the paths of its copied layers and its joints, the layers that add up or put
side by side what comes from the source and what is new, in this order.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import keras
from keras import layers, ops

from workers.transfer.networks.input_spec import input_spec_of
from workers.transfer.networks.network import in_sequence, leaves, new_backbone
from workers.transfer.seeds import layer_seed

SOURCE = "source"
"""The name of the source's backbone where it is a branch of its own."""

ALPHA = "alpha"
"""The name of the layer that holds side-tuning's a."""


@dataclass(frozen=True, eq=False)
class JoinedBackbone:
    """A backbone, which of its layers are the source's (paths), and where its branches meet."""

    backbone: keras.Model
    copied: dict[str, str]
    """Path in the joined backbone to path in the source's."""
    joints: list[str] = field(default_factory=list)
    keeps_width: bool = True
    """Whether a head of the source's fits."""


def partial_copy(
    source: keras.Model, options: Mapping[str, Any], seed: int, count: int | None
) -> JoinedBackbone:
    """The source's first `count` layers with weights (by default all but the last), then new ones.

    The new ones are those that a backbone of `options` has after as many (Yosinski et al. 2014).

    Raises:
        ValueError: the source branches, or has not so many layers.
    """
    own = _sequence(source)
    weighted = [layer for layer in own if layer.weights]
    count = max(1, len(weighted) - 1) if count is None else count
    if count > len(weighted):
        raise ValueError(
            f"Expected at most {len(weighted)} layers to copy, as the source has. Received: {count}. "
            "Lower copied_layers."
        )
    kept = own[: own.index(weighted[count - 1]) + 1]
    new = _sequence(new_backbone(options, input_spec_of(source), seed))
    places = [place for place, layer in enumerate(new) if layer.weights]
    rest = new[places[count - 1] + 1 :] if count <= len(places) else []
    h = x = _input(source)
    for layer in kept:
        h = _applied(layer, h)
    for layer in rest:
        config = layer.get_config()
        h = layer.__class__.from_config({**config, "name": f"new_{config['name']}"})(h)
    return JoinedBackbone(
        keras.Model(x, h, name="backbone"), {layer.name: layer.name for layer in kept}, keeps_width=not rest
    )


def adapter(source: keras.Model, options: Mapping[str, Any], seed: int, bottleneck: int) -> JoinedBackbone:
    """After each layer with weights h + W_up relu(W_down h), W_up 0 at the start (Houlsby et al. 2019).

    Convolutions get adapters of 1x1 convolutions; a source that branches gets one, at its end.
    """
    x = _input(source)
    h = x
    copied: dict[str, str] = {}
    adapters: list[str] = []
    plain = in_sequence(source)
    for layer in _sequence(source) if plain else [_branch(source)]:
        h = _applied(layer, h)
        copied[layer.name] = layer.name if plain else ""
        if layer.weights:
            name = f"adapter_{len(adapters) + 1}"
            delta = _bottleneck(h, bottleneck, seed, name)
            adapters.append(name)
            h = layers.Add(name=name)([h, delta])
    return JoinedBackbone(keras.Model(x, h, name="backbone"), copied, adapters)


def _bottleneck(h: Any, width: int, seed: int, name: str) -> Any:
    initializer = keras.initializers.GlorotUniform(seed=layer_seed(seed, f"{name}_down"))
    down = {"activation": "relu", "kernel_initializer": initializer, "name": f"{name}_down"}
    up = {"kernel_initializer": "zeros", "name": f"{name}_up"}
    if len(h.shape) == 4:
        return layers.Conv2D(h.shape[-1], 1, **up)(layers.Conv2D(width, 1, **down)(h))
    return layers.Dense(h.shape[-1], **up)(layers.Dense(width, **down)(h))


def side_tuning(source: keras.Model, options: Mapping[str, Any], seed: int) -> JoinedBackbone:
    """αB(x) + (1 - α)S(x), α = sigmoid(a) trained from a = 0 (Zhang et al. 2020), a in the layer `ALPHA`.

    S is a new backbone of `options`, projected to the width of B, the source's, where it has another.
    """
    x = _input(source)
    b = _branch(source)(x)
    side = new_backbone(options, input_spec_of(source), seed)
    s = _branch(side, "side")(x)
    if s.shape[-1] != b.shape[-1]:
        initializer = keras.initializers.GlorotUniform(seed=layer_seed(seed, "side_projection"))
        s = layers.Dense(b.shape[-1], kernel_initializer=initializer, name="side_projection")(s)
    one = ops.ones_like(b[:, :1])
    alpha = layers.Dense(1, use_bias=False, activation="sigmoid", kernel_initializer="zeros", name=ALPHA)(one)
    of_source = layers.Multiply(name="source_share")([b, alpha])
    of_side = layers.Multiply(name="side_share")([s, 1.0 - alpha])
    joined = layers.Add(name="joined")([of_source, of_side])
    copied = {f"{SOURCE}/{path}": path for path, _ in leaves(source)}
    return JoinedBackbone(keras.Model(x, joined, name="backbone"), copied, ["joined"])


def progressive(source: keras.Model, options: Mapping[str, Any], seed: int) -> JoinedBackbone:
    """A new column of `options` whose dense layers also read the source's layers (Rusu et al. 2016).

    Before each dense layer but the first, and at the end, a lateral layer of the width of what it joins
    takes the output of the source's layer one below, relu between. Convolutions read no lateral.

    Raises:
        ValueError: the source branches.
    """
    x = _input(source)
    below = _input(source, "source_features")
    c, taps = below, []
    for layer in _sequence(source):
        c = _applied(layer, c)
        taps += [c] if layer.weights else []
    column = keras.Model(below, taps, name=SOURCE)
    columns = keras.tree.flatten(column(x))
    h, read = x, 0
    for layer in _sequence(new_backbone(options, input_spec_of(source), seed)):
        if read and isinstance(layer, layers.Dense):
            lateral = _lateral(columns[min(read, len(columns)) - 1], int(h.shape[-1]), seed, read)
            h = layers.Concatenate(name=f"joined_{read}")([lateral, h])
        config = layer.get_config()
        h = layer.__class__.from_config({**config, "name": f"new_{config['name']}"})(h)
        read += bool(layer.weights)
    lateral = _lateral(columns[-1], int(h.shape[-1]), seed, read)
    joined = layers.Concatenate(name=f"joined_{read}")([lateral, h])
    copied = {f"{SOURCE}/{path}": path for path, _ in leaves(column)}
    return JoinedBackbone(
        keras.Model(x, joined, name="backbone"), copied, [f"joined_{read}"], keeps_width=False
    )


def _lateral(tap: Any, width: int, seed: int, number: int) -> Any:
    name = f"lateral_{number}"
    initializer = keras.initializers.GlorotUniform(seed=layer_seed(seed, name))
    flat = layers.Flatten(name=f"{name}_in")(tap)
    return layers.Dense(width, activation="relu", kernel_initializer=initializer, name=name)(flat)


def _input(source: keras.Model, name: str = "features") -> Any:
    return keras.Input(source.input_shape[1:], dtype=source.inputs[0].dtype, name=name)


def _branch(model: keras.Model, name: str = SOURCE) -> keras.Model:
    """A copy under another name, with the same values."""
    copy = model.__class__.from_config({**model.get_config(), "name": name})
    copy.set_weights(model.get_weights())
    return copy


def _applied(layer: keras.layers.Layer, h: Any) -> Any:
    """A copy of the layer, with the same values, called on h; a layer of another graph brings it along."""
    copy = layer.__class__.from_config(layer.get_config())
    out = copy(h)
    copy.set_weights(layer.get_weights())
    return out


def _sequence(backbone: keras.Model) -> list[keras.layers.Layer]:
    if not in_sequence(backbone):
        raise ValueError(
            "Expected a source whose layers follow one another. Received: one that branches. "
            "Use adapter or side_tuning."
        )
    return list(backbone.layers)
