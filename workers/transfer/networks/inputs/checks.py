"""Which rows are written otherwise than a network reads them: what it predicts for them is NaN.

Upload and training hand on what is written right, so that this is for who calls the network by itself: a
date as `31/12/2024` or with a zone would be read as some other day, pixels from 0 to 1 as black.
"""

from collections.abc import Sequence

import keras
import numpy as np
from keras import layers, ops

from workers.transfer.data import CHECKS

_FORM = "dddd-dd-ddTdd:dd:dd"
_CHARACTERS = "0123456789-T:"
_ZERO, _NINE = 2, 11
"""Ids of characters: those of nothing and of any other than these come before."""

_SMALLEST, _LARGEST = -1.0, 256.0
_DARK = 3.0


def checked(
    types: Sequence[str], inputs: Sequence[keras.KerasTensor], predictions: keras.KerasTensor
) -> keras.KerasTensor:
    """The predictions (n, k), NaN where an input is no date or no pixels, if any input is to be either.

    What is made of features on their way loses NaN in most networks, so they are marked at the end. All is in
    one layer, since the names of operations could be those of columns.
    """
    watched = [(one, tensor) for one, tensor in zip(types, inputs, strict=True) if one in _WRONG]
    if not watched:
        return predictions
    raw = [keras.Input(tensor.shape[1:], dtype=tensor.dtype) for _, tensor in watched]
    answers = keras.Input(predictions.shape[1:], dtype=predictions.dtype)
    wrong = [_WRONG[one](tensor) for (one, _), tensor in zip(watched, raw, strict=True)]
    is_wrong = ops.any(ops.stack(wrong, axis=-1), axis=-1, keepdims=True)
    layer = keras.Model([*raw, answers], ops.where(is_wrong, float("nan"), answers), name=CHECKS)
    return layer([*(tensor for _, tensor in watched), predictions])


def _misdated(dates: keras.KerasTensor) -> keras.KerasTensor:
    """Whether a text (n, 1) is neither empty nor a date of the form in a month 1 to 12 and so on, (n,)."""
    length = len(_FORM)
    x = layers.TextVectorization(
        standardize=None,
        split="character",
        output_sequence_length=length + 1,  # what is longer is no date
        vocabulary=list(_CHARACTERS),
    )(dates)
    low = [_ZERO if sign == "d" else 2 + _CHARACTERS.index(sign) for sign in _FORM]
    high = [_NINE if sign == "d" else 2 + _CHARACTERS.index(sign) for sign in _FORM]
    is_right = ops.logical_and(ops.greater_equal(x[:, :length], low), ops.less_equal(x[:, :length], high))
    is_empty = ops.equal(x, 0)
    is_day = ops.logical_and(ops.all(is_right[:, :10], axis=1), ops.all(is_empty[:, 10:], axis=1))
    is_second = ops.logical_and(ops.all(is_right, axis=1), is_empty[:, length])
    tens, ones = x[:, :length] - _ZERO, x[:, 1 : length + 1] - _ZERO
    month, day, hour = (10 * tens[:, at] + ones[:, at] for at in (5, 8, 11))
    is_there = ops.logical_and(_within(month, 1, 12), _within(day, 1, 31))
    is_there = ops.logical_and(is_there, ops.logical_or(is_day, _within(hour, 0, 23)))
    is_date = ops.logical_and(ops.logical_or(is_day, is_second), is_there)
    return ops.logical_not(ops.logical_or(is_date, ops.all(is_empty, axis=1)))


def _within(x: keras.KerasTensor, low: int, high: int) -> keras.KerasTensor:
    return ops.logical_and(ops.greater_equal(x, low), ops.less_equal(x, high))


def _misscaled(pixels: keras.KerasTensor) -> keras.KerasTensor:
    """Whether an image's values are no pixels 0 to 255: below, above, or fractions near 0, (n,).

    Pixels of other channels raise an error.
    """
    axes = (1, 2, 3)
    # In `predict` TensorFlow lets any number of channels through, and a convolution takes two of them for two
    # groups of one. A product with a matrix fails; a reshape is optimised away.
    channels = pixels.shape[3]
    corner = ops.matmul(pixels[:, 0, 0], np.ones((channels, 1), "float32"))[:, 0]
    is_below = ops.less(ops.minimum(ops.min(pixels, axis=axes), corner / channels), _SMALLEST)
    most = ops.max(pixels, axis=axes)
    is_beyond = ops.logical_or(is_below, ops.greater(most, _LARGEST))
    has_fractions = ops.any(ops.not_equal(pixels, ops.round(pixels)), axis=axes)
    return ops.logical_or(is_beyond, ops.logical_and(ops.less_equal(most, _DARK), has_fractions))


_WRONG = {"date": _misdated, "image": _misscaled}
