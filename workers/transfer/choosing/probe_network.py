"""The fixed network that task vectors are made by: one layer of drawn weights for each kind of data.

Nothing of it is learnt from data, so features of any two data sets of one kind can be compared, on every
installation and at any time. Its weights follow from the names below by NumPy's Philox generator; whoever
changes what it computes raises `VERSION`.
"""

import hashlib
from collections.abc import Mapping

import keras
import numpy as np
from sklearn.feature_extraction.text import HashingVectorizer

from workers.transfer.baselines.bundled_model import date_parts
from workers.transfer.data import Array, Column, Signature
from workers.transfer.networks.inputs import image, sequence

VERSION = 1

WIDTH = 256
"""Features."""

IMAGE_SIDE, IMAGE_KERNEL, IMAGE_FILTERS = 32, 5, 64
RUN, LONGEST = 8, 1024
"""Letters of a sequence that a filter reads together, and letters that are read at most."""


def name_of(signature: Signature) -> str:
    """Which network reads such data, with its version: vectors of one name can be compared."""
    kind = signature.kind
    what = signature.columns[0].type if kind == "sequence" else kind
    return f"{what}-{VERSION}"


def features(signature: Signature, inputs: Mapping[str, Array]) -> Array:
    """Of rows of raw inputs, (n, WIDTH) float64, finite."""
    kind = signature.kind
    if kind == "tabular":
        return _of_columns(signature.columns, inputs)
    values = inputs[kind]
    if kind == "text":
        return _of_texts(values)
    if kind == "sequence":
        return _of_sequences(signature.columns[0], values)
    return _of_images(signature.columns[0], values)


def _drawn(name: str, *shape: int) -> Array:
    """Weights of a normal distribution that follow from a name."""
    seed = int.from_bytes(hashlib.sha256(f"{VERSION} {name}".encode()).digest()[:8], "big")
    return np.random.Generator(np.random.Philox(seed)).normal(size=shape)


def _of_columns(columns: tuple[Column, ...], inputs: Mapping[str, Array]) -> Array:
    """ReLU of a sum of one vector a column and value, which its name alone draws: order does not matter.

    A number is standardised by the rows and times its column's vector; a category has a vector a value.
    """
    total = np.zeros((len(next(iter(inputs.values()))), WIDTH))
    for column in columns:
        values = inputs[column.name]
        if column.type == "category":
            known, places = np.unique(values.astype(str), return_inverse=True)
            vectors = np.stack([_drawn(f"{column.name} = {value}", WIDTH) for value in known])
            total += vectors[places.reshape(-1)]
            continue
        is_date = column.type == "date"
        numbers = np.asarray(date_parts(values) if is_date else values.reshape(-1, 1), np.float64)
        numbers = np.where(np.isfinite(numbers), numbers, np.nan)
        for part, x in enumerate(numbers.T):
            missing = np.isnan(x)
            if missing.any():
                total += np.outer(missing, _drawn(f"{column.name} {part} is missing", WIDTH))
            total += np.outer(_standardised(x, missing), _drawn(f"{column.name} {part}", WIDTH))
    made: Array = np.maximum(total, 0) / np.sqrt(max(1, len(columns)))
    return made


def _standardised(x: Array, missing: Array) -> Array:
    """0 where it is missing; of large numbers no more than ten deviations."""
    some = x[~missing]
    if not len(some) or not some.std() > 0:
        return np.zeros(len(x))
    return np.where(missing, 0.0, np.clip((np.nan_to_num(x) - some.mean()) / some.std(), -10, 10))


def _of_texts(values: Array) -> Array:
    """Runs of 2 to 4 characters in words, hashed with a sign to one feature; of unit length a text."""
    hashing = HashingVectorizer(n_features=WIDTH, analyzer="char_wb", ngram_range=(2, 4), alternate_sign=True)
    return np.asarray(hashing.transform(values.tolist()).toarray(), np.float64)


def _of_sequences(column: Column, values: Array) -> Array:
    """Filters over runs of letters, ReLU; the mean over a sequence and the largest value."""
    options = {"length": LONGEST, "kind": "sequence_convnet"}
    part = sequence.first((column,), {"sequence": values}, options)
    channels = int(part.output_shape[-1])
    filters = _drawn(f"sequence {column.type}", RUN, channels, WIDTH // 2).astype(np.float32)
    filters -= filters.mean(axis=(0, 1))  # so that what follows the end is 0
    made = []
    for block in sequence.blocks(part, [values]):
        for start in range(0, len(block), 32):
            x = np.maximum(np.asarray(keras.ops.conv(block[start : start + 32], filters, padding="same")), 0)
            made.append(np.concatenate([x.sum(axis=1), x.max(axis=1)], axis=1))
    found = np.concatenate(made).astype(np.float64)
    lengths = np.array([min(max(len(value), 1), LONGEST) for value in values.tolist()])
    found[:, : WIDTH // 2] /= lengths[:, None]
    return found


def _of_images(column: Column, values: Array) -> Array:
    """Filters over small squares of pixels, ReLU; their mean over each quarter of the picture."""
    options = {"image_size": [IMAGE_SIDE, IMAGE_SIDE], "channels": 3, "kind": "convnet"}
    part = image.first((column,), {"image": values}, options)
    filters = _drawn("image", IMAGE_KERNEL, IMAGE_KERNEL, 3, IMAGE_FILTERS).astype(np.float32)
    filters -= filters.mean(axis=(0, 1, 2))  # what has one colour is 0
    made = []
    for block in image.blocks(part, [values]):
        for start in range(0, len(block), 128):
            pixels = block[start : start + 128].astype(np.float32) / 255
            x = np.maximum(np.asarray(keras.ops.conv(pixels, filters, strides=2)), 0)
            x = x[:, : x.shape[1] // 2 * 2, : x.shape[2] // 2 * 2]
            n, height, width, depth = x.shape
            quarters = x.reshape(n, 2, height // 2, 2, width // 2, depth).mean(axis=(2, 4))
            made.append(quarters.reshape(n, WIDTH))
    return np.concatenate(made).astype(np.float64)
