"""Training examples changed a little, anew in each step, inside the training graph.

Every random number follows from the training's seed and the number of the step, so a resumed run needs no
state. The saved network knows nothing of it.
"""

import math
from collections.abc import Sequence
from typing import Any

import tensorflow as tf

from workers.transfer.data import Signature

Changes = tuple[str, ...]

SHIFT = 0.1
"""Largest shift, as a share of the side."""
TURN = 10 * math.pi / 180
"""Largest rotation, radians."""
ZOOM = 0.1
CONTRAST = 0.1
BRIGHTNESS = 0.1
"""Of 255."""

SAFE = ("shift", "rotate", "zoom", "brightness")
"""What keeps the label of nearly every picture; mirroring does not: digits, text, organs."""

OF_TYPE: dict[str, Changes] = {
    "image": ("shift", "rotate", "zoom", "brightness", "mirror"),
    "nucleotide": ("reverse_complement",),
}


def augmentations(asked: Sequence[str] | None, signature: Signature) -> Changes:
    """The changes that are asked for, `safe` spelt out.

    Raises:
        ValueError: the data knows no such change.
    """
    if not asked:
        return ()
    known = OF_TYPE.get(signature.columns[0].type, ())
    spelt = [one for name in asked for one in (SAFE if name == "safe" else (name,))]
    unknown = [name for name in spelt if name not in known]
    if unknown:
        raise ValueError(
            f"Expected augmentations of {signature.kind} data: {', '.join(known) or 'none'}. "
            f"Received: {unknown[0]}. Leave augment out."
        )
    return tuple(name for name in known if name in spelt)


def augmented(x: Any, changes: Changes, seed: Any) -> Any:
    """The batch changed, (b, h, w, c) pixels or (b, length, 4) bases; `seed` is two int32 of the step."""
    if not changes:
        return x
    if "reverse_complement" in changes:
        return _reverse_complement(x, seed)
    if set(changes) & {"shift", "rotate", "zoom", "mirror"}:
        x = _moved(x, changes, seed)
    if "brightness" in changes:
        shape = (tf.shape(x)[0], 1, 1, 1)
        factor = 1 + _uniform(seed, 5, shape, CONTRAST)
        mean = tf.reduce_mean(x, axis=(1, 2, 3), keepdims=True)
        x = (x - mean) * factor + mean + 255 * _uniform(seed, 6, shape, BRIGHTNESS)
    return tf.clip_by_value(x, 0.0, 255.0)


def _uniform(seed: Any, number: int, shape: Any, most: float) -> Any:
    return tf.random.stateless_uniform(shape, seed + tf.constant([0, number]), -most, most)


def _coin(seed: Any, number: int, rows: Any) -> Any:
    return tf.random.stateless_uniform((rows,), seed + tf.constant([0, number])) < 0.5


def _moved(x: Any, changes: Changes, seed: Any) -> Any:
    """One affine map a picture, about its centre, bilinear, its border drawn on."""
    rows = tf.shape(x)[0]
    height, width = x.shape[1], x.shape[2]
    zero = tf.zeros((rows,))
    turn = _uniform(seed, 0, (rows,), TURN) if "rotate" in changes else zero
    scale = 1 + (_uniform(seed, 1, (rows,), ZOOM) if "zoom" in changes else zero)
    right = width * _uniform(seed, 2, (rows,), SHIFT) if "shift" in changes else zero
    down = height * _uniform(seed, 3, (rows,), SHIFT) if "shift" in changes else zero
    side = tf.where(_coin(seed, 4, rows), -1.0, 1.0) if "mirror" in changes else zero + 1
    cos, sin = scale * tf.cos(turn), scale * tf.sin(turn)
    middle_x, middle_y = (width - 1) / 2, (height - 1) / 2
    a0, a1, b0, b1 = side * cos, -sin, side * sin, cos
    a2 = middle_x - a0 * middle_x - a1 * middle_y + right
    b2 = middle_y - b0 * middle_x - b1 * middle_y + down
    return tf.raw_ops.ImageProjectiveTransformV3(
        images=x,
        transforms=tf.stack([a0, a1, a2, b0, b1, b2, zero, zero], axis=1),
        output_shape=tf.constant([height, width]),
        interpolation="BILINEAR",
        fill_mode="NEAREST",
        fill_value=0.0,
    )


def _reverse_complement(x: Any, seed: Any) -> Any:
    """Half of the sequences as the other strand reads: backwards, and with the bases' order A, C, G, T too.

    What follows the end of a sequence, zeros, stays behind it.
    """
    lengths = tf.reduce_max(
        tf.where(tf.reduce_any(x > 0, axis=2), tf.range(1, tf.shape(x)[1] + 1)[None, :], 0), axis=1
    )
    other = tf.reverse_sequence(tf.reverse(x, axis=[2]), lengths, seq_axis=1)
    return tf.where(_coin(seed, 0, tf.shape(x)[0])[:, None, None], other, x)
