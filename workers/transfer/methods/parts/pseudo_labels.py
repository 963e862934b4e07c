"""Pseudo-labels: rows without a label join the training with the class the network is sure of (Lee 2013)."""

from dataclasses import replace
from typing import Any

import numpy as np

from workers.transfer import tasks
from workers.transfer.data import Array, Data, Rows
from workers.transfer.methods.parts.equal_updates import as_many_updates
from workers.transfer.methods.parts.receipt import Transferred, moved_since
from workers.transfer.networks.network import Network
from workers.transfer.training.features import predict
from workers.transfer.training.fitting import Fit

RATE = 0.1
"""The learning rate of training on, over the first training's: what was learnt is refined."""


def self_trained(made: Transferred, data: Data, fit: Fit, threshold: float) -> Transferred:
    """Train on with the rows that `pseudo_labelled` adds; frozen layers stay so.

    Every arm takes as many updates as one that is sure of all rows does in the training's epochs, however
    many rows it is sure of, so that the budgets are the same.

    Raises:
        ValueError: the task has not one class a row.
    """
    more, report = pseudo_labelled(made.network, data, threshold)
    rates = {
        f"{layer['part']}/{layer['layer']}": 0.0
        for layer in made.receipt["layers"]
        if layer["training"] == "frozen" and layer["part"] != "preprocessing"
    }
    surest = len(data.train) + (0 if data.unlabelled is None else len(data.unlabelled))
    with as_many_updates(fit, len(more.train), surest):
        history = fit(made.network, more, rates=rates, learning_rate=fit.training.learning_rate * RATE)
    receipt = moved_since(made.receipt, made.network, made.start)
    findings = {**made.findings, "pseudo_labels": report}
    return replace(made, history=made.history + history, receipt=receipt, findings=findings)


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
