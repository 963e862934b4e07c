"""A network of texts on other texts: what it knows of each piece is carried, and all that has none."""

from collections.abc import Sequence

import keras
import numpy as np

from workers.transfer.data import Array, Data
from workers.transfer.methods.parts.receipt import Origin
from workers.transfer.networks.inputs import module_of, pairs, pieces, qa
from workers.transfer.networks.network import Network, build_after, leaves
from workers.transfer.networks.presets.wordpiece import Vocabulary

MOST_NAMES = 200
"""Pieces that a receipt lists."""

SAME_LANGUAGE = 1.15
"""The source's pieces are kept where they cut the target's texts into at most so many times as many as its
own would: new ones would only be less known."""

_COUNTED = 2000


def start_of_sequences(source: Network, data: Data, seed: int) -> tuple[Network, dict[str, Origin]]:
    """A copy of the source's network for the target's pieces, those of the source's where these do.

    Rows of the embeddings and columns of the output are carried by piece; those of new pieces are drawn from
    the seed (Zoph et al. 2016, where all of a side are). The other layers do not depend on pieces.
    """
    before = pairs.known_pieces(source.preprocessing)
    options, train = source.options, data.train
    (column,) = data.signature.columns
    texts = train.inputs[column.name]
    own = pieces.of_sources(texts, options["max_tokens"])
    some = texts[:: max(1, len(texts) // _COUNTED)]
    if pieces.source_effort(before, some) <= SAME_LANGUAGE * pieces.source_effort(own, some):
        own = before
    words = module_of(data.signature).words(train.targets, options)
    some = train.targets[:: max(1, len(train) // _COUNTED)]
    if pieces.answer_effort(source.words, some) <= SAME_LANGUAGE * pieces.answer_effort(words, some):
        words = source.words
    first = pairs.reading(own, texts, options["length"])
    network = build_after(first, options, data, seed, words=words)
    origins = {
        "preprocessing": _origin("pieces of the sources", before, own),
        "backbone": Origin("copied", "the layer does not depend on the pieces"),
    }
    for (path, layer), (_, old) in zip(leaves(network.backbone), leaves(source.backbone), strict=True):
        if path == "encoder/tokens":
            origins[f"backbone/{path}"] = _carry(layer, old, before, own, "rows of the sources' pieces")
        elif path == "decoder/tokens":
            origins[f"backbone/{path}"] = _carry(
                layer, old, source.words, words, "rows of the answers' pieces"
            )
        elif layer.weights:
            layer.set_weights(old.get_weights())
    new, old = network.head.get_layer("output"), source.head.get_layer("output")
    origins["head"] = _carry(new, old, source.words, words, "columns of the answers' pieces")
    return network, origins


def start_of_spans(source: Network, data: Data, seed: int) -> tuple[Network, dict[str, Origin]]:
    """A copy of the source's network for the target's lengths and pieces, the source's pieces where these do.

    What it knows of each piece is carried by piece, and all else does not depend on pieces or lengths.
    """
    before, options, train = qa.known_pieces(source.preprocessing), source.options, data.train.inputs
    texts = np.array([*dict.fromkeys(train["context"].tolist())], dtype=object)
    own, some = pieces.of_sources(texts, options["max_tokens"]), texts[:: max(1, len(texts) // _COUNTED)]
    if pieces.source_effort(before, some) <= SAME_LANGUAGE * pieces.source_effort(own, some):
        own = before
    network = build_after(qa.reading(Vocabulary(own), train, options), options, data, seed)
    origins = {
        "preprocessing": _origin("pieces of the texts", before, own),
        "backbone": Origin("copied", "the layer does not depend on the pieces"),
        "head": Origin("copied", "where an answer begins and ends does not depend on the pieces"),
    }
    for (path, layer), (_, old) in zip(leaves(network.backbone), leaves(source.backbone), strict=True):
        if path == "tokens":
            origins[f"backbone/{path}"] = _carry(layer, old, before, own, "rows of the pieces")
        elif layer.weights:
            layer.set_weights(old.get_weights())
    network.head.set_weights(source.head.get_weights())
    return network, origins


def _carry(
    layer: keras.layers.Layer, old: keras.layers.Layer, before: Sequence[str], after: Sequence[str], what: str
) -> Origin:
    """Put rows of an embedding, or columns of a dense layer, where their pieces are now."""
    places = {piece: place for place, piece in enumerate(before)}
    shared = [(place, places[piece]) for place, piece in enumerate(after) if piece in places]
    to, of = (np.array(side) for side in zip(*shared, strict=True))
    weights: list[Array] = []
    for mine, theirs in zip(layer.get_weights(), old.get_weights(), strict=True):
        made = np.array(mine)
        if isinstance(layer, keras.layers.Embedding):
            made[to] = theirs[of]
        else:
            made[..., to] = theirs[..., of]
        weights.append(made)
    layer.set_weights(weights)
    return _origin(what, before, after)


def _origin(what: str, before: Sequence[str], after: Sequence[str]) -> Origin:
    known = set(before)
    kept, new = [one for one in after if one in known], [one for one in after if one not in known]
    if not new:
        return Origin("copied", f"{what}: all are the source's")
    why = f"{what}: {len(kept)} of {len(after)} are the source's, the others are drawn"
    return Origin("partly copied", why, _cut(kept), _cut(new), len(kept) / len(after))


def _cut(names: Sequence[str]) -> tuple[str, ...]:
    more = len(names) - MOST_NAMES
    return (*names[:MOST_NAMES], f"… ({more} more)") if more > 0 else tuple(names)
