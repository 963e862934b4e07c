"""Which rows are nearly equal? Signatures of texts, sequences and images, and the clusters of near ones.

A signature's first byte says how it was made, so that only those are compared that were made alike; it is 0
where a row is like no other but its equals, such as a text of nothing but punctuation.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from app.datasets.partition import minhash, perceptual_hash
from app.datasets.partition.clusters import Bands, Near, found_among, joined, linked
from app.datasets.partition.shingles import (
    Bytes,
    Shingles,
    are_nucleic,
    as_written,
    in_parts,
    of_letters,
    of_strands,
    plain,
)

ALIKE_TEXTS, ALIKE_SEQUENCES = 0.75, 0.5
"""The least Jaccard index of shingles, and of k-mers: about 96 % equal bases, or 90 % equal amino acids."""

SHINGLE = 8
"""Bytes of a text's shingle: eight letters of English, two or three signs of Chinese."""

BASES, RESIDUES = 11, 4
"""Letters of a k-mer of nucleotides, as in BLAST's words (Altschul et al. 1990), and of amino acids."""

READ = 1 << 17
"""Letters of a text or a sequence that are looked at, the first: a network reads fewer."""

_TEXT, _NUCLEOTIDES, _PROTEIN, _IMAGE = 1, 2, 3, 4


class _Way(NamedTuple):
    """How signatures of one first byte are compared."""

    bands: Bands
    are_near: Near


def _by_minhash(least: float, each: int) -> _Way:
    return _Way(partial(minhash.bands, each=each), partial(minhash.are_near, least=least))


_WAYS = {
    _TEXT: _by_minhash(ALIKE_TEXTS, 4),
    _NUCLEOTIDES: _by_minhash(ALIKE_SEQUENCES, 3),
    _PROTEIN: _by_minhash(ALIKE_SEQUENCES, 3),
    _IMAGE: _Way(perceptual_hash.bands, perceptual_hash.are_near),
}


def text_signatures(texts: Sequence[str | None]) -> Bytes:
    """MinHash of the shingles of each text without case, punctuation and repeated blanks: uint8 (n, 69).

    Of a text that is shorter than a shingle the whole text is one.
    """
    read = _read(texts)
    signatures = np.zeros((len(read), 1 + minhash.SIZE), np.uint8)
    for part in in_parts(read):
        letters = plain(read[part])
        _sign(signatures[part], _TEXT, of_letters(letters, SHINGLE), letters.sizes > 0)
    return signatures


def sequence_signatures(sequences: Sequence[str | None]) -> Bytes:
    """MinHash of the k-mers of each sequence, those of nucleotides as of either strand: uint8 (n, 69).

    Args:
        sequences: in capitals; U counts as T.
    """
    read = _read(sequences)
    signatures = np.zeros((len(read), 1 + minhash.SIZE), np.uint8)
    for part in in_parts(read):
        letters = as_written(read[part])
        nucleic = are_nucleic(letters)
        if nucleic.any():
            _sign(signatures[part], _NUCLEOTIDES, of_strands(letters, BASES), nucleic)
        others = ~nucleic & (letters.sizes > 0)
        if others.any():
            _sign(signatures[part], _PROTEIN, of_letters(letters, RESIDUES), others)
    return signatures


def image_signatures(thumbnails: Sequence[bytes]) -> Bytes:
    """The perceptual hash of each `perceptual_hash.thumbnail`: uint8 (n, 79)."""
    signatures = np.zeros((len(thumbnails), 1 + perceptual_hash.SIZE), np.uint8)
    if len(thumbnails):
        found, telling = perceptual_hash.signatures(thumbnails)
        signatures[telling, 0], signatures[telling, 1:] = _IMAGE, found[telling]
    return signatures


def clusters(signatures: Bytes, keys: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """The cluster of each row, by its smallest key: rows that are near, or equal, by a chain of such pairs.

    Args:
        signatures: (n, s).
        keys: (n,), equal for equal rows.
    """
    _, first, which = np.unique(keys, return_index=True, return_inverse=True)
    cluster = first[which]
    for made, (bands, are_near) in _WAYS.items():
        rows = np.flatnonzero(signatures[:, 0] == made)
        if len(rows):
            cluster = joined(cluster, rows, rows[linked(signatures[rows, 1:], bands, are_near)])
    least = keys.copy()
    np.minimum.at(least, cluster, keys)
    return least[cluster]


def near(signatures: Bytes, others: Bytes) -> NDArray[np.bool_]:
    """Which rows are near to at least one of `others`: (n, s) and (m, s) to (n,)."""
    found = np.zeros(len(signatures), np.bool_)
    if signatures.shape[1] != others.shape[1]:
        return found
    for made, (bands, are_near) in _WAYS.items():
        rows, among = np.flatnonzero(signatures[:, 0] == made), others[others[:, 0] == made]
        if len(rows) and len(among):
            found[rows] = found_among(signatures[rows, 1:], among[:, 1:], bands, are_near)
    return found


def _read(texts: Sequence[str | None]) -> list[str]:
    return ["" if text is None else text[:READ] for text in texts]


def _sign(signatures: Bytes, made: int, shingles: Shingles, rows: NDArray[np.bool_]) -> None:
    signatures[rows, 0], signatures[rows, 1:] = made, minhash.signatures(shingles.those(rows))
