"""Convolutions over a biological sequence that keep where a motif stands: pooled, then flattened."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import keras
from keras import layers

from workers.transfer.networks.input_spec import InputSpec
from workers.transfer.seeds import layer_seed

if TYPE_CHECKING:
    import keras_tuner


def sequence_convnet(
    input_spec: InputSpec,
    seed: int,
    *,
    filters: Sequence[int] = (32, 32),
    kernel_size: int = 8,
    pool_size: int = 4,
    dense_units: Sequence[int] = (64,),
    dropout: float = 0.3,
) -> keras.Sequential:
    """A backbone from letters as vectors (n, length, channels) to (n, last of dense_units).

    Each convolution (relu, same padding) is followed by a maximum over `pool_size` places. A maximum over the
    whole sequence would forget the position, which promoters and splice sites depend on. Initial weights and
    dropout masks depend on `seed` and the layers' names alone.
    """
    backbone = keras.Sequential([keras.Input(input_spec.shape, name="features")], name="backbone")
    for number, count in enumerate(filters, start=1):
        name = f"conv_{number}"
        initializer = keras.initializers.GlorotUniform(seed=layer_seed(seed, name))
        backbone.add(
            layers.Conv1D(
                count,
                kernel_size,
                padding="same",
                activation="relu",
                kernel_initializer=initializer,
                name=name,
            )
        )
        backbone.add(layers.MaxPooling1D(pool_size, padding="same", name=f"pool_{number}"))
    backbone.add(layers.Flatten(name="flat"))
    for number, units in enumerate(dense_units, start=1):
        dropped = f"dropout_{number}"
        backbone.add(layers.Dropout(dropout, seed=layer_seed(seed, dropped), name=dropped))
        name = f"dense_{number}"
        initializer = keras.initializers.GlorotUniform(seed=layer_seed(seed, name))
        backbone.add(layers.Dense(units, activation="relu", kernel_initializer=initializer, name=name))
    return backbone


def space(hp: "keras_tuner.HyperParameters") -> dict[str, Any]:
    """The structures that a search tries."""
    return {
        "filters": [hp.Choice("filters", [16, 32, 64])] * hp.Int("convolutions", 1, 3),
        "kernel_size": hp.Choice("kernel_size", [4, 8, 12]),
        "pool_size": hp.Choice("pool_size", [2, 4]),
        "dense_units": [hp.Choice("dense_units", [32, 64, 128])],
        "dropout": hp.Choice("dropout", [0.0, 0.3, 0.5]),
    }
