"""A context in windows that overlap, each with the question before it; each piece belongs to one of them.

A window of 192 pieces answers for the 96 in its middle, and reads 48 on either side.
"""

from typing import Any

import keras
from keras import layers, ops


def step_of(window: int) -> int:
    """How many pieces a window answers for; the next one begins so much later."""
    return window // 2


def margin_of(window: int) -> int:
    """How many pieces it reads on either side."""
    return window // 4


def inputs(question_length: int, window: int) -> tuple[Any, Any]:
    """Ids of the question (n, q), and of the context (n, w, s), s a step."""
    question = keras.Input((question_length,), dtype="int32", name="question")
    return question, keras.Input((None, step_of(window)), dtype="int32", name="context")


def joined(question: Any, context: Any, window: int) -> Any:
    """The ids of each window behind those of the question, (n, w, q + s + 2 margins); 0 where nothing is."""
    step, margin = step_of(window), margin_of(window)
    before = ops.pad(context, ((0, 0), (1, 0), (0, 0)))[:, :-1, step - margin :]
    behind = ops.pad(context, ((0, 0), (0, 1), (0, 0)))[:, 1:, :margin]
    asked = question[:, None, :] * ops.ones_like(context[:, :, :1])
    return ops.concatenate([asked, before, context, behind], axis=2)


def owned(h: Any, context: Any, question_length: int, window: int) -> Any:
    """Of vectors (n, w, l, units) those that the windows answer for, (n, w · s, units), 0 for padding."""
    begin = question_length + margin_of(window)
    there = ops.cast(ops.not_equal(context, 0), "float32")[..., None]
    h = h[:, :, begin : begin + step_of(window)] * there
    return layers.Reshape((-1, h.shape[-1]), name="together")(h)
