from __future__ import annotations

import io
from collections.abc import Callable
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from app.datasets.inspection.inspect_file import inspect
from app.datasets.reading.declaration import Declaration
from app.datasets.reading.errors import DatasetError
from app.datasets.reading.profile import Inspection
from app.datasets.reading.table import read

Inspect = Callable[..., Inspection]
Refuse = Callable[..., DatasetError]


def written(**columns: Any) -> bytes:
    sink = io.BytesIO()
    pq.write_table(pa.table(columns), sink)
    return sink.getvalue()


Y = ["p", "q"] * 3


@pytest.mark.parametrize(
    ("column", "expected", "first"),
    [
        (pa.array([1, 2, None] * 2, pa.int8()), "number", 1),
        (pa.array([1, 2, 3] * 2, pa.uint64()), "number", 1),
        (pa.array([2**60 + 1, 2**64 - 1, 3] * 2, pa.uint64()), "number", 2**60),
        (pa.array([1.5, float("nan"), None] * 2, pa.float32()), "number", 1.5),
        (pa.array([Decimal("1.25")] * 6), "number", 1.25),
        (pa.array([True, False, None] * 2), "boolean", True),
        (pa.array(["a", "b", None] * 2).dictionary_encode(), "category", "a"),
        (pa.array(["a", "b", None] * 2, pa.large_string()), "category", "a"),
        (pa.array([date(2024, 1, 2)] * 6), "date", "2024-01-02"),
        (pa.array([datetime(2024, 1, 2, 3, 4, 5, 999999)] * 6), "date", "2024-01-02T03:04:05"),
        (
            pa.array([datetime(2024, 1, 2, tzinfo=UTC)] * 6, pa.timestamp("ns", "+02:00")),
            "date",
            "2024-01-02",
        ),
    ],
)
def test_a_type_of_parquet_becomes_a_column_type(
    inspect_text: Inspect, column: pa.Array, expected: str, first: object
) -> None:
    inspection = inspect_text(written(a=column, n=[*range(6)], y=Y), "d.parquet")
    assert inspection.description.columns[0].type == expected
    assert inspection.preview[0]["a"] == first


def test_nan_is_missing(inspect_text: Inspect) -> None:
    inspection = inspect_text(written(a=[1.0, float("nan"), None] * 2, n=[*range(6)], y=Y), "d.parquet")
    assert inspection.profile.columns[0].missing == 4


def test_infinite_numbers_are_refused_with_their_row(refuse_text: Refuse) -> None:
    error = refuse_text(written(a=[1.0, 2.0, float("inf")] * 2, y=Y), "d.parquet")
    assert (error.code, error.errors[0]["row"], error.errors[0]["column"]) == ("infinite_number", 3, "a")


@pytest.mark.parametrize(
    ("column", "received"),
    [
        (pa.array([[1], [2]] * 3), "list<element: int64>"),
        (pa.array([{"b": 1}] * 6), "struct<b: int64>"),
    ],
)
def test_nested_columns_are_refused(refuse_text: Refuse, column: pa.Array, received: str) -> None:
    error = refuse_text(written(a=column, y=Y), "d.parquet")
    assert (error.code, error.errors[0]["column"], error.errors[0]["received"]) == (
        "unsupported_column",
        "a",
        received,
    )


def test_a_cut_off_file_is_refused(refuse_text: Refuse) -> None:
    error = refuse_text(written(a=[1] * 6, y=Y)[:-20], "d.parquet")
    assert (error.code, "Expected a whole Parquet file" in error.message) == ("broken_file", True)


def test_damaged_pages_are_refused(refuse_text: Refuse) -> None:
    content = bytearray(written(a=[str(n) * 50 for n in range(6)], y=Y))
    content[8:200] = bytes(192)
    assert refuse_text(bytes(content), "d.parquet").code == "broken_file"


def test_a_file_without_rows_is_refused(refuse_text: Refuse) -> None:
    assert (
        refuse_text(written(a=pa.array([], pa.int64()), y=pa.array([], pa.string())), "d.parquet").code
        == "no_rows"
    )


def test_long_integers_declared_as_categories_keep_all_digits(tmp_path: Path) -> None:
    path = tmp_path / "d.parquet"
    path.write_bytes(written(a=[2**60 + n for n in range(1, 7)], y=Y))
    inspection = inspect(path, Declaration(types={"a": "category"}))
    assert read(path, inspection.description)["a"].to_pylist()[:2] == [str(2**60 + 1), str(2**60 + 2)]
