"""Averaged embeddings: a vector a token, their mean, then dense layers (Iyyer et al. 2015)."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import keras
from keras import layers, ops

from workers.transfer.networks.input_spec import InputSpec
from workers.transfer.seeds import layer_seed

if TYPE_CHECKING:
    import keras_tuner


def averaged(
    input_spec: InputSpec,
    seed: int,
    *,
    embedding_units: int = 64,
    hidden_units: Sequence[int] = (64,),
    dropout: float = 0.2,
) -> keras.Sequential:
    """A backbone from token ids (n, length), 0 for padding, to (n, last of hidden_units).

    Padding does not count in the mean; a text without a token is zeros. Initial weights and dropout masks
    depend on `seed` and the layers' names alone.
    """
    backbone = keras.Sequential(name="backbone")
    backbone.add(keras.Input(input_spec.shape, dtype="int32", name="features"))
    backbone.add(_mean(input_spec, embedding_units, seed))
    for number, units in enumerate(hidden_units, start=1):
        name = f"dense_{number}"
        initializer = keras.initializers.GlorotUniform(seed=layer_seed(seed, name))
        backbone.add(layers.Dense(units, activation="relu", kernel_initializer=initializer, name=name))
    # At least one layer of its own follows the mean, so that what is asked of the end finds it.
    backbone.add(layers.Dropout(dropout, seed=layer_seed(seed, "dropout"), name="dropout"))
    return backbone


def space(hp: "keras_tuner.HyperParameters") -> dict[str, Any]:
    """The structures that a search tries."""
    return {
        "embedding_units": hp.Choice("embedding_units", [16, 32, 64, 128]),
        "hidden_units": [hp.Choice("units", [16, 32, 64, 128])] * hp.Int("layers", 0, 2),
        "dropout": hp.Choice("dropout", [0.0, 0.2, 0.5]),
    }


def _mean(input_spec: InputSpec, units: int, seed: int) -> keras.Model:
    ids = keras.Input(input_spec.shape, dtype="int32", name="ids")
    initializer = keras.initializers.RandomUniform(-0.05, 0.05, seed=layer_seed(seed, "tokens"))
    vectors = layers.Embedding(input_spec.tokens, units, embeddings_initializer=initializer, name="tokens")(
        ids
    )
    there = ops.expand_dims(ops.cast(ops.not_equal(ids, 0), "float32"), -1)
    total = ops.sum(vectors * there, axis=1)
    return keras.Model(ids, total / ops.maximum(ops.sum(there, axis=1), 1.0), name="mean")
