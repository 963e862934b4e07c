"""Questions about contexts: the pieces of both and where they stand, found inside of the network."""

from collections.abc import Mapping, Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from keras import layers, ops

from workers.transfer import tasks
from workers.transfer.data import Array, Column, Rows
from workers.transfer.networks import spans
from workers.transfer.networks.backbones.windows import step_of
from workers.transfer.networks.inputs import pieces
from workers.transfer.networks.network import Network
from workers.transfer.networks.presets.located import located
from workers.transfer.networks.presets.wordpiece import LETTERS_A_TOKEN, Vocabulary, tokenizer, unknown_id

OPTIONS = ("max_tokens", "length", "window")
LONGEST_QUESTION, LONGEST_CONTEXT = 64, 1024
"""Pieces that are read at most, where the data decides."""

_COUNTED = 2000
_COVERED = 99
"""Percentage of the train rows that are read whole."""

_ROWS = 16
"""Rows that are read, or answered, together."""


def first(columns: Sequence[Column], train: Mapping[str, Array], options: Mapping[str, Any]) -> keras.Model:
    """Questions and contexts (n, 1) to (n, q + 3 p): [CLS], pieces, [SEP] of the question, then of the
    context's pieces the ids, where they begin and where they end, by pieces learnt from these rows.
    """
    texts = np.array([*dict.fromkeys(train["context"].tolist()), *train["question"].tolist()], dtype=object)
    return reading(Vocabulary(pieces.of_sources(texts, options["max_tokens"])), train, options)


