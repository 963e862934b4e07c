"""Two files of predictions beside each other, checked against counts of their own."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from workers.predictor.comparing import Answers, comparison, read

CLASSES = ["fail", "pass"]


def written(path: Path, rows: list[int], p: list[float | None], **other: Any) -> Answers:
    """A file of the labels `fail` of even and `pass` of odd rows, and these answers, read again."""
    labels = [CLASSES[row % 2] for row in rows]
    columns = {
        "row": pa.array(rows, pa.int64()),
        "key": pa.array([1000 + row for row in rows], pa.uint64()),
        "unit": pa.array(range(len(rows)), pa.int64()),
        "seen": pa.array([False] * len(rows)),
        "label": pa.array(labels),
        "transfer/0": pa.array(p, pa.float64()),
        "transfer/1": pa.array([0.5] * len(rows)),
    }
    pq.write_table(pa.table({**columns, **other}), path)
    return read(path, "binary", CLASSES)


@pytest.fixture
def both(tmp_path: Path) -> tuple[Answers, Answers]:
    """Of 40 rows, `a` is wrong in the first ten, `b` in the first two and the last."""
    rows = list(range(40))
    right = [0.1 if row % 2 == 0 else 0.9 for row in rows]
    first = [1 - p if row < 10 else p for row, p in enumerate(right)]
    second = [1 - p if row < 2 or row == 39 else p for row, p in enumerate(right)]
    return written(tmp_path / "a", rows, first), written(tmp_path / "b", rows, second)


def test_what_changed_is_counted_row_by_row(both: tuple[Answers, Answers]) -> None:
    told = comparison(*both, "binary", CLASSES, "accuracy", same_rows=True)
    assert (told["rows"], told["changed_rows"]) == (40, 9)
    assert (told["only_a_right"], told["only_b_right"]) == (1, 8)
    assert told["metrics"]["a"]["accuracy"] == pytest.approx(30 / 40)
    assert told["gain"]["value"] == pytest.approx(7 / 40)
    assert told["gain"]["low"] > 0
    assert told["changed"][0] == {"row": 39, "label": "pass", "a": "pass", "b": "fail"}
    assert {one["row"] for one in told["changed"]} == {*range(2, 10), 39}
    assert [(one["class"], one["rows"], one["a"], one["b"]) for one in told["classes"]] == [
        ("fail", 20, 15 / 20, 19 / 20),
        ("pass", 20, 15 / 20, 18 / 20),
    ]


def test_the_other_way_round_is_the_same_with_its_sign_turned(both: tuple[Answers, Answers]) -> None:
    one = comparison(*both, "binary", CLASSES, "accuracy", same_rows=True)["gain"]
    other = comparison(*both[::-1], "binary", CLASSES, "accuracy", same_rows=True)["gain"]
    assert (one["value"], one["low"], one["high"]) == pytest.approx(
        (-other["value"], -other["high"], -other["low"]),
        abs=0.01,  # other rows are drawn
    )


def test_rows_of_other_data_sets_are_known_by_their_inputs(tmp_path: Path) -> None:
    a = written(tmp_path / "a", [0, 1, 2, 3], [0.1, 0.9, 0.1, 0.9])
    moved = {"key": pa.array([1002, 1003, 1001, 1001], pa.uint64()), "label": pa.array(["fail", "pass"] * 2)}
    b = written(tmp_path / "b", [0, 1, 2, 3], [0.1, 0.9, 0.1, 0.9], **moved)
    # The key 1001 stands twice in b, and so tells no row.
    assert comparison(a, b, "binary", CLASSES, None, same_rows=False)["rows"] == 2
    apart = written(tmp_path / "c", [10, 11], [0.1, 0.9])
    assert comparison(a, apart, "binary", CLASSES, None, same_rows=False)["gain"] is None


def test_rows_that_were_seen_or_not_tested_are_left_out(tmp_path: Path) -> None:
    seen = {"seen": pa.array([True, False, False, False])}
    a = written(tmp_path / "a", [0, 1, 2, 3], [0.1, 0.9, None, 0.9], **seen)
    assert list(a.numbers) == [1, 3]


def test_numbers_tell_which_rows_became_worse_most(tmp_path: Path) -> None:
    y = np.arange(30.0)

    def answers(errors: np.ndarray) -> Answers:
        return Answers(np.arange(30), np.arange(30), np.arange(30), list(y), (y + errors)[:, None])

    errors = np.zeros(30)
    errors[7] = 5.0
    told = comparison(answers(np.ones(30)), answers(errors), "regression", [], "rmse", same_rows=True)
    assert told["changed"][0] == {"row": 7, "label": 7.0, "a": 8.0, "b": 12.0}
    assert (told["only_a_right"], told["only_b_right"]) == (1, 29)
    assert told["gain"]["value"] == pytest.approx(1 - np.sqrt(25 / 30))
