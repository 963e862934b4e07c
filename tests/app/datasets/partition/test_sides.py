from __future__ import annotations

import numpy as np

from app.datasets.partition.keys import mix
from app.datasets.partition.sides import NO_PART, dealt, units_of, without_shared


def keys(*values: int) -> np.ndarray[tuple[int], np.dtype[np.uint64]]:
    return mix(np.array(values, np.uint64))


def test_rows_that_share_either_side_are_one_unit_while_they_are_few() -> None:
    units = units_of(keys(1, 1, 2, 3, 4), keys(7, 8, 8, 9, 9))
    assert [int(np.flatnonzero(units == unit)[0]) for unit in units] == [0, 0, 0, 3, 3]


def test_a_large_unit_falls_apart_into_those_of_the_first_side() -> None:
    first = np.repeat(keys(*range(100)), 2)
    second = np.concatenate([keys(*([1] * 40)), keys(*range(1000, 1160))])
    units = units_of(first, second)
    assert len(np.unique(units)) == 100
    assert (units[::2] == units[1::2]).all()


def test_rows_that_share_a_key_with_held_out_ones_are_in_no_part() -> None:
    rows = np.stack([keys(1, 2, 1, 4, 5), keys(6, 7, 8, 7, 0)], axis=1)
    rows[4, 1] = 0
    parts = np.array([2, 1, 0, 0, 0], np.uint8)
    assert without_shared(parts, rows).tolist() == [2, 1, NO_PART, NO_PART, 0]


def test_few_units_of_any_size_are_dealt_by_about_their_rows() -> None:
    for seed in range(20):
        units = np.repeat(keys(*range(12)), np.random.default_rng(seed).integers(5, 30, 12))
        parts = dealt(units, seed, 0.15, 0.15)
        assert all(0.05 < (parts == part).mean() < 0.3 for part in (1, 2))
        assert all(len(set(parts[units == unit])) == 1 for unit in units)
    assert sorted(dealt(keys(1, 2, 3), 0, 0.15, 0.15)) == [0, 1, 2]
