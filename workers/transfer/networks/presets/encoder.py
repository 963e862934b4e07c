"""Text encoders of the BERT family (Devlin et al. 2019) in built-in Keras layers, of any weights."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import keras
from keras import layers, ops

from workers.transfer.data import Array
from workers.transfer.networks.input_spec import InputSpec
from workers.transfer.networks.presets.errors import PresetError
from workers.transfer.networks.presets.sentences import Pooling
from workers.transfer.seeds import layer_seed


@dataclass(frozen=True)
class EncoderShape:
    """What an encoder looks like.

    `embedding_width` is the width of its embeddings, which smaller ELECTRA models (Clark et al. 2020) project
    to `units`; `positions` is the number of position embeddings.
    """

    layers: int
    units: int
    heads: int
    intermediate: int
    vocabulary: int
    positions: int
    epsilon: float
    embedding_width: int
    approximate_gelu: bool = False


Weights = Mapping[str, Sequence[Array]]
"""Of each layer by its name here, in the order of the layer's variables."""


def encoder(
    input_spec: InputSpec,
    seed: int,
    shape: EncoderShape,
    weights: Weights | None,
    pooling: Pooling = "mean",
    *,
    unit_length: bool = False,
) -> keras.Model:
    """A backbone from token ids (n, length), 0 for padding, to the pooled vectors of the tokens (n, units).

    With `unit_length` these are divided by their length. Dropout is left out, as in sentence encoders' use.
    Without weights they are drawn, and depend on `seed` and the layers' names alone.

    Raises:
        PresetError: the length is beyond its places.
    """
    (length,) = input_spec.shape
    if length > shape.positions:
        raise PresetError(
            f"Expected at most {shape.positions} tokens, as the preset was made for. Received: {length}. "
            "Lower length."
        )
    ids = keras.Input((length,), dtype="int32", name="features")
    there = ops.cast(ops.not_equal(ids, 0), "float32")[..., None]
    h = _embeddings(ids, shape, seed)
    for number in range(shape.layers):
        h = _layer(h, there, shape, f"layer_{number}", seed)
    last = layers.UnitNormalization if unit_length else partial(layers.Activation, "linear")
    out = last(name="representation")(_pooled(h, there, pooling))
    backbone = keras.Model(ids, out, name="backbone")
    if weights is not None:
        for layer in backbone.layers:
            if layer.weights:
                layer.set_weights(list(weights[layer.name]))
    return backbone


def _pooled(h: Any, there: Any, pooling: Pooling) -> Any:
    """One vector (n, units) of the tokens' (n, length, units), of those that are there, (n, length, 1)."""
    if pooling == "cls":
        return h[:, 0]
    if pooling == "max":
        return ops.max(h - 1e9 * (1.0 - there), axis=1)
    count = ops.maximum(ops.sum(there, axis=1), 1.0)
    return ops.sum(h * there, axis=1) / (ops.sqrt(count) if pooling == "mean_sqrt_len_tokens" else count)


def _normal(name: str, seed: int) -> keras.initializers.Initializer:
    return keras.initializers.TruncatedNormal(stddev=0.02, seed=layer_seed(seed, name))


def _dense(name: str, units: int, seed: int) -> layers.Dense:
    return layers.Dense(units, kernel_initializer=_normal(name, seed), name=name)


def _embeddings(ids: Any, shape: EncoderShape, seed: int) -> Any:
    positions = ops.cumsum(ops.ones_like(ids), axis=1) - 1

    def embedding(rows: int, name: str) -> layers.Embedding:
        return layers.Embedding(
            rows, shape.embedding_width, embeddings_initializer=_normal(name, seed), name=name
        )

    words = embedding(shape.vocabulary, "word_pieces")(ids)
    h = words + embedding(shape.positions, "places")(positions)
    h = layers.LayerNormalization(epsilon=shape.epsilon, name="embedding_norm")(h)
    return h if shape.embedding_width == shape.units else _dense("embedding_projection", shape.units, seed)(h)


def _layer(h: Any, there: Any, shape: EncoderShape, name: str, seed: int) -> Any:
    def dense(part: str, units: int) -> layers.Dense:
        return _dense(f"{name}_{part}", units, seed)

    def norm(part: str) -> layers.LayerNormalization:
        return layers.LayerNormalization(epsilon=shape.epsilon, name=f"{name}_{part}")

    attended = _attention(h, there, shape, dense)
    h = norm("attention_norm")(h + dense("joined", shape.units)(attended))
    wide = ops.gelu(dense("wide", shape.intermediate)(h), approximate=shape.approximate_gelu)
    return norm("norm")(h + dense("narrow", shape.units)(wide))


def _attention(h: Any, there: Any, shape: EncoderShape, dense: Any) -> Any:
    length, size = h.shape[1], shape.units // shape.heads

    def apart(name: str) -> Any:
        cut = ops.reshape(dense(name, shape.units)(h), (-1, length, shape.heads, size))
        return ops.transpose(cut, (0, 2, 1, 3))

    q, k, v = apart("query"), apart("key"), apart("value")
    scores = ops.matmul(q, ops.transpose(k, (0, 1, 3, 2))) * size**-0.5
    absent = ops.reshape(1.0 - there, (-1, 1, 1, length))
    shares = ops.softmax(scores - 1e9 * absent, axis=-1)
    return ops.reshape(ops.transpose(ops.matmul(shares, v), (0, 2, 1, 3)), (-1, length, shape.units))
