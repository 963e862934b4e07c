"""Where pieces stand, found in the graph, is where Python says."""

from __future__ import annotations

import functools

import numpy as np
import pytest
import tensorflow as tf
from tokenizers import normalizers

from workers.transfer.networks.inputs import pieces
from workers.transfer.networks.presets.located import located

LETTERS, LENGTH = 320, 60
TEXTS = (
    "The tower was built in 1889. It stands in Paris!",
    "Cafe\u0301 \u00e9t\u00e9, na\u00efve\u2014so\r\nline two\r\n\r\nthe end",
    "\U0001f600 the \U0001f468\u200d\U0001f469\u200d\U0001f467 tower \U00013000x built",
    "\ud55c\uad6d\uc5b4 \u4e2d\u6587 the\u200btower Stra\u00dfe \u0130stanbul \ufb01ne",
    "x" * 150 + " the tower",
    "  \t the  tower  ",
    "",
)


def with_accents(text: str, end: int) -> int:
    """Behind what the tokenizer drops of the text there."""
    dropped = normalizers.BertNormalizer(lowercase=True)
    while end < len(text) and not dropped.normalize_str(text[end]):
        end += 1
    return end


@functools.cache
def places_of() -> tuple[tuple[str, ...], np.ndarray]:
    known = pieces.of_sources(np.array(TEXTS[:4], dtype=object), 140)
    part = located(pieces.vocabulary(known), LETTERS, LENGTH, "context")
    graph = tf.function(part, [tf.TensorSpec([None, 1], tf.string)], autograph=False)
    return known, graph(tf.constant([[text] for text in TEXTS])).numpy()


@pytest.mark.parametrize("row", range(len(TEXTS)))
def test_pieces_and_their_places_in_the_graph_are_those_of_the_tokenizer_in_python(row: int) -> None:
    known, found = places_of()
    ids, begins, ends = (part.tolist() for part in np.split(found[row], 3))
    expected = pieces._source_cutter(known).encode(TEXTS[row])
    count = len(expected.ids)
    assert count <= LENGTH
    assert list(zip(ids[:count], begins[:count], ends[:count], strict=True)) == [
        (one, start, with_accents(TEXTS[row], end))
        for one, (start, end) in zip(expected.ids, expected.offsets, strict=True)
    ]
    assert not any(ids[count:])
