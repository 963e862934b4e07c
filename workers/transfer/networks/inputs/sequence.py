"""Biological sequences to vectors a letter: DNA and RNA in four channels, proteins in twenty.

An ambiguity code is the mean of the letters it stands for (IUPAC-IUB 1970, 1984); U is T; a gap, a stop and
any other sign are zeros, as is what follows the sequence's end.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import keras
import numpy as np

from workers.transfer.data import Array, Column

WHOLE = 1024
"""Letters up to which the longest sequence is read whole where the data decides."""

LONGEST = {"transformer": 1024, "sequence_convnet": 4096}
"""Letters at most where the data decides: what attention keeps grows with the square of them."""

OPTIONS = ("length",)
"""Those of a network's options that say how its inputs are read."""

_BLOCK, _BLOCK_VALUES = 1024, 1 << 23

CHANNELS = {"nucleotide": "ACGT", "protein": "ACDEFGHIKLMNPQRSTVWY"}
_AMBIGUOUS = {
    "nucleotide": {
        "U": "T",
        "R": "AG",
        "Y": "CT",
        "S": "CG",
        "W": "AT",
        "K": "GT",
        "M": "AC",
        "B": "CGT",
        "D": "AGT",
        "H": "ACT",
        "V": "ACG",
        "N": "ACGT",
    },
    "protein": {
        "B": "DN",
        "Z": "EQ",
        "J": "IL",
        "U": "C",
        "O": "K",
        "X": "ACDEFGHIKLMNPQRSTVWY",
    },
}


def first(columns: Sequence[Column], train: Mapping[str, Array], options: Mapping[str, Any]) -> keras.Model:
    """Sequences (n, 1) to (n, length, channels).

    The length is the longest train row's up to 1024, beyond that what 95 % of the rows keep within, at most
    `LONGEST`.
    """
    return _part(columns[0].type, options["length"] or _length(train["sequence"], options["kind"]))


def _length(values: Array, kind: str) -> int:
    lengths = np.array([len(value) for value in values.tolist()])
    usual = int(np.percentile(lengths, 95, method="higher"))
    wanted = min(int(lengths.max()), max(usual, WHOLE))
    return min(max(wanted, 4), LONGEST.get(kind, WHOLE))


def blocks(part: keras.Model, inputs: Sequence[Array]) -> Iterator[Array]:
    """Vectors (b, length, channels)."""
    (values,) = inputs
    _, length, channels = part.output_shape
    rows = max(1, min(_BLOCK, _BLOCK_VALUES // (length * channels)))
    for start in range(0, max(len(values), 1), rows):
        texts = values[start : start + rows].reshape(-1, 1).tolist()
        yield np.asarray(part(keras.ops.convert_to_tensor(texts, dtype="string")))


def settled(part: keras.Model) -> dict[str, Any]:
    """The length."""
    return {"length": int(part.output_shape[1])}


def unread(part: keras.Model, inputs: Mapping[str, Array]) -> dict[str, float]:
    """Shares of what the part leaves out of these rows, those that are 0 aside.

    `sequences_cut`: sequences longer than its length; `letters_cut`: their letters beyond it, of all.
    """
    length = int(part.output_shape[1])
    lengths = np.array([len(value) for value in inputs["sequence"].tolist()])
    shares = {
        "sequences_cut": np.mean(lengths > length),
        "letters_cut": np.sum(np.maximum(lengths - length, 0)) / max(lengths.sum(), 1),
    }
    return {name: round(float(share), 4) for name, share in shares.items() if share > 0}


def tokens(part: keras.Model) -> int:
    """Vectors are no ids."""
    return 0


def _part(alphabet: str, length: int) -> keras.Model:
    channels, ambiguous = CHANNELS[alphabet], _AMBIGUOUS[alphabet]
    letters = [*channels, *ambiguous]
    table = np.zeros((len(letters) + 2, len(channels)), np.float32)  # 0 padding, 1 any other sign
    for row, letter in enumerate(letters, start=2):
        means = ambiguous.get(letter, letter)
        table[row, [channels.index(one) for one in means]] = 1 / len(means)
    sequence = keras.Input((1,), name="sequence", dtype="string")
    ids = keras.layers.TextVectorization(
        standardize="lower",
        split="character",
        output_sequence_length=length,
        vocabulary=[letter.lower() for letter in letters],
        name="letters",
    )(sequence)
    vectors = keras.layers.Embedding(
        *table.shape, embeddings_initializer="zeros", trainable=False, name="channels"
    )
    part = keras.Model(sequence, vectors(ids), name="preprocessing")
    vectors.set_weights([table])
    return part
