"""Shares of k-mers as `sequences` counts them, and letters by their place, by built-in layers."""

from collections.abc import Sequence

import keras
import numpy as np
from keras import layers, ops

from workers.transfer.baselines.as_network import scores
from workers.transfer.data import Array


def places(part: keras.Model, _: object, kernel: Array, bias: Array) -> tuple[keras.Model, keras.Model]:
    """The letters at each place."""
    return part, scores(part.output_shape[1:], kernel, bias)


def kmers(
    letters: str, longest: int, _: object, kernel: Array, bias: Array
) -> tuple[keras.Model, keras.Model]:
    """The share of each k-mer times its weight: the mean weight of the k-mers there are."""
    same = "U" if letters == "ACGT" else ""
    sequence = keras.Input((1,), name="sequence", dtype="string")
    ids = layers.TextVectorization(
        standardize="lower", split="character", vocabulary=list((letters + same).lower()), name="letters"
    )(sequence)
    # 0 for any other sign and beyond the end, 1 for the first letter, …
    number = [0, 0, *range(1, len(letters) + 1), *([letters.index("T") + 1] if same else [])]
    codes = _table("codes", np.array(number, np.float64)[:, None])(ids)
    # `longest` signs more, so that a sequence of any length has a run of each length.
    codes = ops.pad(ops.cast(codes[:, :, 0], "int32"), [(0, 0), (0, longest)])
    first = keras.Model(sequence, codes, name="preprocessing")
    x = keras.Input((None,), dtype="int32", name="codes")
    return first, keras.Model(x, _scores(x, len(letters), longest, kernel, bias), name="backbone")


def _scores(
    x: keras.KerasTensor, letters: int, longest: int, kernel: Array, bias: Array
) -> keras.KerasTensor:
    found: list[keras.KerasTensor] = []
    run, start = x, 0
    for k in range(1, longest + 1):
        if k > 1:  # the run that ends one letter later; 0 stays what is none
            run, after = run[:, :-1], x[:, k - 1 :]
            is_run = ops.logical_and(ops.greater(run, 0), ops.greater(after, 0))
            run = ops.where(is_run, (run - 1) * letters + after, 0)
        weights = np.concatenate([np.zeros((1, kernel.shape[1])), kernel[start : start + letters**k]])
        total = ops.sum(_table(f"runs_of_{k}", weights)(run), axis=1)
        count = ops.sum(ops.cast(ops.greater(run, 0), "float64"), axis=1, keepdims=True)
        found.append(ops.divide(total, ops.maximum(count, 1.0)))
        start += letters**k
    origin = layers.Dense(
        len(bias), kernel_initializer="identity", trainable=False, dtype="float64", name="scores"
    )
    origin.build((None, len(bias)))
    origin.set_weights([np.eye(len(bias)), bias])
    return origin(_sum(found))


def _sum(tensors: Sequence[keras.KerasTensor]) -> keras.KerasTensor:
    return layers.Add(dtype="float64", name="all_runs")(tensors) if len(tensors) > 1 else tensors[0]


def _table(name: str, values: Array) -> layers.Embedding:
    layer = layers.Embedding(*values.shape, embeddings_initializer="zeros", dtype="float64", name=name)
    layer.build(None)
    layer.set_weights([values])
    return layer
