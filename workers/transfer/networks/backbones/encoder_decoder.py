"""Transformer from a text's tokens and an answer's beginning to what follows (Vaswani et al. 2017).

Layers are normalised first; places are told by sines, so that nothing of it depends on lengths.
"""

import math
from typing import Any

import keras
import numpy as np
from keras import layers, ops

from workers.transfer.networks.input_spec import InputSpec
from workers.transfer.seeds import layer_seed

ENCODER, DECODER = "encoder", "decoder"


def encoder_decoder(
    input_spec: InputSpec,
    seed: int,
    *,
    units: int = 128,
    heads: int = 4,
    blocks: int = 2,
    dropout: float = 0.1,
) -> keras.Model:
    """A backbone from source ids (n, l) and shifted answer ids (n, m) to (n, m, units), 0 for padding.

    `source` and `shifted` are its inputs' names, `encoder` and `decoder` its two models, of so many blocks
    each. What stands at a place follows from the answer up to there. Initial weights and dropout masks depend
    on `seed` and the layers' names alone.

    Raises:
        ValueError: `heads` does not divide `units`.
    """
    if units % heads:
        raise ValueError(
            f"Expected heads that divide the {units} units. Received: {heads}. Use, for example, 4 "
            "heads with 128 units."
        )
    made = _Maker(units, heads, dropout, seed)
    return joined(made.encoder(input_spec.tokens, blocks), made.decoder(input_spec.answer_tokens, blocks))


def joined(encoder: keras.Model, decoder: keras.Model) -> keras.Model:
    """The backbone of these two."""
    source = keras.Input((None,), dtype="int32", name="source")
    shifted = keras.Input((None,), dtype="int32", name="shifted")
    return keras.Model([source, shifted], decoder([shifted, encoder(source)]), name="backbone")


class _Maker:
    """What both halves are made of; `scope` goes before the names that seeds follow from."""

    def __init__(self, units: int, heads: int, dropout: float, seed: int) -> None:
        self.units, self.heads, self.rate, self.seed = units, heads, dropout, seed

    def encoder(self, tokens: int, blocks: int) -> keras.Model:
        ids = keras.Input((None,), dtype="int32", name="source")
        there = _there(ids)
        h = self._embedded(ids, there, tokens, ENCODER)
        for number in range(1, blocks + 1):
            scope = f"{ENCODER}/block_{number}"
            normed = self._norm(f"block_{number}_norm_1", h)
            h = h + self._attention(normed, normed, _over(there), scope, f"block_{number}")
            h = h + self._feed_forward(self._norm(f"block_{number}_norm_2", h), scope, f"block_{number}")
        h = self._norm("norm", h) * ops.expand_dims(there, -1)
        return keras.Model(ids, h, name=ENCODER)

    def decoder(self, tokens: int, blocks: int) -> keras.Model:
        ids = keras.Input((None,), dtype="int32", name="shifted")
        read = keras.Input((None, self.units), name="encoded")
        there = ops.cast(ops.any(ops.not_equal(read, 0.0), axis=-1), "float32")
        h = self._embedded(ids, _there(ids), tokens, DECODER)
        for number in range(1, blocks + 1):
            scope, name = f"{DECODER}/block_{number}", f"block_{number}"
            normed = self._norm(f"{name}_norm_1", h)
            h = h + self._attention(normed, normed, _before(ids), f"{scope}/self", f"{name}_self")
            normed = self._norm(f"{name}_norm_2", h)
            h = h + self._attention(normed, read, _over(there), f"{scope}/cross", f"{name}_cross")
            h = h + self._feed_forward(self._norm(f"{name}_norm_3", h), scope, name)
        return keras.Model([ids, read], self._norm("norm", h), name=DECODER)

    def _embedded(self, ids: Any, there: Any, tokens: int, scope: str) -> Any:
        initializer = keras.initializers.RandomNormal(
            stddev=self.units**-0.5, seed=layer_seed(self.seed, f"{scope}/tokens")
        )
        vectors = layers.Embedding(tokens, self.units, embeddings_initializer=initializer, name="tokens")(ids)
        h = vectors * math.sqrt(self.units) + _sines(ids, self.units)
        return self._dropped("dropout", h, scope) * ops.expand_dims(there, -1)

    def _attention(self, asks: Any, read: Any, absent: Any, scope: str, name: str) -> Any:
        """softmax(QKᵀ/√d)V of each head, over places that are not absent (b, 1, places or 1, places)."""
        width = self.units // self.heads

        def apart(part: str, x: Any) -> Any:
            made = self._dense(f"{name}_{part}", self.units, scope)(x)
            made = layers.Reshape((-1, self.heads, width), name=f"{name}_{part}_heads")(made)
            return ops.transpose(made, (0, 2, 1, 3))

        q, k, v = apart("query", asks), apart("key", read), apart("value", read)
        scores = ops.matmul(q, ops.transpose(k, (0, 1, 3, 2))) * width**-0.5
        shares = self._dropped(f"{name}_shares", ops.softmax(scores - 1e9 * absent, axis=-1), scope)
        together = ops.transpose(ops.matmul(shares, v), (0, 2, 1, 3))
        together = layers.Reshape((-1, self.units), name=f"{name}_together")(together)
        made = self._dense(f"{name}_joined", self.units, scope)(together)
        return self._dropped(f"{name}_joined_dropout", made, scope)

    def _feed_forward(self, x: Any, scope: str, name: str) -> Any:
        wide = self._dense(f"{name}_wide", 4 * self.units, scope, activation="relu")(x)
        return self._dropped(f"{name}_dropout", self._dense(f"{name}_narrow", self.units, scope)(wide), scope)

    def _norm(self, name: str, x: Any) -> Any:
        return layers.LayerNormalization(epsilon=1e-5, name=name)(x)

    def _dense(self, name: str, units: int, scope: str, **options: Any) -> layers.Dense:
        initializer = keras.initializers.GlorotUniform(seed=layer_seed(self.seed, f"{scope}/{name}"))
        return layers.Dense(units, kernel_initializer=initializer, name=name, **options)

    def _dropped(self, name: str, x: Any, scope: str) -> Any:
        return layers.Dropout(self.rate, seed=layer_seed(self.seed, f"{scope}/{name}"), name=name)(x)


def _there(ids: Any) -> Any:
    return ops.cast(ops.not_equal(ids, 0), "float32")


def _over(there: Any) -> Any:
    """1 for the places of padding, for all that ask, (b, 1, 1, places)."""
    return ops.expand_dims(ops.expand_dims(1.0 - there, 1), 1)


def _before(ids: Any) -> Any:
    """1 for the places behind the one that asks, (b, 1, places, places)."""
    places = _places(ids)
    later = ops.expand_dims(places, 1) > ops.expand_dims(places, 2)
    return ops.expand_dims(ops.cast(later, "float32"), 1)


def _places(ids: Any) -> Any:
    return ops.cumsum(ops.ones_like(ids), axis=1) - 1


def _sines(ids: Any, units: int) -> Any:
    """§3.5: sines and cosines of the place, of wavelengths from 2π to 10,000 · 2π, (b, places, units)."""
    half = units // 2
    rates = np.exp(-math.log(10_000) * np.arange(half) / half).astype(np.float32)
    angles = ops.expand_dims(ops.cast(_places(ids), "float32"), -1) * rates
    return ops.concatenate([ops.sin(angles), ops.cos(angles)], axis=-1)
