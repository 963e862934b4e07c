"""What keeps the source's knowledge while the target is learnt, each as an objective added to the labels'."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import keras
import numpy as np
from keras import ops

from workers.transfer.data import Array, Data
from workers.transfer.methods.parts.receipt import weight_values
from workers.transfer.networks.forwarding import forward
from workers.transfer.networks.network import Network, clone
from workers.transfer.training.features import outputs
from workers.transfer.training.objective import Objective, Seen

Regulariser = Literal["l2_sp", "delta", "bss", "co_tuning"]

STRENGTHS: dict[str, float] = {"l2_sp": 0.1, "delta": 0.01, "bss": 0.001, "co_tuning": 2.3}
"""The strength of each where none is given, as in its paper or its authors' code."""

HEAD_DECAY = 0.01
"""β, the decay of the head towards 0 that L²-SP and DELTA set beside the backbone's pull."""


def regulariser(
    name: Regulariser, source: Network, start: Network, data: Data, strength: float | None
) -> Objective:
    """The objective to add to the labels'; `start` is the target's network before training.

    Raises:
        ValueError: an unknown name, or co-tuning without classes on both sides.
    """
    value = STRENGTHS.get(name, 0.0) if strength is None else strength
    if name == "l2_sp":
        return l2_sp(start, value)
    if name == "delta":
        return delta(start, data, value)
    if name == "bss":
        return bss(start, value)
    if name == "co_tuning":
        return co_tuning(source, start, data, value)
    raise ValueError(f"Expected l2_sp, delta, bss or co_tuning. Received: {name!r}.")


def l2_sp(start: Network, alpha: float) -> Objective:
    """L²-SP (Li et al. 2018): Ω = α/2 ‖w - w⁰‖² + β/2 ‖w_head‖², w⁰ the backbone's start.

    Its gradient does not pass through Adam: w ← w - ηα(w - w⁰), and w_head ← w_head - ηβ w_head.
    """
    anchors = {path: value for path, value in weight_values(start).items() if path.startswith("backbone/")}
    backbone = Objective(f"l2_sp {alpha}", terms=(), pull={"backbone": alpha}, anchors=anchors)
    return backbone + _head_decay(start)


def delta(start: Network, data: Data, alpha: float) -> Objective:
    """DELTA (Li et al. 2019) without channel attention: α · ½ Σ_l ‖f_l(x; w) - f_l(x; w⁰)‖², mean over rows.

    f_l are the outputs of the backbone's own layers with weights, and its last where it holds networks; those
    of the start are computed once. The head decays as in `l2_sp`.
    """
    paths = _tappable(start.backbone)
    ends = [start.backbone.get_layer(path).output for path in paths]
    features = forward(keras.Model(start.backbone.inputs, _joined(ends)), _features(start, data))
    widths = [int(np.prod(output.shape[1:])) for output in ends]
    taps = tuple(f"backbone/{path}" for path in paths)

    def term(seen: Seen) -> keras.KerasTensor:
        now = ops.concatenate(
            [ops.reshape(seen.taps[tap], (-1, n)) for tap, n in zip(taps, widths, strict=True)], 1
        )
        return alpha * 0.5 * ops.mean(ops.sum((now - seen.extras["delta"]) ** 2, axis=1))

    return Objective(f"delta {alpha}", (term,), taps, {"delta": features}) + _head_decay(start)


def bss(start: Network, eta: float) -> Objective:
    """Batch spectral shrinkage (Chen et al. 2019): η σ²_min, of a batch's features' singular values."""
    tap = f"backbone/{start.backbone.layers[-1].name}"

    def term(seen: Seen) -> keras.KerasTensor:
        features = ops.reshape(seen.taps[tap], (ops.shape(seen.taps[tap])[0], -1))
        return eta * ops.min(ops.svd(features, full_matrices=False, compute_uv=False)) ** 2

    return Objective(f"bss {eta}", (term,), (tap,))


def co_tuning(source: Network, start: Network, data: Data, strength: float) -> Objective:
    """Co-tuning (You et al. 2020): the source's head learns on too, λ · CE(p(y_s | y_t), head_s(f(x))).

    The relation p(y_s | y_t) is learnt from the source's predictions for the target's train rows, see
    `relation`. The source's head is trained along, and dropped at the end.

    Raises:
        ValueError: source or target has not one class a row.
    """
    both = (source.signature.task, data.signature.task)
    if not set(both) <= {"binary", "multiclass"}:
        raise ValueError(f"Expected one class a row in source and target for co_tuning. Received: {both}.")
    head = clone(source.head)
    predicted = forward(head, forward(start.backbone, _features(start, data)))
    task = source.signature.task
    if task == "binary":
        predicted = np.concatenate([1 - predicted, predicted], axis=1)
    wanted = relation(predicted, data.train.targets, len(data.signature.classes))
    tap = f"backbone/{start.backbone.layers[-1].name}"

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

    The paper's direct approach: the mean prediction over the rows of a class; uniform for a class without a
    row. The paper calibrates the predictions on the source's held-out rows, which are not at hand here.
    """
    y = targets.reshape(-1).astype(np.int64)
    uniform = np.full(predicted.shape[1], 1 / predicted.shape[1])
    return np.stack([predicted[y == k].mean(axis=0) if (y == k).any() else uniform for k in range(classes)])


def _head_decay(start: Network) -> Objective:
    """w ← w - ηβw for the head."""
    anchors = {
        path: np.zeros_like(value) for path, value in weight_values(start).items() if path.startswith("head/")
    }
    return Objective(f"head decay {HEAD_DECAY}", terms=(), pull={"head": HEAD_DECAY}, anchors=anchors)


def _tappable(backbone: keras.Model) -> list[str]:
    """Layers with weights whose outputs belong to the backbone's own graph, not to a network inside it."""
    own = [layer for layer in backbone.layers if not isinstance(layer, keras.Model)]
    names = [layer.name for layer in own if layer.weights]
    if len(own) < len(backbone.layers) and own[-1].name not in names:
        names.append(own[-1].name)
    return names


def _features(network: Network, data: Data) -> Array:
    return outputs(network, ["preprocessing"], data.train.inputs)


def _joined(outputs: Sequence[keras.KerasTensor]) -> keras.KerasTensor:
    flat = [keras.layers.Flatten()(output) for output in outputs]
    return flat[0] if len(flat) == 1 else keras.layers.Concatenate()(flat)
