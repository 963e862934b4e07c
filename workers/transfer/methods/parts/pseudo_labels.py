"""Pseudo-labels: rows without a label join the training with the class the network is sure of (Lee 2013)."""

from dataclasses import replace
from typing import Any

import numpy as np

from workers.transfer import tasks
from workers.transfer.data import Array, Data, Rows
from workers.transfer.methods.parts.equal_updates import as_many_updates
from workers.transfer.methods.parts.receipt import Transferred, is_backbone_frozen, moved_since
from workers.transfer.networks.network import Network
from workers.transfer.training.closed_form import fit_head
from workers.transfer.training.features import predict
from workers.transfer.training.fitting import Fit
from workers.transfer.training.optimizer import Rates

RATE = 0.1
"""The learning rate of training on, over the first training's: what was learnt is refined."""


def self_trained(made: Transferred, data: Data, fit: Fit, threshold: float) -> Transferred:
    """Train on with the rows that `pseudo_labelled` adds; frozen layers stay so.

    Every arm takes as many updates as one that is sure of all rows does in the training's epochs, however
    many rows it is sure of, so that the budgets are the same. In updates the head on a frozen backbone is not
    trained on, but fitted again in closed form to all rows.

    Raises:
        ValueError: the task has not one class a row.
    """
    with fit.counting():
        more, report = pseudo_labelled(made.network, data, threshold)
    is_fitted = fit.training.in_updates and is_backbone_frozen(made.receipt)
    if is_fitted:
        history, report["head"] = fit_head(made.network, more, fit)
    else:
        surest = len(data.train) + (0 if data.unlabelled is None else len(data.unlabelled))
        rate = fit.training.learning_rate * RATE
        with as_many_updates(fit, len(more.train), surest):
            history = fit(made.network, more, rates=_frozen(made.receipt), learning_rate=rate)
    return replace(
        made,
        history=made.history + history,
        receipt=moved_since(made.receipt, made.network, made.start),
        findings={**made.findings, "pseudo_labels": report},
        is_deterministic=made.is_deterministic and is_fitted,
    )


def _frozen(receipt: dict[str, Any]) -> Rates:
    """Rates of 0 for what was frozen."""
    return {
        f"{layer['part']}/{layer['layer']}": 0.0
        for layer in receipt["layers"]
        if layer["training"] == "frozen" and layer["part"] != "preprocessing"
    }


def pseudo_labelled(network: Network, data: Data, threshold: float) -> tuple[Data, dict[str, Any]]:
    """The data with those unlabelled rows in `train` whose decided class has at least this probability.

    What is told: `rows` without a label, `kept` of them, and kept `by_class`.

    Raises:
        ValueError: the task has not one class a row.
    """
    signature = data.signature
    if signature.task not in ("binary", "multiclass"):
        raise ValueError(
            f"Expected a task of one class a row for pseudo-labels. Received: a {signature.task} task."
        )
    if data.unlabelled is None:
        return data, {"rows": 0, "kept": 0, "by_class": dict.fromkeys(signature.classes, 0)}
    p = predict(network, data.unlabelled.inputs)
    decided = tasks.decide(signature.task, p)
    sure = p.max(axis=1) if signature.task == "multiclass" else np.maximum(p, 1 - p).reshape(-1)
    kept = np.flatnonzero(sure >= threshold)
    counts = np.bincount(decided[kept], minlength=len(signature.classes))
    report = {
        "rows": len(p),
        "kept": len(kept),
        "by_class": {name: int(count) for name, count in zip(signature.classes, counts, strict=True)},
    }
    train, more = data.train, data.unlabelled
    joined = {name: np.concatenate([x, more.inputs[name][kept]]) for name, x in train.inputs.items()}
    targets = np.concatenate([train.targets, _as_targets(decided[kept], train.targets)])
    numbers = np.concatenate([train.numbers, more.numbers[kept]])
    return replace(data, train=Rows(joined, targets, numbers)), report


def _as_targets(classes: Array, like: Array) -> Array:
    return classes.astype(like.dtype).reshape(-1, *like.shape[1:])
