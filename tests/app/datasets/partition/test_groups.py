from __future__ import annotations

import numpy as np

from app.datasets.partition.groups import join


def keys(*values: int) -> np.ndarray:
    return np.array(values, np.uint64)


def test_groups_that_share_rows_become_one_with_the_smallest_key() -> None:
    # 7 and 3 share the unit 1; 3 and 5 share 2; 9 stands alone with the unit 4, twice.
    joined = join(keys(7, 3, 3, 5, 9, 9, *[8] * 6), keys(1, 1, 2, 2, 4, 4, *range(5, 11)))
    assert joined.of_rows.tolist() == [3, 3, 3, 3, 9, 9, *[8] * 6]
    assert (joined.groups, joined.kept_apart) == (3, False)


def test_groups_stay_apart_where_one_would_take_most_rows() -> None:
    groups = keys(1, 2, 3, 4, 5, 6)
    joined = join(groups, keys(1, 1, 1, 1, 2, 3))
    assert joined.of_rows.tolist() == groups.tolist()
    assert (joined.groups, joined.kept_apart) == (4, True)


def test_groups_without_shared_rows_stay_as_they_are() -> None:
    groups = keys(2, 1, 2, 1)
    joined = join(groups, keys(10, 11, 12, 13))
    assert joined.of_rows.tolist() == groups.tolist()
    assert (joined.groups, joined.kept_apart) == (0, False)


def test_chains_of_groups_are_joined_whatever_their_order() -> None:
    rng = np.random.default_rng(0)
    links = np.stack([np.arange(20), np.arange(1, 21)], axis=1)
    groups, units = np.concatenate([links.reshape(-1), np.arange(100, 200)]), np.repeat(np.arange(20), 2)
    units = np.concatenate([units, np.arange(100, 200)])
    order = rng.permutation(len(groups))
    joined = join(groups[order].astype(np.uint64) + np.uint64(5), units[order].astype(np.uint64))
    expected = np.where(groups[order] < 100, 0, groups[order]) + 5
    assert joined.of_rows.tolist() == expected.tolist()
