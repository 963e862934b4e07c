"""Head, loss, metrics and decoding of each task."""

import math
from collections.abc import Mapping
from typing import Any, Literal, NamedTuple

import keras
import numpy as np
from sklearn import metrics as sk

from workers.transfer import text_metrics
from workers.transfer.data import LARGEST_NUMBER, Array, Data, Signature, Task
from workers.transfer.seeds import layer_seed

METRICS: Mapping[Task, tuple[str, ...]] = {
    "binary": ("accuracy", "balanced_accuracy", "auc", "log_loss", "f1"),
    "multiclass": ("accuracy", "balanced_accuracy", "auc", "log_loss", "macro_f1"),
    "multilabel": ("accuracy", "exact_match", "auc", "log_loss", "micro_f1", "macro_f1"),
    "regression": ("rmse", "mae", "r2"),
    **text_metrics.METRICS,
}
DEFAULT_METRIC: Mapping[Task, str] = {
    "binary": "accuracy",
    "multiclass": "accuracy",
    "multilabel": "micro_f1",
    "regression": "r2",
    **{task: names[0] for task, names in text_metrics.METRICS.items()},
}
LOWER_IS_BETTER = frozenset({"log_loss", "rmse", "mae"})
OF_TEXTS: frozenset[Task] = frozenset({"seq2seq", "span"})
"""Tasks whose answers are texts: predictions p are statistics of each row that add up, see `text_metrics`."""

SEQUENCES: frozenset[Task] = frozenset({"seq2seq", "span"})
"""Tasks whose targets are (n, several), each with a weight: ids of tokens, begin and end of a span."""

SMOOTHING = 0.1
"""The share of a token's label that is dealt out over all tokens in training (Szegedy et al. 2016)."""

SMALLEST_PROBABILITY = 1e-7
"""Probabilities are kept this far from 0 and 1 in log loss, as Keras does in its losses."""


_FEW_STEPS = 1024
"""Where a label's deviation is fewer steps of float32 than this, predictions are float64."""
_FLOAT32_RANGE = (1e-30, 1e30)


class LabelUnit(NamedTuple):
    """What a regression's label is measured in while it is learnt: (y - mean) / deviation.

    dtype: float64 where the label as float32 would lose digits that its deviation needs.
    """

    mean: float = 0.0
    deviation: float = 1.0
    dtype: Literal["float32", "float64"] = "float32"

    @classmethod
    def of(cls, y: Array) -> "LabelUnit":
        """That of labels (n, 1): their mean and standard deviation, 1 where they do not vary."""
        y = y.reshape(-1).astype(np.float64)
        scale = power_of_two(y)
        mean, deviation = float((y / scale).mean() * scale), float((y / scale).std() * scale)
        if not np.ptp(y / scale) > 0:
            mean, deviation = float(y[0]), 1.0
        size, (least, most) = float(np.abs(y).max()), _FLOAT32_RANGE
        is_coarse = size > most or deviation < max(least, _FEW_STEPS * float(np.spacing(np.float32(size))))
        # As the layers hold them: a Rescaling takes its numbers as float32, whatever it computes in.
        high, deviation = float(np.float32(mean)), float(np.float32(deviation)) or deviation
        return cls(high + float(np.float32(mean - high)), deviation, "float64" if is_coarse else "float32")

    def standardised(self, y: Array) -> Array:
        """Labels or predictions (n, 1) in this unit, float32; clipped, so that their squares are finite."""
        centred = y.astype(np.float64) / 2 - self.mean / 2  # halves cannot overflow
        units = np.clip(centred / (self.deviation / 2), -LARGEST_NUMBER, LARGEST_NUMBER)
        return units.astype(np.float32)

    def labels(self, units: Array) -> Array:
        """The inverse of `standardised`, float64."""
        return units.astype(np.float64) * self.deviation + self.mean


def power_of_two(*arrays: Array) -> float:
    """What arrays are divided by, exactly, so that their squares are finite; 1 of all but extreme ones."""
    size = max(float(np.abs(values).max(initial=0.0)) for values in arrays)
    if not 0 < size < math.inf or 1e-100 < size < 1e100:
        return 1.0
    return 2.0 ** min(max(math.frexp(size)[1], -1000), 1000)


