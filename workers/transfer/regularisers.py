"""What keeps the source's knowledge while the target is learnt, each as an objective added to the labels'."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import keras
import numpy as np
from keras import ops

from workers.transfer.calibration import rescaled, temperature
from workers.transfer.data import Array, Data
from workers.transfer.network import Network, clone, forward, leaves
from workers.transfer.objective import Objective, Seen

Regulariser = Literal["l2_sp", "delta", "bss", "co_tuning"]

STRENGTHS: dict[str, float] = {"l2_sp": 0.1, "delta": 0.01, "bss": 0.001, "co_tuning": 2.3}
"""The strength of each where none is given, as in its paper or its authors' code."""


def regulariser(
    name: Regulariser, source: Network, start: Network, data: Data, strength: float | None
) -> Objective:
    """The objective to add to the labels'; `start` is the target's network before training.

    Raises:
        ValueError: an unknown name, or co-tuning without classes on both sides.
    """
    value = STRENGTHS.get(name, 0.0) if strength is None else strength
    if name == "l2_sp":
        return l2_sp(value)
    if name == "delta":
        return delta(start, data, value)
    if name == "bss":
        return bss(start, value)
    if name == "co_tuning":
        return co_tuning(source, start, data, value)
    raise ValueError(f"Expected l2_sp, delta, bss or co_tuning. Received: {name!r}.")


def l2_sp(alpha: float) -> Objective:
    """L²-SP (Li et al. 2018): the backbone is drawn to its start, w ← w - ηα(w - w⁰), decoupled under Adam.

    The paper's decay of the head towards 0 is left out: the head has its own learning rate here.
    """
    return Objective(f"l2_sp {alpha}", terms=(), pull={"backbone": alpha})


def delta(start: Network, data: Data, alpha: float) -> Objective:
    """DELTA (Li et al. 2019) without channel attention: α · ½ Σ_l ‖f_l(x; w) - f_l(x; w⁰)‖², mean over rows.

    f_l are the outputs of the backbone's layers with weights; those of the start are computed once.
    """
    paths = [path for path, layer in leaves(start.backbone) if layer.weights]
    outputs = [start.backbone.get_layer(path).output for path in paths]
    features = forward(keras.Model(start.backbone.inputs, _joined(outputs)), _features(start, data))
    widths = [int(np.prod(output.shape[1:])) for output in outputs]
    taps = tuple(f"backbone/{path}" for path in paths)

    def term(seen: Seen) -> keras.KerasTensor:
        now = ops.concatenate(
            [ops.reshape(seen.taps[tap], (-1, n)) for tap, n in zip(taps, widths, strict=True)], 1
        )
        return alpha * 0.5 * ops.mean(ops.sum((now - seen.extras["delta"]) ** 2, axis=1))

    return Objective(f"delta {alpha}", (term,), taps, {"delta": features})


def bss(start: Network, eta: float) -> Objective:
    """Batch spectral shrinkage (Chen et al. 2019): η σ²_min, of a batch's features' singular values."""
    tap = f"backbone/{leaves(start.backbone)[-1][0]}"

    def term(seen: Seen) -> keras.KerasTensor:
        features = ops.reshape(seen.taps[tap], (ops.shape(seen.taps[tap])[0], -1))
        return eta * ops.min(ops.svd(features, full_matrices=False, compute_uv=False)) ** 2

    return Objective(f"bss {eta}", (term,), (tap,))


def co_tuning(source: Network, start: Network, data: Data, strength: float) -> Objective:
    """Co-tuning (You et al. 2020): the source's head learns on too, λ · CE(p(y_s | y_t), head_s(f(x))).

    The relation p(y_s | y_t) is the mean of the source's calibrated predictions over the target's train rows
    of each class, see `relation`. The source's head is trained along, and dropped at the end.

    Raises:
        ValueError: source or target is a regression.
    """
    if not (source.signature.classes and data.signature.classes):
        raise ValueError("Expected classes in source and target for co_tuning. Received: a regression.")
    head = clone(source.head)
    predicted = forward(head, forward(start.backbone, _features(start, data)))
    task = source.signature.task
    if task == "binary":
        predicted = np.concatenate([1 - predicted, predicted], axis=1)
    wanted = relation(predicted, data.train.targets, len(data.signature.classes))
    tap = f"backbone/{leaves(start.backbone)[-1][0]}"

    def term(seen: Seen) -> keras.KerasTensor:
        q = seen.helpers[0](seen.taps[tap], training=True)
        if task == "binary":
            q = ops.concatenate([1 - q, q], axis=1)
        return -strength * ops.mean(
            ops.sum(seen.extras["co_tuning"] * ops.log(ops.clip(q, 1e-7, 1.0)), axis=1)
        )

    rows = wanted[data.train.targets.reshape(-1).astype(np.int64)].astype(np.float32)
    return Objective(f"co_tuning {strength}", (term,), (tap,), {"co_tuning": rows}, (head,))


def relation(predicted: Array, targets: Array, classes: int) -> Array:
    """p(y_s | y_t), (target classes, source classes), from source predictions (n, source classes).

    Predictions are calibrated by a temperature against their own decisions before they are averaged, so that
    sureness learnt on the source does not carry over.
    """
    soft = rescaled(
        "multiclass", predicted, max(1.0, temperature("multiclass", predicted.argmax(axis=1), predicted))
    )
    y = targets.reshape(-1).astype(np.int64)
    uniform = np.full(predicted.shape[1], 1 / predicted.shape[1])
    return np.stack([soft[y == k].mean(axis=0) if (y == k).any() else uniform for k in range(classes)])


def _features(network: Network, data: Data) -> Array:
    columns = [data.train.inputs[column.name].reshape(-1, 1) for column in network.signature.columns]
    return forward(network.preprocessing, columns)


def _joined(outputs: Sequence[keras.KerasTensor]) -> keras.KerasTensor:
    flat = [keras.layers.Flatten()(output) for output in outputs]
    return flat[0] if len(flat) == 1 else keras.layers.Concatenate()(flat)
