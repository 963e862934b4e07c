"""A linear baseline as a network of built-in layers: the same raw inputs, in double precision.

Features are single numbers as scikit-learn got them; the weights, and the scaling in them, are not rounded.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
from keras import layers

from workers.transfer.baselines.learners import Classes, Labels, Number, Solved
from workers.transfer.data import Array, Signature
from workers.transfer.networks.network import Network, join

Parts = Callable[[Any, Array, Array], tuple[keras.Model, keras.Model]]
"""Features as a reading learnt them, a kernel (d, m) and a bias (m,) to two parts of a network: raw inputs to
features, and these to scores (n, m)."""


@dataclass(frozen=True, eq=False)
class Weights:
    """A linear model on features as they come: scores x · kernel + bias, and what makes predictions of them.

    spread, rest: probabilities p (n, m) of the classes that had rows become p · spread + rest of all (n, k).
    """

    kernel: Array
    bias: Array
    link: str
    spread: Array | None = None
    rest: Array | None = None


def weights_of(solved: Solved) -> Weights:
    """Those of a linear baseline."""
    if isinstance(solved, Number):
        kernel, bias = _known(solved.known)
        return Weights(
            kernel * solved.unit.deviation, bias * solved.unit.deviation + solved.unit.mean, "none"
        )
    if isinstance(solved, Labels):
        each = [_of_label(label) for label in solved.each]
        kernel = np.concatenate([kernel for kernel, _ in each], axis=1)
        return Weights(kernel, np.concatenate([bias for _, bias in each]), "sigmoid")
    return _of_classes(solved)


def _of_label(label: Classes) -> tuple[Array, Array]:
    if label.known is not None:
        return _known(label.known)
    p = 1 - label.share if label.present[0] else label.share
    return np.zeros((label.width, 1)), np.log([p / (1 - p)])


def _of_classes(solved: Classes) -> Weights:
    if solved.known is None:
        p = np.full(solved.k, solved.share)
        p[solved.present] = solved.rest
        return Weights(np.zeros((solved.width, solved.k)), np.log(p), "softmax")
    kernel, bias = _known(solved.known)
    if kernel.shape[1] == 1:  # of two classes, the score of the second
        kernel, bias = np.concatenate([0 * kernel, kernel], axis=1), np.concatenate([[0.0], bias])
    return Weights(kernel, bias, "softmax", *spread_of(solved))


def spread_of(solved: Classes) -> tuple[Array | None, Array | None]:
    """What makes probabilities of all classes of those of the classes that had rows; None where all had."""
    m = len(solved.present)
    if m == solved.k:
        return None, None
    spread, rest = np.zeros((m, solved.k)), np.full(solved.k, solved.share)
    spread[np.arange(m), solved.present] = solved.rest
    rest[solved.present] = 0.0
    return spread, rest


def _known(model: Any) -> tuple[Array, Array]:
    kernel, bias = model.weights()
    return kernel, bias


def network_of(parts: Parts, features: Any, solved: Solved, signature: Signature) -> Network:
    """The baseline as a network whose backbone answers the scores."""
    weights = weights_of(solved)
    first, scores = parts(features, weights.kernel, weights.bias)
    return join(first, scores, _head(weights), signature, {"kind": "baseline"})


def _head(weights: Weights) -> keras.Sequential:
    m = weights.kernel.shape[1]
    link = "linear" if weights.link == "none" else weights.link
    found: list[Any] = [keras.Input((m,), dtype="float64", name="scores")]
    found.append(layers.Activation(link, dtype="float64", name="link"))
    if weights.spread is not None and weights.rest is not None:
        found.append(fixed("all_classes", weights.spread, weights.rest))
    if weights.link != "none":
        found.append(layers.Activation("linear", dtype="float32", name="probabilities"))
    return keras.Sequential(found, name="head")


def fixed(name: str, kernel: Array, bias: Array) -> layers.Dense:
    """A layer with these weights, in double precision."""
    layer = layers.Dense(len(bias), kernel_initializer="zeros", dtype="float64", name=name)
    layer.build((None, len(kernel)))
    layer.set_weights([kernel, bias])
    return layer


def scores(
    shape: tuple[int, ...],
    kernel: Array,
    bias: Array,
    features: Callable[[keras.KerasTensor], keras.KerasTensor] = lambda x: x,
    dtype: str = "float32",
) -> keras.Model:
    """The part from what the first one answers, of this shape, to scores."""
    x = keras.Input(shape, dtype=dtype, name="features")
    flat = layers.Flatten(name="flat")(features(x))
    return keras.Model(x, fixed("scores", kernel, bias)(flat), name="backbone")
