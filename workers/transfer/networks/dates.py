"""How a date becomes numbers inside of a network, by built-in Keras layers."""

from collections.abc import Mapping, Sequence

import keras
import numpy as np
from keras import layers, ops

from workers.transfer.data import Array

PARTS = ("year", "month", "day", "hour")

_DATE_LENGTH = len("YYYY-MM-DDTHH:MM:SS")
_YEAR = {0: 1000.0, 1: 100.0, 2: 10.0, 3: 1.0}
_MONTH = {5: 10.0, 6: 1.0}
_DAY = {8: 10.0, 9: 1.0}
_HOUR = {11: 10.0, 12: 1.0, 14: 10 / 60, 15: 1 / 60, 17: 10 / 3600, 18: 1 / 3600}


def date_parts(
    name: str, tensor: keras.KerasTensor, values: Array
) -> tuple[keras.KerasTensor, keras.KerasTensor, Array]:
    """Years since 2000, month, day and hour of a tensor of dates (n, 1), and whether there is one, 1 or 0.

    Dates must read `YYYY-MM-DD` or `YYYY-MM-DDTHH:MM:SS`, or be "" for none. Also the parts of `values`, as
    the layers read them: (n, 4), NaN for none.
    """
    digits = keras.Sequential(_digit_layers(), name=f"{name}_digits")
    parts = _fixed_dense(f"{name}_parts", [_years(), (_MONTH, 0.0), (_DAY, 0.0), (_HOUR, 0.0)])
    month = _fixed_dense(f"{name}_month", [(_MONTH, 0.0)])
    present = layers.ReLU(max_value=1.0, name=f"{name}_present")  # month 0 happens only in ""
    matrix = np.asarray(parts(digits(ops.convert_to_tensor(values.reshape(-1, 1).tolist()))))
    x = digits(tensor)
    return parts(x), present(month(x)), np.where(values.reshape(-1, 1) == "", np.nan, matrix)


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
