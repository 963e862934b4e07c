"""Which substrings stand in texts and sequences? Hashes of all of them, one text after the other."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from app.datasets.partition.keys import mix

Bytes = NDArray[np.uint8]
Words = NDArray[np.uint64]
Places = NDArray[np.int64]

_AT_ONCE = 1 << 15  # letters, whose hashes stay in the processor's cache
_APART = 16
"""Zeros behind the last text, as many as the longest substring has letters."""

_SIGNS = [chr(code) for code in range(0x10000)]
_BETWEEN = [sign for sign in _SIGNS if sign.isspace() or unicodedata.category(sign)[0] == "P"]
_BEYOND_ASCII = re.compile(f"[{re.escape(''.join(sign for sign in _BETWEEN if not sign.isascii()))}]")
_ASCII = bytes.maketrans(
    bytes(range(128)), "".join(" " if sign in _BETWEEN else sign.lower() for sign in _SIGNS[:128]).encode()
)

_BASES = {"A": 1, "C": 2, "G": 4, "T": 8, "U": 8, "R": 5, "Y": 10, "S": 6, "W": 9, "K": 12, "M": 3}
_BASES |= {"B": 14, "D": 13, "H": 11, "V": 7, "N": 15}
_CODE, _COMPLEMENT = np.zeros(256, np.uint64), np.zeros(256, np.uint64)
for _letter, _bases in _BASES.items():
    # A bit a base: read backwards they are those of the complement, A for T and C for G.
    _CODE[ord(_letter)], _COMPLEMENT[ord(_letter)] = _bases, int(f"{_bases:04b}"[::-1], 2)
_KNOWN = np.zeros(256, np.uint8)
_KNOWN[list(b"ACGTUN-")] = 1
_NUCLEIC = 0.7
"""The share of these letters in nucleotides; the short k-mers of proteins would take all DNA for alike."""


class Letters(NamedTuple):
    """Texts one after the other, `sizes[i]` bytes from `starts[i]` on; a zero at least stands behind each."""

    letters: Bytes
    starts: Places
    sizes: Places

    def of(self, row: int) -> bytes:
        """The text of a row."""
        return self.letters[self.starts[row] : self.starts[row] + self.sizes[row]].tobytes()


class Shingles(NamedTuple):
    """`hashes[starts[i]:ends[i]]` are those of text i, at least one; between two texts stand others."""

    hashes: Words
    starts: Places
    ends: Places

    def those(self, rows: NDArray[np.bool_]) -> Shingles:
        """Of some of the texts."""
        return Shingles(self.hashes, self.starts[rows], self.ends[rows])


def in_parts(texts: Sequence[str]) -> Iterator[slice]:
    """Parts of some ten thousand letters, or of one text that has more."""
    start = held = 0
    for index, text in enumerate(texts):
        if held + len(text) > _AT_ONCE and index > start:
            yield slice(start, index)
            start, held = index, 0
        held += len(text)
    yield slice(start, len(texts))


def plain(texts: Sequence[str]) -> Letters:
    """Texts in UTF-8 without case, punctuation, compatibility forms (NFKC) and blanks but single ones."""
    folded = _join([text if text.isascii() else _folded(text) for text in texts])
    letters = folded.encode("utf-8", "surrogatepass").translate(_ASCII)
    return _with_single_blanks(np.frombuffer(letters, np.uint8))


def _folded(text: str) -> str:
    return _BEYOND_ASCII.sub(" ", unicodedata.normalize("NFKC", text.casefold()))


def as_written(texts: Sequence[str]) -> Letters:
    """Texts in UTF-8."""
    return _cut(np.frombuffer(_join(texts).encode("utf-8", "surrogatepass"), np.uint8))


def _join(texts: Sequence[str]) -> str:
    """All of them, a NUL in front of each and behind the last."""
    joined = "\0".join(["", *texts, ""])
    if joined.count("\0") > len(texts) + 1:
        return _join([text.replace("\0", " ") for text in texts])
    return joined


def _with_single_blanks(letters: Bytes) -> Letters:
    dropped = letters == ord(" ")
    dropped[1:] &= (letters[:-1] == ord(" ")) | (letters[:-1] == 0)
    cut = _cut(letters[~dropped] if dropped.any() else letters)
    ends_blank = (cut.letters[cut.starts + cut.sizes - 1] == ord(" ")) & (cut.sizes > 0)
    return cut._replace(sizes=cut.sizes - ends_blank)


def _cut(letters: Bytes) -> Letters:
    bounds = np.flatnonzero(letters == 0)
    padded = np.concatenate([letters, np.zeros(_APART, np.uint8)])
    return Letters(padded, bounds[:-1] + 1, np.diff(bounds) - 1)


def of_letters(texts: Letters, length: int) -> Shingles:
    """All substrings of `length` bytes, at most 8; of a shorter text the text itself."""
    letters, starts, sizes = texts
    words = np.ndarray((len(letters) - 7,), "<u8", letters, strides=(1,)).astype(np.uint64)
    words &= _ones(8 * length)
    short = sizes < length  # behind those, others begin
    words[starts[short]] &= _ones(8 * sizes[short])
    return Shingles(mix(words), starts, starts + np.maximum(sizes - length + 1, 1))


def of_strands(sequences: Letters, length: int) -> Shingles:
    """All k-mers of `length` letters of DNA or RNA, at most 15, each the same on both strands.

    Of a shorter sequence the sequence itself, on either strand.
    """
    letters, starts, sizes = sequences
    forward = _packed(_CODE[letters], length)
    backward = _packed(_COMPLEMENT[letters[::-1]], length)[::-1]  # each k-mer from its last letter on
    short = sizes < length  # behind those, others begin
    forward[starts[short]] &= _ones(4 * sizes[short])
    backward[starts[short]] >>= (4 * (length - sizes[short])).astype(np.uint64)
    return Shingles(mix(np.minimum(forward, backward)), starts, starts + np.maximum(sizes - length + 1, 1))


def are_nucleic(sequences: Letters) -> NDArray[np.bool_]:
    """Which sequences are of nucleotides, by their letters: most are A, C, G, T, U, N or gaps."""
    letters, starts, sizes = sequences
    known = np.add.reduceat(_KNOWN[letters], starts, dtype=np.int64) if len(starts) else starts
    nucleic: NDArray[np.bool_] = (sizes > 0) & (known >= _NUCLEIC * sizes)
    return nucleic


def _ones(bits: int | Places) -> Words:
    ones: Words = np.uint64(2**64 - 1) >> np.asarray(64 - np.asarray(bits)).astype(np.uint64)
    return ones


def _packed(codes: Words, length: int) -> Words:
    """From each place the `length` codes of four bits that stand there, the first the lowest, by doubling.

    (n,) to (n − length + 1,).
    """
    span, run = codes, 1
    while run < length:
        more = min(run, length - run)
        longer = span[more:] << np.uint64(4 * more)  # codes in both are the same bits
        longer |= span[:-more]
        span, run = longer, run + more
    return span
