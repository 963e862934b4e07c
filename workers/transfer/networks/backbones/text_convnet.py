"""Convolutions of several widths over a text, the largest answer of each (Kim 2014)."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import keras
from keras import layers

from workers.transfer.networks.input_spec import InputSpec
from workers.transfer.seeds import layer_seed

if TYPE_CHECKING:
    import keras_tuner


def text_convnet(
    input_spec: InputSpec,
    seed: int,
    *,
    embedding_units: int = 100,
    filters: int = 100,
    widths: Sequence[int] = (3, 4, 5),
    dropout: float = 0.5,
) -> keras.Sequential:
    """A backbone from token ids (n, length), 0 for padding, to (n, filters · number of widths).

    Initial weights and dropout masks depend on `seed` and the layers' names alone.
    """
    backbone = keras.Sequential(name="backbone")
    backbone.add(keras.Input(input_spec.shape, dtype="int32", name="features"))
    initializer = keras.initializers.RandomUniform(-0.05, 0.05, seed=layer_seed(seed, "tokens"))
    backbone.add(
        layers.Embedding(
            input_spec.tokens, embedding_units, embeddings_initializer=initializer, name="tokens"
        )
    )
    backbone.add(_convolutions((input_spec.shape[0], embedding_units), filters, widths, seed))
    backbone.add(layers.Dropout(dropout, seed=layer_seed(seed, "dropout"), name="dropout"))
    return backbone


def space(hp: "keras_tuner.HyperParameters") -> dict[str, Any]:
    """The structures that a search tries."""
    return {
        "embedding_units": hp.Choice("embedding_units", [32, 64, 100]),
        "filters": hp.Choice("filters", [32, 64, 100]),
        "widths": [[3], [2, 3], [3, 4, 5]][hp.Choice("widths", [0, 1, 2])],
        "dropout": hp.Choice("dropout", [0.2, 0.5]),
    }


def _convolutions(shape: tuple[int, int], filters: int, widths: Sequence[int], seed: int) -> keras.Model:
    vectors = keras.Input(shape, name="vectors")
    largest = []
    for width in widths:
        name = f"conv_{width}"
        initializer = keras.initializers.GlorotUniform(seed=layer_seed(seed, name))
        convolution = layers.Conv1D(
            filters, width, padding="same", activation="relu", kernel_initializer=initializer, name=name
        )
        largest.append(layers.GlobalMaxPooling1D(name=f"largest_{width}")(convolution(vectors)))
    joined = layers.Concatenate(name="joined")(largest) if len(largest) > 1 else largest[0]
    return keras.Model(vectors, joined, name="convolutions")
