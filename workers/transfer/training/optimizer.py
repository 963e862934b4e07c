"""The learning rate of each layer, and the Adam that applies it."""

from collections.abc import Mapping, Sequence
from typing import Any

import keras
import tensorflow as tf

from workers.transfer.data import Task
from workers.transfer.tasks import SEQUENCES

Rates = Mapping[str, float]
"""Factors on the learning rate by path, such as `backbone/dense_1`."""


def of_path(values: Rates, path: str, default: float) -> float:
    """The value of the longest path in `values` that leads to `path`."""
    places = path.split("/")
    for end in range(len(places), 0, -1):
        known = values.get("/".join(places[:end]))
        if known is not None:
            return known
    return default


def rate_of(rates: Rates, path: str) -> float:
    """The factor on a layer's learning rate: 1 if no path in `rates` leads to it, 0 in the preprocessing."""
    return 0.0 if path.startswith("preprocessing") else of_path(rates, path, 1.0)


def settings_of(task: Task) -> dict[str, float]:
    """What Adam is made with besides the rate: Keras' own, but for sequences as they are usually trained.

    A shorter memory of squares (Vaswani et al. 2017, §5.3), and gradients of norm 1 at most, each weight's.
    """
    return {"beta_2": 0.98, "clipnorm": 1.0} if task in SEQUENCES else {}


class PartwiseAdam(keras.optimizers.Adam):  # type: ignore[misc]  # Keras ships no types
    """Adam with a factor on each variable's learning rate, a schedule, and a pull to given values.

    With factors of 1, a constant schedule and no pull it is Keras' Adam. Factors, schedule and the values
    pulled to are variables, so that one traced graph serves all of them. `pulls` holds α or None for each
    variable: w ← w - ηα(w - w⁰), decoupled from Adam's moments (Loshchilov & Hutter 2019).
    """

    def __init__(
        self, variables: Sequence[keras.Variable], pulls: Sequence[float | None], **settings: float
    ) -> None:
        super().__init__(**settings)
        self.build(list(variables))
        self.factors = [tf.Variable(1.0, trainable=False) for _ in variables]
        self.scale = tf.Variable(1.0, trainable=False)
        self.pulls = list(pulls)
        self.anchors = [
            None if pull is None else tf.Variable(tf.zeros(variable.shape), trainable=False)
            for variable, pull in zip(variables, pulls, strict=True)
        ]

    def apply(self, grads: Any, trainable_variables: Any = None) -> Any:
        """One step. What it knows of no variable is computed once: a graph takes long to trace."""
        if self.clipnorm:  # of rows that were looked up, too
            grads = [None if one is None else tf.convert_to_tensor(one) for one in grads]
        step = tf.cast(self.iterations + 1, tf.float32)
        # 1 - β^t: of the moments, which begin at 0.
        self._corrections = [1 - tf.pow(beta, step) for beta in (self.beta_1, self.beta_2)]
        return super().apply(grads, trainable_variables)

    def update_step(self, gradient: Any, variable: Any, learning_rate: Any) -> None:
        index = self._get_variable_index(variable)
        rate = learning_rate * self.factors[index] * self.scale
        if self.anchors[index] is None:
            self._adam(gradient, variable, rate)
            return
        pulled = rate * self.pulls[index] * (variable - self.anchors[index])
        self._adam(gradient, variable, rate)
        variable.assign_sub(pulled)

    def _adam(self, g: Any, variable: Any, rate: Any) -> None:
        """Keras' step, bit for bit, in a third of the operations; of a part of the rows it is Keras' own."""
        if isinstance(g, tf.IndexedSlices) or variable.dtype != "float32":
            super().update_step(g, variable, rate)
            return
        index = self._get_variable_index(variable)
        m, v = self._momentums[index].value, self._velocities[index].value
        corrected_m, corrected_v = self._corrections
        alpha = rate * tf.sqrt(corrected_v) / corrected_m
        m.assign_add((g - m) * (1 - self.beta_1))
        v.assign_add((tf.square(g) - v) * (1 - self.beta_2))
        variable.assign_sub(m * alpha / (tf.sqrt(v) + self.epsilon))
