"""Which signatures are near one another, among many? Bands name candidates, of which each pair is compared.

Locality-sensitive hashing (Indyk and Motwani 1998): rows that share a band's word are candidates.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from app.datasets.partition.shingles import Bytes, Places, Words

COMPARED = 32
"""Candidates of a row in a band: those beside it, where more share the word. This bounds the cost."""

Near = Callable[[Bytes, Bytes], NDArray[np.bool_]]


def linked(signatures: Bytes, bands: Callable[[Bytes], Words], are_near: Near) -> Places:
    """Of each row the first of its cluster: the rows that it is near to, and those that these are near to."""
    known, first, which = np.unique(_whole(signatures), return_index=True, return_inverse=True)
    different = signatures[first]
    cluster = np.arange(len(known))
    for words in bands(different):
        order = np.argsort(words, kind="stable")  # beside one another stand those of similar signatures
        words = words[order]
        for away in range(1, COMPARED + 1):
            left, right = order[:-away], order[away:]
            same = (words[:-away] == words[away:]) & (cluster[left] != cluster[right])
            if not same.any():
                break
            left, right = left[same], right[same]
            near = are_near(different[left], different[right])
            cluster = joined(cluster, left[near], right[near])
    # `known` is sorted by signature: name each cluster by its first row instead.
    least = np.full(len(known), len(signatures))
    np.minimum.at(least, cluster, first)
    return least[cluster][which]


def joined(cluster: Places, one: Places, other: Places) -> Places:
    """Clusters in which each pair of rows is joined; a cluster is called by its least row."""
    cluster = cluster.copy()
    while True:
        a, b = cluster[one], cluster[other]
        apart = a != b
        if not apart.any():
            return cluster
        np.minimum.at(cluster, np.maximum(a, b)[apart], np.minimum(a, b)[apart])
        while not np.array_equal(nearer := cluster[cluster], cluster):
            cluster = nearer


def found_among(
    signatures: Bytes, others: Bytes, bands: Callable[[Bytes], Words], are_near: Near
) -> NDArray[np.bool_]:
    """Which rows are near to any of others."""
    found = np.zeros(len(signatures), np.bool_)
    both = np.concatenate([others, signatures])
    known, first, which = np.unique(_whole(both), return_index=True, return_inverse=True)
    different = both[first]
    is_other = np.zeros(len(known), np.bool_)
    is_other[which[: len(others)]] = True
    near_any = is_other.copy()
    for words in bands(different):
        order = np.argsort(words, kind="stable")
        targets = order[is_other[order]]
        before = np.cumsum(is_other[order])  # of the others, up to each place
        open_ = np.flatnonzero(~near_any[order])
        for away in range(-COMPARED // 2, COMPARED // 2):
            place = before[open_] + away
            there = (place >= 0) & (place < len(targets))
            asked, target = order[open_[there]], targets[place[there]]
            same = words[asked] == words[target]
            asked, target = asked[same], target[same]
            near_any[asked[are_near(different[asked], different[target])]] = True
    found[:] = near_any[which[len(others) :]]
    return found


def _whole(signatures: Bytes) -> NDArray[np.void]:
    return np.ascontiguousarray(signatures).view(f"V{signatures.shape[1]}").ravel()
