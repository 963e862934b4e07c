"""How alike are two sets of hashes? MinHash: equal places of two signatures estimate their Jaccard index.

Broder, On the resemblance and containment of documents (1997); of each minimum eight bits are kept, as in
Li and König, b-bit minwise hashing (2010).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from app.datasets.partition.keys import mix
from app.datasets.partition.shingles import Bytes, Places, Shingles, Words

Bands = NDArray[np.uint32]

PLACES = 64
"""Hash functions: an estimate of 0.75 has a standard deviation of 0.05."""

SIZE = PLACES + 4
"""Bytes of a signature: behind the places the sum of all hashes, which small differences change too."""

_AT_ONCE = 1 << 16  # hashes, of which a function's values stay in the processor's cache
_MULTIPLIERS = (mix(np.arange(1, PLACES + 1, dtype=np.uint64)) >> np.uint64(32)).astype(np.uint32) | 1
_SPREAD = np.uint32(0x9E3779B1)  # 2³² / golden ratio


def signatures(shingles: Shingles) -> Bytes:
    """One of each text: (n, 68)."""
    _, starts, ends = shingles
    found = np.empty((len(starts), SIZE), np.uint8)
    low = 0
    while low < len(starts):
        high = max(low + 1, int(np.searchsorted(ends, starts[low] + _AT_ONCE)))
        found[low:high] = _signatures(shingles.hashes, starts[low:high], ends[low:high])
        low = high
    return found


def _signatures(hashes: Words, starts: Places, ends: Places) -> Bytes:
    first, last = starts[0], ends[-1]
    step = np.zeros(last - first + 1, np.int8)
    step[starts - first], step[ends - first] = 1, -1
    within = hashes[first:last][np.cumsum(step[:-1], dtype=np.int8).view(np.bool_)].astype(np.uint32)
    sizes = ends - starts
    begins = np.cumsum(sizes) - sizes
    found = np.empty((len(starts), SIZE), np.uint8)
    found[:, PLACES:] = np.add.reduceat(within, begins, dtype=np.uint32).astype("<u4")[:, None].view(np.uint8)
    values = np.empty_like(within)
    for place, multiplier in enumerate(_MULTIPLIERS):
        np.multiply(within, multiplier, out=values)
        least = np.minimum.reduceat(values, begins)
        found[:, place] = (least * _SPREAD) >> np.uint32(24)
    return found


def are_near(one: Bytes, other: Bytes, least: float) -> NDArray[np.bool_]:
    """Whether the Jaccard indices of sets are at least so, by their signatures: two times (n, 68) to (n,).

    Where the minima differ, 1/256 of the places are equal by chance.
    """
    near: NDArray[np.bool_] = np.count_nonzero(one[:, :PLACES] == other[:, :PLACES], axis=1) >= PLACES * (
        least + (1 - least) / 256
    )
    return near


def bands(found: Bytes, each: int) -> Bands:
    """Words of `each` places, of which near signatures share one, as a rule: (n, 68) to (64 // each, n)."""
    words = np.zeros((PLACES // each, len(found), 4), np.uint8)
    for place in range(PLACES // each * each):
        words[place // each, :, place % each] = found[:, place]
    return words.view("<u4")[:, :, 0]
