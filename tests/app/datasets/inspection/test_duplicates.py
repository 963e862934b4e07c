from __future__ import annotations

import numpy as np
import pytest

from app.datasets.inspection import duplicates as module
from app.datasets.inspection.duplicates import apart, contradictions, duplicates


def hashes(*values: int) -> np.ndarray:
    return np.array(values, np.uint64)


def test_duplicates_have_input_and_label_of_an_earlier_row() -> None:
    found = duplicates(hashes(1, 2, 1, 1, 3, 2), hashes(7, 7, 7, 8, 7, 7))
    assert (found.count, found.rows) == (2, [3, 6])


def test_the_first_duplicates_are_found_far_down(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_HEAD", 2)
    keys = np.concatenate([np.arange(50), [3, 4]]).astype(np.uint64)
    found = duplicates(keys, np.zeros(52, np.uint64))
    assert (found.count, found.rows) == (2, [51, 52])


def test_the_same_input_under_another_label_contradicts_the_first_that_has_one() -> None:
    found = contradictions(hashes(1, 2, 3, 4, 2, 1, 3), hashes(5, 6, 0, 5, 5, 5, 6))
    assert (found.count, found.rows) == (1, [2, 5])
    assert contradictions(hashes(1, 1, 2), hashes(5, 5, 6)).count == 0


def test_rows_are_apart_from_an_equal_one_in_another_part() -> None:
    parts = np.array([0, 2, 2, 1, 2, 0], np.uint8)
    found = apart(hashes(1, 1, 3, 3, 5, 5), parts)
    assert (found.count, found.rows) == (4, [2, 3, 4, 5])
    assert apart(hashes(1, 2, 2, 3, 2, 1), parts).count == 0
