"""The order and weights of a training's rows, and the seeds of its steps; all follow from its options."""

import numpy as np

from workers.transfer.data import Array, Data
from workers.transfer.training.options import Training

LIKE_BATCHES = 32
"""Batches whose rows are dealt out among them by length."""


def epoch_order(training: Training, epoch: int, rows: int) -> Array:
    """The order of the rows in an epoch: a function of seed and epoch, so a resumed run needs no state."""
    if not training.shuffle:
        return np.arange(rows)
    return np.random.Generator(np.random.Philox([training.seed, epoch])).permutation(rows)


def of_like_length(order: Array, lengths: Array, batch: int, seed: int, number: int) -> Array:
    """The order of a round with rows of like length in each batch, so that a step has little padding.

    Of `LIKE_BATCHES` batches at a time the rows are sorted by their lengths, (n,) by row, and the batches
    drawn in any order; the last one, which may have fewer rows, stays the last.
    """
    rng = np.random.Generator(np.random.Philox([seed, number, 1]))
    parts = []
    for start in range(0, len(order), LIKE_BATCHES * batch):
        some = order[start : start + LIKE_BATCHES * batch]
        some = some[np.argsort(lengths[some], kind="stable")]
        whole = some[: len(some) // batch * batch].reshape(-1, batch)
        parts += [rng.permutation(whole).reshape(-1), some[whole.size :]]
    return np.concatenate(parts)


def row_weights(training: Training, data: Data) -> Array:
    """The weight of each train row's loss, (n,), float32.

    Raises:
        ValueError: a weighted class is not one of the data's, or there are none.
    """
    asked, rows, signature = training.class_weights, data.train, data.signature
    if asked is None:
        return np.ones(len(rows), np.float32)
    unknown = [] if isinstance(asked, str) else [name for name in asked if name not in signature.classes]
    if unknown or signature.task not in ("binary", "multiclass"):
        raise ValueError(
            f"Expected class weights for the classes {', '.join(signature.classes) or '(none)'}. "
            f"Received: {', '.join(unknown) or asked}. Correct class_weights, or leave it out."
        )
    classes = rows.targets.reshape(-1).astype(np.int64)
    if isinstance(asked, str):
        counts = np.bincount(classes, minlength=len(signature.classes))
        by_class = len(rows) / (len(counts) * np.maximum(counts, 1))
    else:
        by_class = np.array([asked.get(name, 1.0) for name in signature.classes])
    weights: Array = by_class[classes].astype(np.float32)
    return weights


def step_seeds(training: Training, first: int, steps: int) -> Array:
    """Two numbers for each of `steps` steps, from step `first` of the training on, (steps, 2)."""
    numbers = np.arange(first, first + steps, dtype=np.int64) * 16
    seeds = np.stack([np.full(steps, training.seed), numbers % 2**31], axis=1)
    return seeds.astype(np.int32)
