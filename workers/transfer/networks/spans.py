"""Networks that answer by a span of a context: how they are joined, and which span is the best."""

from typing import Any

import keras
from keras import layers, ops

from workers.transfer.networks.backbones.windows import step_of

LONGEST_SPAN = 20
"""Pieces of an answer, at most."""

_NEVER = -1e9


def model_of(
    keys: tuple[str, ...],
    order: tuple[int, int],
    first: keras.Model,
    backbone: keras.Model,
    head: keras.Model,
    options: Any,
) -> keras.Model:
    """Questions and contexts (n, 1), strings, to (n, 3): where the answer begins and ends, and its score.

    In code points of the context, the end behind the last one; the score is the probability of the span.
    keys: what the inputs are called, in the columns' order. order: the places of question and context.
    """
    raw = [keras.Input((1,), name=key, dtype="string") for key in keys]
    read = first([raw[order[0]], raw[order[1]]])
    question, context, begins, ends = parts_of(read, options)
    context = layers.Reshape((-1, step_of(options["window"])), name="in_windows")(context)
    logits = head(backbone({"question": question, "context": context}))
    found = best(logits, begins, ends, int(options["context_length"]))
    return keras.Model(raw, found, name="network")


def parts_of(read: Any, options: Any) -> tuple[Any, Any, Any, Any]:
    """Of what the preprocessing answers (n, q + 3 p): ids of question and context, begins and ends."""
    q, p = int(options["question_length"]), int(options["context_length"])
    return read[:, :q], read[:, q : q + p], read[:, q + p : q + 2 * p], read[:, q + 2 * p :]


def best(logits: Any, begins: Any, ends: Any, length: Any) -> Any:
    """The likeliest span of at most `LONGEST_SPAN` pieces, (n, 3); of equal ones the first, the shortest.

    length: p, the pieces of the context.
    """
    logs = ops.log_softmax(logits, axis=-1)
    start, end = logs[:, 0], ops.pad(logs[:, 1], ((0, 0), (0, LONGEST_SPAN - 1)), constant_values=2 * _NEVER)
    sums = ops.stack([start + end[:, more : more + length] for more in range(LONGEST_SPAN)], axis=2)
    sums = ops.reshape(sums, (-1, length * LONGEST_SPAN))
    at = ops.cast(ops.argmax(sums, axis=1), "int32")[:, None]
    first = at // LONGEST_SPAN
    last = ops.minimum(first + at % LONGEST_SPAN, length - 1)
    found = [ops.take_along_axis(begins, first, axis=1), ops.take_along_axis(ends, last, axis=1)]
    score = ops.exp(ops.max(sums, axis=1, keepdims=True))
    return ops.concatenate([*(ops.cast(one, "float32") for one in found), score], axis=1)
