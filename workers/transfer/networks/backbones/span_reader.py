"""Transformer that reads a question and its context together, and says what each piece of the context is.

A long context is read in windows that overlap: each piece is answered for by the window in which it stands
in the middle, so that memory grows with a context's length, not with its square. Layers are normalised first;
places are told by sines.
"""

import math
from typing import Any

import keras
import numpy as np
from keras import layers, ops

from workers.transfer.networks.backbones.windows import inputs, joined, margin_of, owned, step_of
from workers.transfer.networks.input_spec import InputSpec
from workers.transfer.networks.presets.wordpiece import SPECIAL
from workers.transfer.seeds import layer_seed

_SIDES = 3
"""Pieces of the question, of the context, and of the context that are in both (Chen et al. 2017)."""


def span_reader(
    input_spec: InputSpec,
    seed: int,
    *,
    window: int = 192,
    units: int = 128,
    heads: int = 4,
    blocks: int = 2,
    dropout: float = 0.1,
) -> keras.Model:
    """A backbone from ids of `question` (n, q) and `context` (n, w, s) to vectors (n, w · s, units).

    s is the step of the windows, half of one. 0 for padding, in and out. Initial weights and dropout masks
    depend on `seed` and the layers' names alone.

    Raises:
        ValueError: `heads` does not divide `units`.
    """
    if units % heads:
        raise ValueError(
            f"Expected heads that divide the {units} units. Received: {heads}. Use, for example, 4 "
            "heads with 128 units."
        )
    question_length = input_spec.question_length
    question, context = inputs(question_length, window)
    ids = joined(question, context, window)  # (n, w, l)
    made = _Maker(units, heads, dropout, seed, question_length + 2 * margin_of(window) + step_of(window))
    there = ops.cast(ops.not_equal(ids, 0), "float32")
    h = made.embedded(ids, question, question_length, input_spec.tokens)
    for number in range(1, blocks + 1):
        h = h + made.attention(made.norm(f"block_{number}_norm_1", h), there, f"block_{number}")
        h = h + made.feed_forward(made.norm(f"block_{number}_norm_2", h), f"block_{number}")
    h = owned(made.norm("norm", h), context, question_length, window)
    return keras.Model({"question": question, "context": context}, h, name="backbone")


class _Maker:
    """What the blocks are made of, over windows of so many places."""

    def __init__(self, units: int, heads: int, dropout: float, seed: int, places: int) -> None:
        self.units, self.heads, self.rate, self.seed, self.places = units, heads, dropout, seed, places

    def embedded(self, ids: Any, question: Any, question_length: int, tokens: int) -> Any:
        spread = keras.initializers.RandomNormal
        vectors = layers.Embedding(
            tokens,
            self.units,
            embeddings_initializer=spread(stddev=self.units**-0.5, seed=layer_seed(self.seed, "tokens")),
            name="tokens",
        )(ids)
        asked = ops.where(question >= len(SPECIAL), question, -1)[:, None, None, :]
        common = ops.any(ops.equal(ids[..., None], asked), axis=-1)
        behind = np.arange(self.places) >= question_length
        sides = ops.cast(behind, "int32") * (1 + ops.cast(common, "int32"))
        of_side = layers.Embedding(
            _SIDES,
            self.units,
            embeddings_initializer=spread(stddev=1.0, seed=layer_seed(self.seed, "sides")),
            name="sides",
        )(sides)
        h = vectors * math.sqrt(self.units) + of_side + _sines(self.places, self.units)
        return self.dropped("dropout", h)

    def attention(self, h: Any, there: Any, name: str) -> Any:
        """softmax(QKᵀ/√d)V of each head, over the places of each window that are there, (n, w, l)."""
        width = self.units // self.heads

        def apart(part: str) -> Any:
            cut = layers.Reshape((-1, self.places, self.heads, width), name=f"{name}_{part}_heads")
            return ops.transpose(cut(self.dense(f"{name}_{part}", self.units)(h)), (0, 1, 3, 2, 4))

        q, k, v = apart("query"), apart("key"), apart("value")
        scores = ops.matmul(q, ops.transpose(k, (0, 1, 2, 4, 3))) * width**-0.5
        absent = (1.0 - there)[:, :, None, None, :]
        shares = self.dropped(f"{name}_shares", ops.softmax(scores - 1e9 * absent, axis=-1))
        together = ops.transpose(ops.matmul(shares, v), (0, 1, 3, 2, 4))
        together = layers.Reshape((-1, self.places, self.units), name=f"{name}_together")(together)
        return self.dropped(f"{name}_joined_dropout", self.dense(f"{name}_joined", self.units)(together))

    def feed_forward(self, x: Any, name: str) -> Any:
        wide = self.dense(f"{name}_wide", 4 * self.units, activation="relu")(x)
        return self.dropped(f"{name}_dropout", self.dense(f"{name}_narrow", self.units)(wide))

    def norm(self, name: str, x: Any) -> Any:
        return layers.LayerNormalization(epsilon=1e-5, name=name)(x)

    def dense(self, name: str, units: int, **options: Any) -> layers.Dense:
        initializer = keras.initializers.GlorotUniform(seed=layer_seed(self.seed, name))
        return layers.Dense(units, kernel_initializer=initializer, name=name, **options)

    def dropped(self, name: str, x: Any) -> Any:
        return layers.Dropout(self.rate, seed=layer_seed(self.seed, name), name=name)(x)


def _sines(places: int, units: int) -> Any:
    """Sines and cosines of the place in its window, (places, units)."""
    half = units // 2
    rates = np.exp(-math.log(10_000) * np.arange(half) / half)
    angles = np.arange(places)[:, None] * rates
    return np.concatenate([np.sin(angles), np.cos(angles)], axis=-1).astype(np.float32)
