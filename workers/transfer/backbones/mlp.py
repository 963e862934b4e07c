"""Multilayer perceptron: dense layers with one activation, dropout after each."""

from collections.abc import Sequence

import keras

from workers.transfer.seeds import layer_seed


def mlp(
    width: int,
    seed: int,
    *,
    hidden_units: Sequence[int] = (64, 64),
    activation: str = "relu",
    dropout: float = 0.0,
) -> keras.Sequential:
    """A backbone from (n, width) to (n, hidden_units[-1]).

    Initial weights and dropout masks depend on `seed` and the layers' names alone.

    Raises:
        ValueError: no hidden layer.
    """
    if not hidden_units:
        raise ValueError("Expected at least one entry in hidden_units. Received: none. Give, say, [64, 64].")
    backbone = keras.Sequential([keras.Input((width,), name="features")], name="backbone")
    for number, units in enumerate(hidden_units, start=1):
        backbone.add(_dense(f"dense_{number}", units, activation, seed))
        if dropout > 0:
            name = f"dropout_{number}"
            backbone.add(keras.layers.Dropout(dropout, seed=layer_seed(seed, name), name=name))
    return backbone


def _dense(name: str, units: int, activation: str, seed: int) -> keras.layers.Dense:
    initializer = keras.initializers.GlorotUniform(seed=layer_seed(seed, name))
    return keras.layers.Dense(units, activation=activation, kernel_initializer=initializer, name=name)