def reading(vocabulary: Vocabulary, train: Mapping[str, Array], options: Mapping[str, Any]) -> keras.Model:
    """The part that reads by these pieces, as long as 99 % of the rows unless a length is given."""

    def covering(texts: Array, least: int, most: int) -> int:
        some = texts[:: max(1, len(texts) // _COUNTED)]
        counts = pieces.counts(vocabulary.pieces, some)
        return int(np.clip(np.percentile(counts, _COVERED, method="higher"), least, most))

    step = step_of(options["window"])
    of_question = covering(train["question"], 6, LONGEST_QUESTION - 2) + 2
    of_context = options["length"] or covering(train["context"], 8, LONGEST_CONTEXT)
    of_context = -(-of_context // step) * step  # whole windows
    asked = tokenizer(vocabulary, of_question)
    question = keras.Input((1,), name="question", dtype="string")
    context = keras.Input((1,), name="context", dtype="string")
    # So that the file knows which pieces its ids are: of its own, the tokenizer keeps sums alone.
    spelling = layers.StringLookup(vocabulary=list(vocabulary.pieces), oov_token="[NONE]", name=_SPELLING)
    known = ops.cast(spelling(question), "int32")
    ids = keras.Model(asked.inputs[0], asked.outputs[0], name="question_pieces")(question) + 0 * known
    letters = LETTERS_A_TOKEN * of_context
    found = located(vocabulary, letters, of_context, "context_pieces")(context)
    return keras.Model([question, context], ops.concatenate([ids, found], axis=1), name="preprocessing")


_SPELLING = "spelling"


def known_pieces(part: keras.Model) -> tuple[str, ...]:
    """The pieces that the part reads by, in the order of their ids."""
    return tuple(str(piece) for piece in part.get_layer(_SPELLING).get_vocabulary()[1:])


def settled(part: keras.Model) -> dict[str, Any]:
    """How much of a question and of a context is read."""
    question = int(part.get_layer("question_pieces").output_shape[-1])
    return {"question_length": question, "context_length": (int(part.output_shape[-1]) - question) // 3}


def tokens(part: keras.Model) -> int:
    """How many ids there are."""
    return len(known_pieces(part))


def unread(part: keras.Model, inputs: Mapping[str, Array]) -> dict[str, float]:
    """Shares of rows whose context is cut, and of pieces that are unknown, of some 2000 rows."""
    step = max(1, len(inputs["context"]) // _COUNTED)
    about = settled(part)
    read = _read(part, {name: values[::step] for name, values in inputs.items()})
    _, ids, _, _ = spans.parts_of(read, about)
    there = ids != 0
    unknown = unknown_id(part.get_layer("question_pieces"))
    shares = {
        "texts_cut": np.mean(there[:, -1]),
        "unknown_tokens": (ids == unknown).sum() / max(there.sum(), 1),
    }
    return {name: round(float(share), 4) for name, share in shares.items() if share > 0}


def fed(network: Network, rows: Rows) -> tuple[dict[str, Array], Array, Array]:
    """Ids of question and context, by the backbone's inputs; the first and last piece of the answer, (n, 2).

    They weigh 1, and 0 where the answer stands behind what is read.
    """
    read = _read(network.preprocessing, rows.inputs)
    question, context, begins, ends = spans.parts_of(read, network.options)
    y, weight = np.zeros((len(rows), 2), np.int32), np.zeros((len(rows), 2), np.float32)
    for row, answers in enumerate(rows.targets):
        start, text = answers[0]
        over = (context[row] != 0) & (ends[row] > start) & (begins[row] < start + len(text))
        places = np.flatnonzero(over)
        if len(places) and ends[row, places[-1]] >= start + len(text.rstrip()):
            y[row], weight[row] = (places[0], places[-1]), 1.0
    step = step_of(network.options["window"])
    return {"question": question, "context": context.reshape(len(rows), -1, step)}, y, weight


def windows(x: Mapping[str, Array]) -> Array:
    """How many windows each row's context fills, (n,)."""
    found: Array = (x["context"] != 0).any(axis=2).sum(axis=1)
    return found


def answer(network: Network, inputs: Mapping[str, Array]) -> Array:
    """The spans that the network answers with, (n,) of str."""
    return _texts(inputs, answer_spans(network, inputs))


def answered_by_file(network: Network, inputs: Mapping[str, Array]) -> Array:
    """The same by the one model that takes strings, as users get it."""
    keys, found = network.signature.keys, []
    for start in range(0, len(inputs["context"]), _ROWS):
        raw = {
            keys[name]: tf.constant([[text] for text in values[start : start + _ROWS].tolist()])
            for name, values in inputs.items()
        }
        found.append(np.asarray(network.model.predict_on_batch(raw)))
    return _texts(inputs, np.concatenate(found))


def _texts(inputs: Mapping[str, Array], found: Array) -> Array:
    texts = [
        str(text)[int(start) : int(end)]
        for text, (start, end, _) in zip(inputs["context"], found, strict=True)
    ]
    return np.array(texts, dtype=object)


def answer_spans(network: Network, inputs: Mapping[str, Array]) -> Array:
    """Where they begin and end, in code points, and their scores, (n, 3)."""
    read = _read(network.preprocessing, inputs)
    question, context, begins, ends = spans.parts_of(read, network.options)
    logits = _logits(network, question, context)
    found = [
        np.asarray(spans.best(one, begins[place : place + 1], ends[place : place + 1], context.shape[1]))
        for place, one in enumerate(logits)
    ]
    return np.concatenate(found) if found else np.zeros((0, 3), np.float32)


def losses(network: Network, rows: Rows) -> Array:
    """-ln p of where the answer begins and ends, the mean of both, (n,); 0 of what stands behind the end."""
    x, y, weight = fed(network, rows)
    context = x["context"].reshape(len(rows), -1)
    found = [
        np.asarray(tasks.row_losses("span", y[place : place + 1], one))
        for place, one in enumerate(_logits(network, x["question"], context))
    ]
    means: Array = (np.concatenate(found) * weight).mean(axis=1).astype(np.float64)
    return means


def _read(part: keras.Model, inputs: Mapping[str, Array]) -> Array:
    """What the part makes of rows, (n, q + 3 p) int32; each context is read once."""
    asked = _through(part.get_layer("question_pieces"), inputs["question"].tolist())
    contexts = {text: place for place, text in enumerate(dict.fromkeys(inputs["context"].tolist()))}
    found = _through(part.get_layer("context_pieces"), list(contexts))
    places = [contexts[text] for text in inputs["context"].tolist()]
    return np.concatenate([asked, found[places]], axis=1).astype(np.int32)


def _through(part: keras.Model, texts: Sequence[str]) -> Array:
    """As a graph, whose values go as soon as they were read."""
    graphs = part.__dict__
    if "as_graph" not in graphs:
        spec = [tf.TensorSpec([None, 1], tf.string)]
        graphs["as_graph"] = tf.function(lambda x: part(x, training=False), spec, autograph=False)
    found = [
        graphs["as_graph"](tf.constant([[text] for text in texts[start : start + _ROWS]])).numpy()
        for start in range(0, len(texts), _ROWS)
    ]
    return np.concatenate(found) if found else np.zeros((0, int(part.output_shape[-1])), np.int32)


def _logits(network: Network, question: Array, context: Array) -> list[Array]:
    """Of each row (1, 2, p); contexts of like length go through together, without the windows they lack."""
    step, kept = step_of(network.options["window"]), network.backbone.__dict__
    head = network.head
    if "as_graph" not in kept:
        backbone = network.backbone

        def call(asked: Any, read: Any, head: Any) -> Any:
            return head(backbone({"question": asked, "context": read}, training=False), training=False)

        kept["as_graph"] = {}
        kept["as_graph_of"] = call
    if id(head) not in kept["as_graph"]:
        spec = [
            tf.TensorSpec([None, question.shape[1]], tf.int32),
            tf.TensorSpec([None, None, step], tf.int32),
        ]
        call = kept["as_graph_of"]
        kept["as_graph"][id(head)] = tf.function(lambda q, c: call(q, c, head), spec, autograph=False)
    graph = kept["as_graph"][id(head)]
    blocks = context.reshape(len(context), -1, step)
    filled = windows({"context": blocks})
    order = np.argsort(filled, kind="stable")
    found = np.full((len(context), 2, context.shape[1]), -1e9, np.float32)
    for start in range(0, len(order), _ROWS):
        rows = order[start : start + _ROWS]
        most = max(1, int(filled[rows].max()))
        found[rows, :, : most * step] = graph(question[rows], blocks[rows, :most]).numpy()
    return [found[place : place + 1] for place in range(len(found))]