def head(
    signature: Signature, width: int, seed: int, label_unit: LabelUnit | None, tokens: int = 0
) -> keras.Model:
    """The last part: representation (n, width) to predictions; of sequences (n, length, width) to `tokens`.

    Of spans (n, p, width) to logits (n, 2, p) of where the answer begins and ends.

    With a unit of a regression's label, the output is taken from it to the label's own.
    """
    if signature.task == "span":
        initializer = keras.initializers.GlorotUniform(seed=layer_seed(seed, "output"))
        return _span_head(keras.layers.Dense(2, kernel_initializer=initializer, name="output"), width)
    units, activation = {
        "binary": (1, "sigmoid"),
        "multiclass": (len(signature.classes), "softmax"),
        "multilabel": (len(signature.classes), "sigmoid"),
        "regression": (1, None),
        "seq2seq": (tokens, "softmax"),
    }[signature.task]
    shape = (None, width) if signature.task in SEQUENCES else (width,)
    initializer = keras.initializers.GlorotUniform(seed=layer_seed(seed, "output"))
    dense = keras.layers.Dense(units, kernel_initializer=initializer, name="output")
    part = keras.Sequential([keras.Input(shape, name="representation"), dense], name="head")
    if activation is not None:
        # A layer of its own, so that the logits are the output of `output`.
        part.add(keras.layers.Activation(activation, name="probabilities"))
    if label_unit is not None:
        mean, deviation, dtype = label_unit
        if dtype == "float64":
            high = float(np.float32(mean))
            part.add(keras.layers.Rescaling(deviation, offset=mean - high, dtype=dtype, name=UNIT))
            part.add(keras.layers.Rescaling(1.0, offset=high, dtype=dtype, name=ORIGIN))
        else:
            part.add(keras.layers.Rescaling(deviation, offset=mean, name=UNIT))
    return part


def _span_head(dense: keras.layers.Layer, width: int) -> keras.Model:
    """Vectors (n, p, width) to logits (n, 2, p) of where an answer begins and ends; none where they are 0."""
    ops, h = keras.ops, keras.Input((None, width), name="representation")
    there = ops.cast(ops.any(ops.not_equal(h, 0.0), axis=-1), "float32")[:, None, :]
    logits = ops.transpose(dense(h), (0, 2, 1)) * there - 1e9 * (1.0 - there)
    return keras.Model(h, logits, name="head")


UNIT, ORIGIN = "label_unit", "label_origin"
"""The names of a head's last layers, which take what it answers to the label's own unit."""


def label_unit(options: Mapping[str, Any], data: Data) -> LabelUnit | None:
    """The unit of the train rows' label, for a regression; of columns without preprocessing there is none."""
    if data.signature.task != "regression":
        return None
    if data.signature.kind == "tabular" and not options.get("preprocessing", True):
        return None
    return LabelUnit.of(data.train.targets)


def unit_of(head: keras.Sequential) -> LabelUnit:
    """The unit of a head's last Dense layer."""
    layer = {layer.name: layer for layer in head.layers}
    if UNIT not in layer:
        return LabelUnit()
    origin = float(layer[ORIGIN].offset) if ORIGIN in layer else 0.0
    return LabelUnit(origin + float(layer[UNIT].offset), float(layer[UNIT].scale), layer[UNIT].compute_dtype)


def in_units(head: keras.Sequential) -> keras.Sequential:
    """The head up to its last Dense layer, of the same layers: what numbers and sequences are trained on.

    Of thousands of tokens the logarithm of a probability is told from logits alone.
    """
    left_out = {UNIT, ORIGIN}
    if len(head.input_shape) > 2:
        left_out.add("probabilities")
    kept = [layer for layer in head.layers if layer.name not in left_out]
    if len(kept) == len(head.layers):
        return head
    return keras.Sequential([keras.Input(head.input_shape[1:], name="representation"), *kept], name=head.name)


def row_losses(task: Task, y: Any, p: Any) -> Any:
    """Keras' loss of each row, (b,), tensors in and out; of a multilabel task the mean over its labels.

    Of sequences that of each token, (b, length), of logits p; of spans those of begin and end, (b, 2).
    """
    if task in SEQUENCES:
        return keras.losses.sparse_categorical_crossentropy(y, p, from_logits=True)
    loss = {
        "binary": keras.losses.binary_crossentropy,
        "multiclass": keras.losses.sparse_categorical_crossentropy,
        "multilabel": keras.losses.binary_crossentropy,
        "regression": keras.losses.mean_squared_error,
    }[task]
    return loss(y, p)


