from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from app.datasets.partition.clusters import found_among, joined, linked


def same_first(signatures: NDArray[np.uint8]) -> NDArray[np.uint32]:
    return signatures[None, :, 0].astype(np.uint32)


def few_apart(one: NDArray[np.uint8], other: NDArray[np.uint8]) -> NDArray[np.bool_]:
    apart: NDArray[np.bool_] = np.abs(one[:, 1].astype(int) - other[:, 1]) <= 2
    return apart


def test_pairs_join_into_clusters_called_by_their_first_row() -> None:
    alone = np.arange(8)
    found = joined(alone, np.array([7, 3, 5, 1]), np.array([5, 1, 3, 3]))
    assert found.tolist() == [0, 1, 2, 1, 4, 1, 6, 1]
    assert alone.tolist() == list(range(8))


def test_rows_are_linked_by_chains_of_near_pairs_within_a_band() -> None:
    signatures = np.array([[1, 9], [1, 0], [1, 2], [2, 1], [1, 4], [1, 9]], np.uint8)
    assert linked(signatures, same_first, few_apart).tolist() == [0, 1, 1, 3, 1, 0]


def test_a_row_is_found_that_is_near_to_another_in_its_band() -> None:
    others = np.array([[1, 10], [2, 50]], np.uint8)
    rows = np.array([[1, 11], [2, 11], [1, 50], [2, 49], [1, 10], [3, 10]], np.uint8)
    assert found_among(rows, others, same_first, few_apart).tolist() == [
        True,
        False,
        False,
        True,
        True,
        False,
    ]


def test_of_a_band_that_all_share_the_nearest_in_order_are_compared() -> None:
    signatures = np.stack([np.zeros(240, np.uint8), np.arange(240, dtype=np.uint8)], axis=1)
    assert set(linked(signatures, same_first, few_apart).tolist()) == {0}
