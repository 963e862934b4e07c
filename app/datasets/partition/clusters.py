"""Which signatures are near one another, among many? Bands name candidates, of which each pair is compared.

Locality-sensitive hashing (Indyk and Motwani 1998): rows that share a band's word are candidates.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from app.datasets.partition.keys import mix
from app.datasets.partition.shingles import Bytes, Places, Words

COMPARED = 32
"""Candidates of a row in a band: those beside it, where more share the word. This bounds the cost."""

Bands = Callable[[Bytes], NDArray[np.uint32]]
Near = Callable[[Bytes, Bytes], NDArray[np.bool_]]


def linked(signatures: Bytes, bands: Bands, are_near: Near) -> Places:
    """Of each row the first of its cluster: the rows that it is near to, and those that these are near to."""
    first, which = _different(signatures)
    different = signatures[first]
    cluster = np.arange(len(first))
    for words in bands(different):
        words, order = _sorted(words)
        for away in range(1, COMPARED + 1):
            left, right = order[:-away], order[away:]
            same = words[:-away] == words[away:]
            if not same.any():
                break
            left, right = left[same], right[same]
            apart = cluster[left] != cluster[right]
            left, right = left[apart], right[apart]
            near = are_near(different[left], different[right])
            cluster = joined(cluster, left[near], right[near])
    least = np.full(len(first), len(signatures))
    np.minimum.at(least, cluster, first)
    of: Places = least[cluster][which]
    return of


def joined(cluster: Places, one: Places, other: Places) -> Places:
    """Clusters in which each pair of rows is joined; a cluster is called by its least row."""
    if not len(one):
        return cluster
    cluster = cluster.copy()
    while True:
        a, b = cluster[one], cluster[other]
        apart = a != b
        if not apart.any():
            return cluster
        np.minimum.at(cluster, np.maximum(a, b)[apart], np.minimum(a, b)[apart])
        while not np.array_equal(nearer := cluster[cluster], cluster):
            cluster = nearer


def found_among(signatures: Bytes, others: Bytes, bands: Bands, are_near: Near) -> NDArray[np.bool_]:
    """Which rows are near to any of others."""
    first, which = _different(np.concatenate([others, signatures]))
    different = np.concatenate([others, signatures])[first]
    is_other = np.zeros(len(first), np.bool_)
    is_other[which[: len(others)]] = True
    found = is_other.copy()
    for words in bands(different):
        words, order = _sorted(words)
        places = np.flatnonzero(is_other[order])
        before = np.cumsum(is_other[order])
        asked = np.flatnonzero(~found[order])
        for away in range(-COMPARED // 2, COMPARED // 2):
            which_other = before[asked] + away
            there = (which_other >= 0) & (which_other < len(places))
            row, other = asked[there], places[which_other[there]]
            same = words[row] == words[other]
            row, other = order[row[same]], order[other[same]]
            found[row[are_near(different[row], different[other])]] = True
    of: NDArray[np.bool_] = found[which[len(others) :]]
    return of


def _different(signatures: Bytes) -> tuple[Places, Places]:
    """A row of each different signature, similar ones beside one another, and which of these each row has."""
    size = signatures.shape[1]
    padded = np.zeros((len(signatures), -(-size // 8) * 8), np.uint8)
    padded[:, :size] = signatures
    words = padded.view("<u8").astype(np.uint64)
    whole = np.zeros(len(words), np.uint64)
    for column in words.T:
        whole = mix(whole ^ column)
    _, first, which = np.unique(whole, return_index=True, return_inverse=True)
    order = np.argsort(words[first, 0], kind="stable")
    rank = np.empty_like(order)
    rank[order] = np.arange(len(order))
    return first[order], rank[which]


def _sorted(words: NDArray[np.uint32]) -> tuple[Words, Places]:
    """The words in order, and the rows that have them, those of one word in order too."""
    both = np.sort(words.astype(np.uint64) << np.uint64(32) | np.arange(len(words), dtype=np.uint64))
    return both >> np.uint64(32), (both & np.uint64(0xFFFFFFFF)).astype(np.int64)
