"""Training steps, many at a time inside one TensorFlow graph."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from workers.transfer import tasks
from workers.transfer.data import Array, Task

EVALUATION_ROWS = 4096


class PartwiseAdam(keras.optimizers.Adam):  # type: ignore[misc]  # Keras ships no types
    """Adam with a factor on the learning rate for each variable; with factors of 1 it is Keras' Adam.

    The factors are variables, so that one traced graph serves all of them.
    """

    def __init__(self, variables: Sequence[keras.Variable]) -> None:
        super().__init__()
        self.build(list(variables))
        self.factors = [tf.Variable(1.0, trainable=False) for _ in variables]

    def update_step(self, gradient: Any, variable: Any, learning_rate: Any) -> None:
        factor = self.factors[self._get_variable_index(variable)]
        super().update_step(gradient, variable, learning_rate * factor)


class Steps:
    """The traced training and evaluation of one architecture, on its own copy of the parts.

    Values are put in before a fit and taken out after it, so that networks of one architecture share the
    cost of tracing.
    """

    def __init__(self, parts: Sequence[keras.Model], task: Task) -> None:
        self._parts = [part.__class__.from_config(part.get_config()) for part in parts]
        self._task = task
        self._loss = tasks.loss(task)
        self._trainable = [variable for part in self._parts for variable in part.trainable_variables]
        self._part_of = [number for number, part in enumerate(self._parts) for _ in part.trainable_variables]
        self._optimizer = PartwiseAdam(self._trainable)
        x = tf.TensorSpec([None, *self._parts[0].input_shape[1:]])
        y = tf.TensorSpec([None], tf.int64) if task == "multiclass" else tf.TensorSpec([None, 1])
        self._traced_train = tf.function(self._train, [x, y, tf.TensorSpec([], tf.int32)], autograph=False)
        self._traced_evaluate = tf.function(self._evaluate, [x, y], autograph=False)

    @property
    def variables(self) -> list[keras.Variable]:
        """All that training changes: weights, states of random generators, the optimizer's variables."""
        return [variable for owner in [*self._parts, self._optimizer] for variable in owner.variables]

    def begin(self, parts: Sequence[keras.Model], learning_rate: float, factors: Sequence[float]) -> None:
        """Take the parts' values, forget the last fit's optimizer, set rates; one factor a part."""
        for own, part in zip(self._parts, parts, strict=True):
            _copy(part, own)
        for variable in self._optimizer.variables:
            variable.assign(keras.ops.zeros_like(variable))
        self._optimizer.learning_rate = learning_rate
        for variable, part_number in zip(self._optimizer.factors, self._part_of, strict=True):
            variable.assign(factors[part_number])

    def end(self, parts: Sequence[keras.Model]) -> None:
        """Give the values back to the parts."""
        for own, part in zip(self._parts, parts, strict=True):
            _copy(own, part)

    def train(self, x: Array, y: Array, batch_size: int) -> tuple[float, float]:
        """One step a batch, in the given order; the rows' loss and, of classes, right answers, summed."""
        loss, right = self._traced_train(x, y, batch_size)
        return float(loss), float(right)

    def evaluate(self, x: Array, y: Array) -> tuple[float, float]:
        """The same sums without training, in inference mode."""
        sums = np.zeros(2)
        for start in range(0, len(x), EVALUATION_ROWS):
            rows = slice(start, start + EVALUATION_ROWS)
            sums += [float(value) for value in self._traced_evaluate(x[rows], y[rows])]
        return float(sums[0]), float(sums[1])

    def _train(self, x: Any, y: Any, batch_size: Any) -> tuple[Any, Any]:
        rows = tf.shape(x)[0]

        def step(start: Any, loss: Any, right: Any) -> tuple[Any, Any, Any]:
            end = tf.minimum(start + batch_size, rows)
            batch_loss, batch_right = self._step(x[start:end], y[start:end])
            return end, loss + batch_loss * tf.cast(end - start, tf.float32), right + batch_right

        start_values = (tf.constant(0), tf.constant(0.0), tf.constant(0.0))
        _, loss, right = tf.while_loop(
            lambda start, *_: start < rows, step, start_values, parallel_iterations=1
        )
        return loss, right

    def _step(self, x: Any, y: Any) -> tuple[Any, Any]:
        with tf.GradientTape() as tape:
            p = self._call(x, training=True)
            loss = self._loss(y, p)
        self._optimizer.apply(tape.gradient(loss, self._trainable), self._trainable)
        return loss, self._right(y, p)

    def _evaluate(self, x: Any, y: Any) -> tuple[Any, Any]:
        p = self._call(x, training=False)
        return self._loss(y, p) * tf.cast(tf.shape(x)[0], tf.float32), self._right(y, p)

    def _call(self, x: Any, training: bool) -> Any:
        for part in self._parts:
            x = part(x, training=training)
        return x

    def _right(self, y: Any, p: Any) -> Any:
        if self._task == "regression":
            return tf.constant(0.0)
        right = tf.equal(p > 0.5, y > 0.5) if self._task == "binary" else tf.equal(tf.argmax(p, axis=1), y)
        return tf.reduce_sum(tf.cast(right, tf.float32))


def architecture(parts: Sequence[keras.Model], task: Task) -> str:
    """A text equal for equal architectures, seeds of random layers included."""
    configs: list[Mapping[str, Any]] = [part.get_config() for part in parts]
    return json.dumps([task, [part.input_shape for part in parts], configs], sort_keys=True, default=str)


def _copy(source: keras.Model, target: keras.Model) -> None:
    for one, other in zip(source.variables, target.variables, strict=True):
        other.assign(one)