def smoothed_losses(y: Any, p: Any) -> Any:
    """Cross-entropy of logits p (b, length, k) with tokens y, `SMOOTHING` of each dealt out, (b, length)."""
    logs = keras.ops.log_softmax(p, axis=-1)
    true = keras.ops.take_along_axis(logs, keras.ops.expand_dims(y, -1), axis=-1)[..., 0]
    return -(1 - SMOOTHING) * true - SMOOTHING * keras.ops.mean(logs, axis=-1)


def decide(task: Task, p: Array) -> Array:
    """Probabilities (n, 1) or (n, k) to class numbers (n,); a binary tie at ½ is class 0, as in Keras.

    Of a multilabel task 1 for each label beyond ½, else 0, (n, k).
    """
    if task == "multilabel":
        return (p > 0.5).astype(np.int64)
    return (p.reshape(-1) > 0.5).astype(np.int64) if task == "binary" else p.argmax(axis=1)


def decode(signature: Signature, p: Array) -> list[Any]:
    """Predictions to class names, lists of them for a multilabel task, or floats for a regression."""
    if signature.task == "regression":
        return [float(value) for value in p.reshape(-1)]
    decided = decide(signature.task, p)
    if signature.task == "multilabel":
        return [[signature.classes[k] for k in np.flatnonzero(row)] for row in decided]
    return [signature.classes[number] for number in decided]


def one_answer(task: Task, y: Array, p: Array) -> Array:
    """The same prediction for every row, the mean of the train rows' targets y, in the shape of p."""
    if task == "multiclass":
        shares = np.bincount(y.reshape(-1).astype(np.int64), minlength=p.shape[1]) / len(y)
    else:
        shares = y.reshape(-1, p.shape[1]).mean(axis=0)
    same: Array = np.broadcast_to(shares, p.shape)
    return same


def right_answers(task: Task, y: Array, decided: Array) -> Array:
    """Whether each row is decided rightly, of a multilabel task in all of its labels, (n,)."""
    if task == "multilabel":
        whole: Array = (decided == (y > 0.5)).all(axis=1)
        return whole
    right: Array = decided == y.reshape(-1).astype(np.int64)
    return right


def metrics(task: Task, y: Array, p: Array) -> dict[str, float | None]:
    """All metrics of the task on targets y and predictions p; None where undefined on these rows.

    AUC needs every class, balanced accuracy at least one row, R² a label that varies. Of a multilabel task
    accuracy is the share of single decisions that are right (1 - Hamming loss), exact match that of rows
    right in all labels; AUC is the mean over the labels that some rows have and some have not, macro F1
    that over the labels that occur in y or among the decisions. Where answers are texts, p are statistics.
    """
    if task in OF_TEXTS:
        return text_metrics.values(task, p.sum(axis=0))
    if task == "multilabel":
        return _several(y.astype(np.int64), p)
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


def _several(y: Array, p: Array) -> dict[str, float | None]:
    decided = decide("multilabel", p)
    mentioned = (y | decided).any(axis=0)
    split = (y.min(axis=0) < y.max(axis=0)) if len(y) else np.zeros(y.shape[1], bool)
    areas = [float(sk.roc_auc_score(y[:, k], p[:, k])) for k in np.flatnonzero(split)]
    macro = None
    if mentioned.any():
        scores = sk.f1_score(y[:, mentioned], decided[:, mentioned], average=None, zero_division=0.0)
        macro = float(np.mean(scores))
    return {
        "accuracy": float((y == decided).mean()),
        "exact_match": float((y == decided).all(axis=1).mean()),
        "auc": float(np.mean(areas)) if areas else None,
        "log_loss": float(mark_losses(y, p).mean()),
        "micro_f1": float(sk.f1_score(y, decided, average="micro", zero_division=0.0)),
        "macro_f1": macro,
    }


def mark_losses(y: Array, p: Array) -> Array:
    """-ln p of each label's truth in each row, the mean over the labels, (n,)."""
    p = p.astype(np.float64)
    true = np.where(y > 0.5, p, 1 - p)
    losses: Array = -np.log(np.clip(true, SMALLEST_PROBABILITY, 1 - SMALLEST_PROBABILITY)).mean(axis=1)
    return losses


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
    y, p = y.astype(np.float64), p.astype(np.float64)
    scale = power_of_two(y, p)
    y, p = y / scale, p / scale
    return {
        "rmse": float(sk.root_mean_squared_error(y, p)) * scale,
        "mae": float(sk.mean_absolute_error(y, p)) * scale,
        "r2": float(sk.r2_score(y, p)) if np.ptp(y) > 0 else None,
    }
