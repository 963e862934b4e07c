"""Head, loss, metrics and decoding of each task."""

from collections.abc import Mapping
from typing import Any

import keras
import numpy as np
from sklearn import metrics as sk

from workers.transfer.data import Array, Data, Signature, Task
from workers.transfer.seeds import layer_seed

METRICS: Mapping[Task, tuple[str, ...]] = {
    "binary": ("accuracy", "balanced_accuracy", "auc", "log_loss", "f1"),
    "multiclass": ("accuracy", "balanced_accuracy", "auc", "log_loss", "macro_f1"),
    "regression": ("rmse", "mae", "r2"),
}
DEFAULT_METRIC: Mapping[Task, str] = {"binary": "accuracy", "multiclass": "accuracy", "regression": "r2"}
LOWER_IS_BETTER = frozenset({"log_loss", "rmse", "mae"})
SMALLEST_PROBABILITY = 1e-7
"""Probabilities are kept this far from 0 and 1 in log loss, as Keras does in its losses."""


def head(
    signature: Signature, width: int, seed: int, label_unit: tuple[float, float] | None
) -> keras.Sequential:
    """The last part: representation (n, width) to predictions.

    `label_unit` is mean and deviation of a regression's label; the output is scaled by them.
    """
    units, activation = {
        "binary": (1, "sigmoid"),
        "multiclass": (len(signature.classes), "softmax"),
        "regression": (1, None),
    }[signature.task]
    initializer = keras.initializers.GlorotUniform(seed=layer_seed(seed, "output"))
    dense = keras.layers.Dense(units, kernel_initializer=initializer, name="output")
    part = keras.Sequential([keras.Input((width,), name="representation"), dense], name="head")
    if activation is not None:
        # A layer of its own, so that the logits are the output of `output`.
        part.add(keras.layers.Activation(activation, name="probabilities"))
    if label_unit is not None:
        mean, deviation = label_unit
        part.add(keras.layers.Rescaling(deviation, offset=mean, name="label_unit"))
    return part


def label_unit(options: Mapping[str, Any], data: Data) -> tuple[float, float] | None:
    """Mean and deviation of the train rows' label, for a regression with preprocessing."""
    if data.signature.task != "regression" or not options.get("preprocessing", True):
        return None
    targets = data.train.targets.astype(np.float64)
    return float(targets.mean()), float(targets.std()) or 1.0


def row_losses(task: Task, y: Any, p: Any) -> Any:
    """Keras' loss of each row, (b,), tensors in and out."""
    loss = {
        "binary": keras.losses.binary_crossentropy,
        "multiclass": keras.losses.sparse_categorical_crossentropy,
        "regression": keras.losses.mean_squared_error,
    }[task]
    return loss(y, p)


def decide(task: Task, p: Array) -> Array:
    """Probabilities (n, 1) or (n, k) to class numbers (n,); a binary tie at ½ is class 0, as in Keras."""
    return (p.reshape(-1) > 0.5).astype(np.int64) if task == "binary" else p.argmax(axis=1)


def decode(signature: Signature, p: Array) -> list[Any]:
    """Predictions to class names, or to floats for a regression."""
    if signature.task == "regression":
        return [float(value) for value in p.reshape(-1)]
    return [signature.classes[number] for number in decide(signature.task, p)]


def metrics(task: Task, y: Array, p: Array) -> dict[str, float | None]:
    """All metrics of the task on targets y and predictions p; None where undefined on these rows.

    AUC needs every class, balanced accuracy at least one row, R² a label that varies.
    """
    if task == "regression":
        return _regression(y.reshape(-1), p.reshape(-1))
    classes = y.reshape(-1).astype(np.int64)
    decided = decide(task, p)
    scores: dict[str, float | None] = {
        "accuracy": float(sk.accuracy_score(classes, decided)),
        "balanced_accuracy": _balanced_accuracy(classes, decided),
        "auc": auc(task, classes, p),
        "log_loss": float(log_losses(task, classes, p).mean()),
    }
    if task == "binary":
        scores["f1"] = float(sk.f1_score(classes, decided, zero_division=0.0))
    else:
        scores["macro_f1"] = float(sk.f1_score(classes, decided, average="macro", zero_division=0.0))
    return scores


def auc(task: Task, classes: Array, p: Array) -> float | None:
    """Area under the ROC curve; for several classes the mean of one against the rest; None without one."""
    count = 2 if task == "binary" else p.shape[1]
    if len(np.unique(classes)) < count:
        return None
    if task == "binary":
        return float(sk.roc_auc_score(classes, p.reshape(-1)))
    return float(np.mean([sk.roc_auc_score(classes == number, p[:, number]) for number in range(count)]))


def log_losses(task: Task, classes: Array, p: Array) -> Array:
    """-ln p of the true class for each row, (n,)."""
    p = p.astype(np.float64)
    if task == "binary":
        p = np.concatenate([1 - p, p], axis=1)
    true = p[np.arange(len(p)), classes]
    losses: Array = -np.log(np.clip(true, SMALLEST_PROBABILITY, 1 - SMALLEST_PROBABILITY))
    return losses


def _balanced_accuracy(classes: Array, decided: Array) -> float:
    """Mean recall over the classes that occur in y: scikit-learn's, without its warning about others."""
    present = np.unique(classes)
    return float(sk.recall_score(classes, decided, labels=present, average="macro"))


def _regression(y: Array, p: Array) -> dict[str, float | None]:
    return {
        "rmse": float(sk.root_mean_squared_error(y, p)),
        "mae": float(sk.mean_absolute_error(y, p)),
        "r2": float(sk.r2_score(y, p)) if np.ptp(y) > 0 else None,
    }
