"""Raw columns to one float32 matrix, by built-in Keras layers whose state is learnt from the train rows.

The part takes a list of tensors (n, 1), one for each column in the signature's order. Numbers and booleans
are standardised, a missing one becomes the mean. Categories are one-hot with a place for unknown values.
Dates must read `YYYY-MM-DD` or `YYYY-MM-DDTHH:MM:SS`. A column with missing values in the train rows gets
a 0/1 indicator; for categories "" is an ordinary value.
"""

from collections import Counter
from collections.abc import Mapping, Sequence

import keras
import numpy as np
from keras import layers, ops

from workers.transfer.data import Array, Column

_DATE_LENGTH = len("YYYY-MM-DDTHH:MM:SS")
_YEAR = {0: 1000.0, 1: 100.0, 2: 10.0, 3: 1.0}
_MONTH = {5: 10.0, 6: 1.0}
_DAY = {8: 10.0, 9: 1.0}
_HOUR = {11: 10.0, 12: 1.0, 14: 10 / 60, 15: 1 / 60, 17: 10 / 3600, 18: 1 / 3600}


def plain(columns: Sequence[Column]) -> keras.Model:
    """The columns side by side as they are: x (n, d), d = len(columns).

    Raises:
        ValueError: a column is neither number nor boolean.
    """
    others = [column.name for column in columns if not column.is_numeric]
    if others:
        raise ValueError(
            "Expected only number and boolean columns when preprocessing is off. "
            f"Received: {', '.join(others)}. Switch preprocessing on or leave these columns out."
        )
    inputs = _inputs(columns)
    return keras.Model(inputs, layers.Concatenate(name="columns")(inputs), name="preprocessing")


def learnt(columns: Sequence[Column], train: Mapping[str, Array], max_categories: int) -> keras.Model:
    """The preprocessing part with means, variances and vocabularies of the train rows."""
    inputs = _inputs(columns)
    outputs = _numbers(columns, inputs, train)
    for number, (column, tensor) in enumerate(zip(columns, inputs, strict=True)):
        if column.type == "category":
            outputs.append(_category(f"tokens_{number}", tensor, train[column.name], max_categories))
        elif column.type == "date":
            outputs += _date(f"date_{number}", tensor, train[column.name])
    return keras.Model(inputs, layers.Concatenate(name="columns")(outputs), name="preprocessing")


def input_of(column: Column, name: str) -> keras.KerasTensor:
    """A Keras input of shape (n, 1), float32 or string."""
    return keras.Input((1,), name=name, dtype="float32" if column.is_numeric else "string")


def _inputs(columns: Sequence[Column]) -> list[keras.KerasTensor]:
    return [input_of(column, f"column_{number}") for number, column in enumerate(columns)]


def _numbers(
    columns: Sequence[Column], inputs: Sequence[keras.KerasTensor], train: Mapping[str, Array]
) -> list[keras.KerasTensor]:
    numeric = [(column, tensor) for column, tensor in zip(columns, inputs, strict=True) if column.is_numeric]
    if not numeric:
        return []
    matrix = np.stack([train[column.name] for column, _ in numeric], axis=1)  # (n, d)
    raw = layers.Concatenate(name="numbers")([tensor for _, tensor in numeric])
    scaled = _standardisation("number_scale", matrix)(raw)
    outputs = [ops.nan_to_num(scaled, nan=0.0)]
    gaps = [tensor for column, tensor in numeric if np.isnan(train[column.name]).any()]
    if gaps:
        watched = layers.Concatenate(name="numbers_with_gaps")(gaps)
        outputs.append(ops.cast(ops.isnan(watched), "float32"))
    return outputs


def _standardisation(name: str, matrix: Array) -> layers.Normalization:
    """A layer that standardises each column of a matrix (n, d); NaN left out, variance 0 taken as 1."""
    present = ~np.isnan(matrix)
    values = np.where(present, matrix, 0).astype(np.float64)
    count = np.maximum(present.sum(axis=0), 1)
    mean = values.sum(axis=0) / count
    variance = (np.where(present, matrix - mean, 0) ** 2).sum(axis=0) / count
    variance = np.where(variance.astype(np.float32) > 0, variance, 1.0)
    layer = layers.Normalization(name=name)
    layer.build((None, matrix.shape[1]))
    layer.set_weights([mean.astype(np.float32), variance.astype(np.float32), np.array(len(matrix))])
    layer.finalize_state()
    return layer


def _category(name: str, tensor: keras.KerasTensor, values: Array, max_categories: int) -> keras.KerasTensor:
    counts = sorted(Counter(values.tolist()).items(), key=lambda item: (-item[1], item[0]))
    vocabulary = [token for token, _ in counts[:max_categories]]
    return layers.StringLookup(vocabulary=vocabulary, output_mode="one_hot", name=name)(tensor)


def _date(name: str, tensor: keras.KerasTensor, values: Array) -> list[keras.KerasTensor]:
    digits = keras.Sequential(_digit_layers(), name=f"{name}_digits")
    parts = _fixed_dense(f"{name}_parts", [_years(), (_MONTH, 0.0), (_DAY, 0.0), (_HOUR, 0.0)])
    month = _fixed_dense(f"{name}_month", [(_MONTH, 0.0)])
    present = layers.ReLU(max_value=1.0, name=f"{name}_present")  # month 0 happens only in ""
    matrix = np.asarray(parts(digits(ops.convert_to_tensor(values.reshape(-1, 1).tolist()))))
    known = np.where(values.reshape(-1, 1) == "", np.nan, matrix)
    x = digits(tensor)
    is_present = present(month(x))
    scaled = _standardisation(f"{name}_scale", known)(parts(x))
    scaled = layers.Multiply(name=f"{name}_values")([scaled, is_present])
    if not (values == "").any():
        return [scaled]
    return [scaled, layers.Rescaling(-1.0, offset=1.0, name=f"{name}_missing")(is_present)]


def _digit_layers() -> list[keras.layers.Layer]:
    """Date string (n, 1) to the digits at its 19 places (n, 19), 0 where the string is shorter.

    Ids are 0 padding, 1 unknown, 2 the digit 0, …; the values at separators are weighted by 0 later.
    """
    characters = layers.TextVectorization(
        standardize=None,
        split="character",
        output_sequence_length=_DATE_LENGTH,
        vocabulary=list("0123456789-T:"),
        name="characters",
    )
    return [characters, layers.Rescaling(1.0, offset=-2.0, name="values"), layers.ReLU(name="digits")]


def _years() -> tuple[dict[int, float], float]:
    """Years since 2000 with their fraction: months of 1/12 year, days of 1/31 month."""
    month = {place: weight / 12 for place, weight in _MONTH.items()}
    day = {place: weight / (12 * 31) for place, weight in _DAY.items()}
    hour = {place: weight / (12 * 31 * 24) for place, weight in _HOUR.items()}
    return {**_YEAR, **month, **day, **hour}, -2000 - 1 / 12 - 1 / (12 * 31)


def _fixed_dense(name: str, units: Sequence[tuple[Mapping[int, float], float]]) -> layers.Dense:
    """A dense layer with given weights by place, and a given bias, for each unit; never trained."""
    layer = layers.Dense(len(units), trainable=False, kernel_initializer="zeros", name=name)
    layer.build((None, _DATE_LENGTH))
    kernel = np.zeros((_DATE_LENGTH, len(units)), np.float32)
    for unit, (weights, _) in enumerate(units):
        for place, weight in weights.items():
            kernel[place, unit] = weight
    layer.set_weights([kernel, np.array([bias for _, bias in units], np.float32)])
    return layer
