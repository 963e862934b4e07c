"""Which substrings stand in a text or a sequence? Hashes of all of them, one text after the other."""

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

_AT_ONCE = 1 << 20  # bytes
_PUNCTUATION = re.compile(
    "["
    + "".join(re.escape(chr(code)) for code in range(0x10000) if unicodedata.category(chr(code))[0] == "P")
    + "]"
)
_ASCII = bytes(ord(_PUNCTUATION.sub(" ", chr(code)).lower()) for code in range(128)) + bytes(range(128, 256))

_SIGNS = {"A": 1, "C": 2, "G": 4, "T": 8, "U": 8, "R": 5, "Y": 10, "S": 6, "W": 9, "K": 12, "M": 3}
_SIGNS |= {"B": 14, "D": 13, "H": 11, "V": 7, "N": 15}
_CODE, _COMPLEMENT = np.zeros(256, np.uint64), np.zeros(256, np.uint64)
for _letter, _bases in _SIGNS.items():
    # A bit a base: read backwards they are those of the complement, A for T and C for G.
    _CODE[ord(_letter)], _COMPLEMENT[ord(_letter)] = _bases, int(f"{_bases:04b}"[::-1], 2)


class Shingles(NamedTuple):
    """`hashes[starts[i]:ends[i]]` are those of text i, at least one; between two texts stand others."""

    hashes: Words
    starts: Places
    ends: Places


def plain(text: str) -> bytes:
    """A text in UTF-8 without case, punctuation, compatibility forms (NFKC) and blanks but single ones."""
    if text.isascii():
        return b" ".join(text.encode().translate(_ASCII).split())
    folded = _PUNCTUATION.sub(" ", unicodedata.normalize("NFKC", text.casefold()))
    return " ".join(folded.split()).encode("utf-8", "surrogatepass")


def batches(texts: Sequence[bytes]) -> Iterator[Sequence[bytes]]:
    """Parts of about a megabyte, so that memory is bounded."""
    start = held = 0
    for index, text in enumerate(texts):
        if held + len(text) > _AT_ONCE and index > start:
            yield texts[start:index]
            start, held = index, 0
        held += len(text)
    if start < len(texts):
        yield texts[start:]


def of_letters(texts: Sequence[bytes], length: int) -> Shingles:
    """All substrings of `length` bytes, at most 8; of a shorter text the text itself."""
    letters, starts, sizes = _joined(texts, 8)
    words = np.ndarray((len(letters) - 7,), "<u8", letters, strides=(1,)).astype(np.uint64)
    words &= np.uint64((1 << 8 * length) - 1)
    return Shingles(mix(words), starts, starts + np.maximum(sizes - length + 1, 1))


def of_strands(sequences: Sequence[bytes], length: int) -> Shingles:
    """All k-mers of `length` letters of DNA or RNA, at most 16, each the same on both strands."""
    letters, starts, sizes = _joined(sequences, length)
    forward = _packed(_CODE[letters], length)
    backward = _packed(_COMPLEMENT[letters][::-1], length)[::-1]
    backward = np.append(backward[length - 1 :], np.zeros(length - 1, np.uint64))
    short = sizes < length  # behind those, zeros were read
    backward[starts[short]] >>= (4 * (length - sizes[short])).astype(np.uint64)
    return Shingles(mix(np.minimum(forward, backward)), starts, starts + np.maximum(sizes - length + 1, 1))


def _joined(texts: Sequence[bytes], pad: int) -> tuple[Bytes, Places, Places]:
    """All bytes, behind each text `pad` zeros, and where it starts and how long it is."""
    sizes = np.fromiter(map(len, texts), np.int64, len(texts))
    starts = np.concatenate([[0], np.cumsum(sizes + pad)[:-1]]).astype(np.int64)
    letters = np.frombuffer(bytes(pad).join([*texts, b""]), np.uint8)
    return letters, starts, sizes


def _packed(codes: Words, length: int) -> Words:
    """From each place the `length` codes of four bits that follow, the first the lowest; by doubling."""
    packed, done = np.zeros_like(codes), 0
    span, run = codes, 1
    while True:
        if length & run:
            packed[: len(codes) - done] |= span[done:] << np.uint64(4 * done)
            done += run
        if done == length:
            return packed
        longer = span.copy()
        longer[:-run] |= span[run:] << np.uint64(4 * run)
        span, run = longer, 2 * run
