"""Networks that answer a text with a text: how they are joined, answer, and become one file of strings."""

from typing import Any

import keras
import numpy as np
import tensorflow as tf
from keras import layers, ops

from workers.transfer import tasks
from workers.transfer.data import Array
from workers.transfer.networks.backbones.encoder_decoder import DECODER, ENCODER, joined
from workers.transfer.networks.inputs.pieces import BEGIN, END, MARKS

SPELLING = "spelling"
"""The layer that holds the pieces of answers, and makes ids them."""

_READ = "[SOURCE]"
"""Stands before the pieces of sources, which that layer holds behind those of answers, and never says: who
carries the network on to other texts has to know them."""

_TOGETHER = 128
"""Texts that are answered together."""


def model_of(key: str, first: keras.Model, backbone: keras.Model, head: keras.Model) -> keras.Model:
    """As it is trained: a source (n, 1) and shifted answer ids (n, m) to probabilities (n, m, k)."""
    raw = keras.Input((1,), name=key, dtype="string")
    shifted = keras.Input((None,), name="shifted", dtype="int32")
    return keras.Model([raw, shifted], head(backbone([first(raw), shifted])), name="network")


def unrolled(
    key: str,
    first: keras.Model,
    backbone: keras.Model,
    head: keras.Model,
    words: tuple[str, ...],
    length: int,
) -> keras.Model:
    """A source (n, 1) to its answer (n, 1), strings: the likeliest piece each time, at most `length`."""
    encoder, decoder = backbone.get_layer(ENCODER), backbone.get_layer(DECODER)
    known = [f"{_READ}{piece}" for piece in first.__dict__["known_pieces"]]
    spelling = layers.StringLookup(
        vocabulary=[*words[2:], *known], mask_token=MARKS[0], oov_token=MARKS[1], invert=True, name=SPELLING
    )
    raw = keras.Input((1,), name=key, dtype="string")
    read = encoder(first(raw))
    ids = ops.zeros_like(ops.cast(read[:, :1, 0], "int32")) + BEGIN  # (n, 1)
    alive, text = ops.ones_like(ids), None
    for step in range(length):
        h = decoder([ops.pad(ids, ((0, 0), (0, length - 1 - step))), read])
        found = _likeliest(head(h[:, step : step + 1])) * alive
        alive = alive * ops.cast(ops.not_equal(found, END), "int32")
        piece = spelling(found * alive)
        text = piece if text is None else ops.add(text, piece)
        ids = ops.concatenate([ids, found], axis=1)
    return keras.Model(raw, text, name="network")


def parts_of(model: keras.Model) -> tuple[keras.Model, keras.Model, keras.Model, tuple[str, ...]]:
    """Preprocessing, backbone, head and pieces of a model that `unrolled` made."""
    encoder, decoder = model.get_layer(ENCODER), model.get_layer(DECODER)
    whole = [str(word) for word in model.get_layer(SPELLING).get_vocabulary()[2:]]
    words = (*MARKS[:2], *(word for word in whole if not word.startswith(_READ)))
    first = model.get_layer("preprocessing")
    first.__dict__["known_pieces"] = tuple(
        word.removeprefix(_READ) for word in whole if word.startswith(_READ)
    )
    return first, joined(encoder, decoder), model.get_layer("head"), words


def greedy(network: Any, source: Array) -> Array:
    """Ids of the likeliest piece after the other, (n, length) without a beginning, 0 behind the end's."""
    length = int(network.options["target_length"])
    call = network.backbone.__dict__.setdefault("greedy", {})  # gone with the model
    if length not in call:
        call[length] = _traced(network.backbone, network.head, length)
    order = np.argsort((source != 0).sum(axis=1), kind="stable")
    found = np.zeros((len(source), length), np.int32)
    for start in range(0, len(source), _TOGETHER):
        rows = order[start : start + _TOGETHER]
        found[rows] = call[length](source[rows].astype(np.int32)).numpy()
    return found


def _traced(backbone: keras.Model, head: keras.Model, length: int) -> Any:
    encoder, decoder = backbone.get_layer(ENCODER), backbone.get_layer(DECODER)

    def answer(source: Any) -> Any:
        there = tf.reduce_any(tf.not_equal(source, 0), axis=0)
        longest = tf.reduce_max(tf.where(there, tf.range(1, tf.shape(source)[1] + 1), 1))
        read = encoder(source[:, :longest], training=False)
        places = tf.range(length + 1)
        ids = tf.where(places == 0, BEGIN, tf.zeros((tf.shape(source)[0], length + 1), tf.int32))

        def step(number: Any, ids: Any, alive: Any) -> Any:
            h = decoder([ids[:, :length], read], training=False)
            found = _likeliest(head(tf.gather(h, [number], axis=1), training=False)) * alive
            alive = alive * tf.cast(tf.not_equal(found, END), tf.int32)
            return number + 1, tf.where(places == number + 1, found, ids), alive

        def goes_on(number: Any, ids: Any, alive: Any) -> Any:
            return tf.logical_and(number < length, tf.reduce_any(alive > 0))

        begun = (tf.constant(0), ids, tf.ones_like(ids[:, :1]))
        return tf.while_loop(goes_on, step, begun, parallel_iterations=1)[1][:, 1:]

    return tf.function(answer, [tf.TensorSpec([None, None], tf.int32)], autograph=False)


def _likeliest(p: Any) -> Any:
    """Of (n, 1, k) the likeliest id that may be said: the end or a piece, (n, 1) int32."""
    return ops.cast(ops.argmax(p[:, :, END:], axis=-1), "int32") + END


def token_losses(network: Any, x: dict[str, Array], y: Array, weight: Array) -> Array:
    """Sums of -ln p over each row's tokens, (n,) float64."""
    head, found = tasks.in_units(network.head), np.zeros(len(y))
    for start in range(0, len(y), _TOGETHER):
        rows = slice(start, start + _TOGETHER)
        h = network.backbone({name: values[rows].astype(np.int32) for name, values in x.items()})
        losses = np.asarray(tasks.row_losses("seq2seq", y[rows], head(h)), np.float64)
        found[rows] = (losses * weight[rows]).sum(axis=1)
    return found
