from typing import Any

import keras
import numpy as np
import tensorflow as tf

from workers.transfer.training.optimizer import PartwiseAdam


def _trained(optimizer_of: Any, steps: int) -> list[np.ndarray]:
    """The weights of a network whose embedding gets the gradients of single rows, after so many steps."""
    keras.utils.set_random_seed(1)
    layers = [keras.layers.Embedding(7, 3), keras.layers.Flatten(), keras.layers.Dense(4, "tanh")]
    model = keras.Sequential([keras.Input((5,), dtype="int32"), *layers, keras.layers.Dense(1)])
    rng = np.random.default_rng(0)
    x, y = tf.constant(rng.integers(0, 7, (8, 5)), tf.int32), tf.constant(rng.normal(size=(8, 1)), tf.float32)
    optimizer = optimizer_of(model.trainable_variables)

    @tf.function  # type: ignore[untyped-decorator]
    def step() -> None:
        with tf.GradientTape() as tape:
            loss = tf.reduce_mean(tf.square(model(x) - y))
        optimizer.apply(tape.gradient(loss, model.trainable_variables), model.trainable_variables)

    for _ in range(steps):
        step()
    return model.get_weights()


def test_with_factors_of_1_and_no_pull_it_is_keras_adam_bit_for_bit() -> None:
    def ours(variables: list[keras.Variable]) -> keras.optimizers.Adam:
        return PartwiseAdam(variables, [None] * len(variables))

    def theirs(variables: list[keras.Variable]) -> keras.optimizers.Adam:
        adam = keras.optimizers.Adam()
        adam.build(variables)
        return adam

    for one, other in zip(_trained(ours, 50), _trained(theirs, 50), strict=True):
        np.testing.assert_array_equal(one, other)


def test_factors_and_pull_change_the_variables_they_belong_to() -> None:
    def ours(variables: list[keras.Variable]) -> keras.optimizers.Adam:
        adam = PartwiseAdam(variables, [None, 0.5, *[None] * (len(variables) - 2)])
        adam.factors[2].assign(0.0)
        adam.anchors[1].assign(tf.ones(variables[1].shape))
        return adam

    def before(variables: list[keras.Variable]) -> keras.optimizers.Adam:
        return PartwiseAdam(variables, [None] * len(variables))

    begun, one, plain = _trained(before, 0), _trained(ours, 1), _trained(before, 1)
    np.testing.assert_array_equal(one[2], begun[2])
    np.testing.assert_allclose(one[1], plain[1] - 0.001 * 0.5 * (begun[1] - 1), atol=1e-7)
    for index in (0, 3, 4):
        np.testing.assert_array_equal(one[index], plain[index])
