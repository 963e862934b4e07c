"""Which rows are nearly equal? Signatures of texts, sequences and images, and the clusters of near ones.

A signature's first byte says how it was made, so that only those are compared that were made alike; it is 0
where a row is like no other but its equals, such as a text of nothing but punctuation.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from app.datasets.partition import minhash, perceptual_hash
from app.datasets.partition.clusters import Near, found_among, joined, linked
from app.datasets.partition.shingles import Bytes, Words, batches, of_letters, of_strands, plain

ALIKE_TEXTS, ALIKE_SEQUENCES = 0.8, 0.5
"""The least Jaccard index of shingles, and of k-mers: about 96 % equal bases, or 90 % equal amino acids."""

SHINGLE = 8
"""Bytes of a text's shingle: eight letters of English, two or three signs of Chinese."""

BASES, RESIDUES = 11, 4
"""Letters of a k-mer of nucleotides, as in BLAST's words (Altschul et al. 1990), and of amino acids."""

READ = 1 << 17
"""Bytes of a text and letters of a sequence that are looked at, the first: a network reads fewer."""

_NUCLEIC = 0.7
"""The share of A, C, G, T, U, N and gaps from which on letters are taken for nucleotides."""

_TEXT, _NUCLEOTIDES, _PROTEIN, _IMAGE = 1, 2, 3, 4


class _Way(NamedTuple):
    """How signatures of one first byte are compared."""

    bands: Callable[[Bytes], Words]
    are_near: Near


def _by_minhash(least: float, each: int) -> _Way:
    return _Way(partial(minhash.bands, each=each), partial(minhash.are_near, least=least))


_WAYS = {
    _TEXT: _by_minhash(ALIKE_TEXTS, 4),
    _NUCLEOTIDES: _by_minhash(ALIKE_SEQUENCES, 3),
    _PROTEIN: _by_minhash(ALIKE_SEQUENCES, 3),
    _IMAGE: _Way(perceptual_hash.bands, perceptual_hash.are_near),
}


def text_signatures(texts: Iterable[str | None]) -> Bytes:
    """MinHash of the shingles of each text without case, punctuation and repeated blanks: uint8 (n, 65).

    Of a text that is shorter than a shingle the whole text is one.
    """
    plains = [b"" if text is None else plain(text[:READ])[:READ] for text in texts]
    signatures = np.zeros((len(plains), 1 + minhash.PLACES), np.uint8)
    _sign(signatures, _TEXT, plains, [row for row, text in enumerate(plains) if text])
    return signatures


def sequence_signatures(sequences: Iterable[str | None]) -> Bytes:
    """MinHash of the k-mers of each sequence, those of nucleotides as of either strand: uint8 (n, 65).

    Args:
        sequences: in capitals; U counts as T.
    """
    letters = [b"" if sequence is None else sequence[:READ].encode() for sequence in sequences]
    signatures = np.zeros((len(letters), 1 + minhash.PLACES), np.uint8)
    nucleic = [_is_nucleic(sequence) for sequence in letters]
    _sign(signatures, _NUCLEOTIDES, letters, [row for row, dna in enumerate(nucleic) if dna])
    _sign(signatures, _PROTEIN, letters, [row for row, dna in enumerate(nucleic) if letters[row] and not dna])
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


def _sign(signatures: Bytes, made: int, texts: Sequence[bytes], rows: Sequence[int]) -> None:
    done = 0
    for part in batches([texts[row] for row in rows]):
        if made == _NUCLEOTIDES:
            shingles = of_strands(part, BASES)
        else:
            shingles = of_letters(part, SHINGLE if made == _TEXT else RESIDUES)
        where = rows[done : done + len(part)]
        signatures[where, 0], signatures[where, 1:] = made, minhash.signatures(shingles)
        done += len(part)


def _is_nucleic(sequence: bytes) -> bool:
    known = len(sequence) - len(sequence.translate(None, b"ACGTUN-"))
    return known >= _NUCLEIC * len(sequence) > 0
