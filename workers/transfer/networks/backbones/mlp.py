"""Multilayer perceptron: dense layers with one activation, dropout after each."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import keras

from workers.transfer.networks.input_spec import InputSpec
from workers.transfer.seeds import layer_seed

if TYPE_CHECKING:
    import keras_tuner


def mlp(
    input_spec: InputSpec,
    seed: int,
    *,
    hidden_units: Sequence[int] = (64, 64),
    activation: str = "relu",
    dropout: float = 0.0,
) -> keras.Sequential:
    """A backbone from features (n, d) to (n, hidden_units[-1]).

    Initial weights and dropout masks depend on `seed` and the layers' names alone.

    Raises:
        ValueError: no hidden layer.
    """
    if not hidden_units:
        raise ValueError(
            "Expected at least one entry in hidden_units. Received: none. Use, for example, [64, 64]."
        )
    backbone = keras.Sequential([keras.Input(input_spec.shape, name="features")], name="backbone")
    for number, units in enumerate(hidden_units, start=1):
        backbone.add(_dense(f"dense_{number}", units, activation, seed))
        if dropout > 0:
            name = f"dropout_{number}"
            backbone.add(keras.layers.Dropout(dropout, seed=layer_seed(seed, name), name=name))
    return backbone


def space(hp: "keras_tuner.HyperParameters") -> dict[str, Any]:
    """The structures that a search tries: 1 to 4 layers of 16 to 512 units, activation and dropout."""
    depth = hp.Int("layers", 1, 4)
    units = [
        hp.Int(
            f"units_{number}",
            16,
            512,
            step=2,
            sampling="log",
            parent_name="layers",
            parent_values=list(range(number, 5)),
        )
        for number in range(1, 5)
    ]
    return {
        "hidden_units": units[:depth],
        "activation": hp.Choice("activation", ["relu", "gelu", "selu", "silu", "tanh"]),
        "dropout": hp.Choice("dropout", [0.0, 0.1, 0.2, 0.3, 0.4, 0.5]),
    }


def _dense(name: str, units: int, activation: str, seed: int) -> keras.layers.Dense:
    initializer = keras.initializers.GlorotUniform(seed=layer_seed(seed, name))
    return keras.layers.Dense(units, activation=activation, kernel_initializer=initializer, name=name)
