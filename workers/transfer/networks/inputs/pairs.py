"""Pairs of texts: the source's pieces inside of the network, the target's beside it, while it is trained."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import keras
import numpy as np

from workers.transfer.data import Array, Column, Rows
from workers.transfer.networks import translation
from workers.transfer.networks.forwarding import batches, forward
from workers.transfer.networks.inputs import pieces
from workers.transfer.networks.network import Network
from workers.transfer.networks.presets.wordpiece import tokenizer, unknown_id

OPTIONS = ("max_tokens", "length")
LONGEST = 128
"""Pieces of a source text that are read, at most; attention takes the square of them."""
LONGEST_ANSWER = 48
"""Pieces of an answer, at most: the file that users get holds as many steps."""
_COUNTED = 2000
_COVERED = 99
"""Percentage of the train rows that are read and answered whole."""


def first(columns: Sequence[Column], train: Mapping[str, Array], options: Mapping[str, Any]) -> keras.Model:
    """Texts (n, 1) to ids (n, length): [CLS], pieces, [SEP], 0 for padding, by pieces learnt from these rows.

    Capitals are made small and accents dropped, as BERT does. The length is that of 99 % of the rows, at most
    `LONGEST`, unless it is given.
    """
    (column,) = columns
    known = pieces.of_sources(train[column.name], options["max_tokens"])
    return reading(known, train[column.name], options["length"])


def reading(known: tuple[str, ...], texts: Array, length: int | None = None) -> keras.Model:
    """The part that reads by these pieces, as long as 99 % of the texts unless a length is given."""
    vocabulary = pieces.vocabulary(known)
    if length is None:
        some = texts[:: max(1, len(texts) // _COUNTED)]
        lengths = pieces.counts(known, some) + 2
        length = int(np.clip(np.percentile(lengths, _COVERED, method="higher"), 8, LONGEST))
    part = tokenizer(vocabulary, length)
    keep_pieces(part, known)
    return part


def keep_pieces(part: keras.Model, known: tuple[str, ...]) -> None:
    """Note which pieces the part reads by, which it holds as sums alone."""
    part.__dict__["known_pieces"] = known  # beside what Keras tracks, and gone with it


def known_pieces(part: keras.Model) -> tuple[str, ...]:
    """The pieces that the part reads by, in the order of their ids."""
    known: tuple[str, ...] = part.__dict__["known_pieces"]
    return known


def words(texts: Array, options: Mapping[str, Any]) -> tuple[str, ...]:
    """The pieces that answers are put together from, learnt from the train rows' targets."""
    return pieces.of_answers(texts, options["max_tokens"])


def answer_length(words: Sequence[str], texts: Array) -> int:
    """How many pieces an answer has at most: those of 99 % of the texts, and the end's."""
    lengths = [len(ids) for ids in pieces.cut(words, texts)]
    longest = int(np.percentile(lengths, _COVERED, method="higher")) + 1
    return int(np.clip(longest, 4, LONGEST_ANSWER))


def blocks(part: keras.Model, inputs: Sequence[Array]) -> Iterator[Array]:
    """Ids (b, length), in 16 bits."""
    (values,) = inputs
    for ids in batches(part, values):
        yield ids.astype(np.uint16)


def settled(part: keras.Model) -> dict[str, Any]:
    """How much of a source is read."""
    return {"source_length": int(part.output_shape[-1])}


def tokens(part: keras.Model) -> int:
    """How many ids of the source there are."""
    return int(part.get_layer("pieces").vocabulary_size())


def unread(part: keras.Model, inputs: Mapping[str, Array]) -> dict[str, float]:
    """Shares of rows whose source is cut, and of pieces that are unknown, of some 2000 rows."""
    (values,) = inputs.values()
    ids = forward(part, values[:: max(1, len(values) // _COUNTED)])
    there = ids != 0
    shares = {
        "texts_cut": np.mean(there[:, -1]),
        "unknown_tokens": (ids == unknown_id(part)).sum() / max(there.sum(), 1),
    }
    return {name: round(float(share), 4) for name, share in shares.items() if share > 0}


def fed(network: Network, rows: Rows) -> tuple[dict[str, Array], Array, Array]:
    """Source ids and shifted target ids, by the backbone's inputs; target ids; 1 for each of them.

    The target is cut like the answers; of what is longer, the end is not learnt.
    """
    (column,) = network.signature.columns
    source = np.concatenate(list(blocks(network.preprocessing, [rows.inputs[column.name]])))
    length = int(network.options["target_length"])
    y = np.zeros((len(rows), length), np.int32)
    for row, ids in enumerate(pieces.cut(network.words, rows.targets)):
        whole = [*ids, pieces.END][:length]
        y[row, : len(whole)] = whole
    shifted = np.concatenate([np.full((len(rows), 1), pieces.BEGIN, np.int32), y[:, :-1]], axis=1)
    shifted[:, 1:][y[:, 1:] == 0] = 0
    return {"source": source, "shifted": shifted}, y, (y != 0).astype(np.float32)


def answer(network: Network, inputs: Mapping[str, Array]) -> Array:
    """What the network answers to raw sources, (n,) of str."""
    (column,) = network.signature.columns
    source = np.concatenate(list(blocks(network.preprocessing, [inputs[column.name]])))
    ids = translation.greedy(network, source)
    texts = ["".join(network.words[one] for one in row if one > pieces.END) for row in ids]
    return np.array(texts, dtype=object)


def losses(network: Network, rows: Rows) -> Array:
    """Of each row the sum of -ln p over the target's pieces and their number, (n, 2)."""
    x, y, weight = fed(network, rows)
    return np.stack([translation.token_losses(network, x, y, weight), weight.sum(axis=1)], axis=1)
