"""What keeps the source's knowledge while the target is learnt, each as an objective added to the labels'."""

from __future__ import annotations

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

Regulariser = Literal["l2_sp", "bss", "co_tuning"]

STRENGTHS: dict[str, float] = {"l2_sp": 3.0, "bss": 0.03, "co_tuning": 0.5}
"""The strength of each where none is given: what gained on data at hand, see docs/decisions/0039."""

_FACTORS = (1.0, 0.1, 10.0)

HEAD_DECAY = 0.01
"""β, the decay of a new head towards 0 that L²-SP sets beside the pull on what is the source's."""


def strengths_to_try(name: Regulariser) -> list[float]:
    """From which one may be chosen; the default is the first."""
    return [float(f"{STRENGTHS[name] * factor:g}") for factor in _FACTORS]


def regulariser(
    name: Regulariser,
    source: Network,
    start: Network,
    data: Data,
    strength: float | None,
    *,
    has_new_head: bool,
) -> Objective:
    """The objective to add to the labels'; `start` is the target's network before training.

    Raises:
        ValueError: an unknown name, or co-tuning without classes on both sides.
    """
    value = STRENGTHS.get(name, 0.0) if strength is None else strength
    if name == "l2_sp":
        return l2_sp(start, value, has_new_head=has_new_head)
    if name == "bss":
        return bss(start, value)
    if name == "co_tuning":
        return co_tuning(source, start, data, value)
    raise ValueError(f"Expected l2_sp, bss or co_tuning. Received: {name!r}.")


def l2_sp(start: Network, alpha: float, *, has_new_head: bool) -> Objective:
    """L²-SP (Li et al. 2018): Ω = α/2 ‖w - w⁰‖² + β/2 ‖w_new‖², w⁰ the start of what is the source's.

    Its gradient does not pass through Adam: w ← w - ηα(w - w⁰), and w_new ← w_new - ηβ w_new for a new head.
    """
    parts = ("backbone/",) if has_new_head else ("backbone/", "head/")
    anchors = {path: value for path, value in weight_values(start).items() if path.startswith(parts)}
    pull = {part.rstrip("/"): alpha for part in parts}
    carried = Objective(f"l2_sp {alpha}", terms=(), pull=pull, anchors=anchors)
    return carried + _head_decay(start) if has_new_head else carried


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


def _features(network: Network, data: Data) -> Array:
    return outputs(network, ["preprocessing"], data.train.inputs)
