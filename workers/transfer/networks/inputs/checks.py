"""Which rows are written otherwise than a network reads them: their features become NaN, and their predictions.

Upload and training hand on what is written right, so that this is for who calls the network by itself: a
date as `31/12/2024` or with a zone would be read as some other day, pixels from 0 to 1 as black.
"""

import keras
from keras import ops

CHECKED = ("date", "image")
"""Types of columns that are."""

DATE_LENGTH = len("YYYY-MM-DDTHH:MM:SS")
CHARACTERS = "0123456789-T:"
"""What dates are written in; their ids count from 2, after those of nothing and of any other character."""

_FORM = "dddd-dd-ddTdd:dd:dd"
_DIGITS = (2.0, 11.0)
_SMALLEST, _LARGEST = -1.0, 256.0
_DARK = 3.0


def misdated(characters: keras.KerasTensor, parts: keras.KerasTensor) -> keras.KerasTensor:
    """Whether a date is neither empty nor of the form, (n, 1).

    Args:
        characters: ids of the first 20 characters, (n, 20).
        parts: year, month, day and hour as numbers, (n, 4).
    """
    low = [_DIGITS[0] if sign == "d" else 2.0 + CHARACTERS.index(sign) for sign in _FORM]
    high = [_DIGITS[1] if sign == "d" else 2.0 + CHARACTERS.index(sign) for sign in _FORM]
    x = ops.cast(characters, "float32")
    is_right = ops.logical_and(
        ops.greater_equal(x[:, :DATE_LENGTH], low), ops.less_equal(x[:, :DATE_LENGTH], high)
    )
    is_empty = ops.equal(x, 0.0)
    day = ops.logical_and(ops.all(is_right[:, :10], axis=1), ops.all(is_empty[:, 10:], axis=1))
    second = ops.logical_and(ops.all(is_right, axis=1), is_empty[:, DATE_LENGTH])
    month_and_day = ops.logical_and(
        ops.greater_equal(parts[:, 1:3], 0.5), ops.less_equal(parts[:, 1:3], [12.5, 31.5])
    )
    written = ops.logical_and(ops.logical_or(day, second), ops.all(month_and_day, axis=1))
    written = ops.logical_and(written, ops.less(parts[:, 3], 24.0))
    right = ops.logical_or(written, ops.all(is_empty, axis=1))
    return ops.expand_dims(ops.logical_not(right), -1)


def misscaled(pixels: keras.KerasTensor) -> keras.KerasTensor:
    """Whether an image's values are no pixels from 0 to 255, (n, 1, 1, 1): below, above, or fractions near 0."""
    axes = (1, 2, 3)
    least = ops.min(pixels, axis=axes, keepdims=True)
    most = ops.max(pixels, axis=axes, keepdims=True)
    is_beyond = ops.logical_or(ops.less(least, _SMALLEST), ops.greater(most, _LARGEST))
    has_fractions = ops.any(ops.not_equal(pixels, ops.round(pixels)), axis=axes, keepdims=True)
    return ops.logical_or(is_beyond, ops.logical_and(ops.less_equal(most, _DARK), has_fractions))


def marked(wrong: keras.KerasTensor, features: keras.KerasTensor) -> keras.KerasTensor:
    """The features, NaN where they are wrong."""
    return ops.where(wrong, float("nan"), features)


def answered(features: keras.KerasTensor, predictions: keras.KerasTensor) -> keras.KerasTensor:
    """The predictions (n, k), NaN where a feature is: on its way, NaN is lost in most backbones."""
    axes = tuple(range(1, len(features.shape)))
    wrong = ops.any(ops.isnan(features), axis=axes)
    return ops.where(ops.expand_dims(wrong, -1), float("nan"), predictions)
