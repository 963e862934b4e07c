"""Rows that were trained on are kept by keys alone, and read as they were written."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from app.datasets.partition.rows_file import RowFacts
from workers import trained_rows
from workers.trained_rows import DatasetRows, read

NAMES = ["a.b", "a", "city", ""]


def _facts(rows: int, **more: np.ndarray) -> RowFacts:
    keys = np.arange(rows, dtype=np.uint64)[:, None] * np.uint64(2**60 + 7)
    return RowFacts(parts=np.zeros(rows, np.uint8), keys=keys, **more)


def _mixed() -> DatasetRows:
    table = pa.table(
        {
            "a.b": pa.array([1.0, None, -0.0, 0.0]),
            "a": pa.array([True, False, None, True]),
            "city": pa.array(["rome", "rome", None, "oslo"]),
            "": pa.array(["2024-01-01", "2024-01-02", None, "2024-01-03"]),
            "y": pa.array(["no", "yes", "no", "yes"]),
        }
    )
    return DatasetRows(table, _facts(4), NAMES)


def test_the_rows_asked_for_are_written_and_read(tmp_path: Path) -> None:
    rows, some = _mixed(), np.array([0, 2, 3])
    rows.write(tmp_path / "rows", some)
    found, wanted = read(tmp_path / "rows"), rows.known().of(some)
    np.testing.assert_array_equal(found.keys, wanted.keys)
    assert found.signatures is None
    assert set(found.columns) == set(NAMES)
    for name in NAMES:
        np.testing.assert_array_equal(found.columns[name], wanted.columns[name])


@pytest.mark.parametrize("each", [1, 3, 4])
def test_a_file_written_group_by_group_holds_the_same(
    tmp_path: Path, each: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows, every = _mixed(), np.arange(4)
    monkeypatch.setattr(trained_rows, "_ROWS", each)
    rows.write(tmp_path / "rows", every)
    found = read(tmp_path / "rows")
    assert pq.ParquetFile(tmp_path / "rows").num_row_groups == -(-4 // each)
    np.testing.assert_array_equal(found.keys, rows.known().keys)
    for name, cells in rows.known().columns.items():
        np.testing.assert_array_equal(found.columns[name], cells)


def test_signatures_and_several_keys_are_read_as_they_were(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    keys, signatures = rng.integers(0, 2**63, (5, 2)).astype(np.uint64), rng.integers(0, 256, (5, 9))
    facts = RowFacts(np.zeros(5, np.uint8), keys, signatures=signatures.astype(np.uint8))
    DatasetRows(pa.table({"text": list("abcde")}), facts, []).write(tmp_path / "rows", np.array([1, 4]))
    found = read(tmp_path / "rows")
    np.testing.assert_array_equal(found.keys, keys[[1, 4]])
    np.testing.assert_array_equal(found.signatures, signatures[[1, 4]])
    assert dict(found.columns) == {}


def test_cells_are_equal_where_values_are_and_0_where_they_are_missing() -> None:
    columns = _mixed().known().columns
    assert columns["a.b"].dtype == np.uint32
    assert columns["a.b"][2] == columns["a.b"][3] != columns["a.b"][0]
    assert columns["city"][0] == columns["city"][1] != columns["city"][3]
    assert [int(columns[name][row]) for name, row in zip(NAMES, (1, 2, 2, 2), strict=True)] == [0] * 4
    assert all((np.delete(columns["city"], 2) > 0).tolist())


def test_numbers_are_equal_where_a_network_reads_the_same(tmp_path: Path) -> None:
    """In a file of floats, with nine digits of seventeen, or where one word made them categories."""
    values = np.random.default_rng(0).normal(size=9)
    written = {
        "doubles": pa.array(values),
        "floats": pa.array(values.astype(np.float32).astype(np.float64)),
        "digits": pa.array([float(f"{value:.9g}") for value in values]),
        "texts": pa.array([f"{value:.9g}" for value in values]),
    }
    found = DatasetRows(pa.table(written), _facts(9), list(written)).known().columns
    for name in written:
        np.testing.assert_array_equal(found[name], found["doubles"])
    assert len(set(found["doubles"].tolist())) == 9


def test_numbers_beyond_float32_are_cells_too() -> None:
    table = pa.table({"a": pa.array([1e300, -1e300, None, 1e-300])})
    cells = DatasetRows(table, _facts(4), ["a"]).known().columns["a"]
    assert [int(cell) > 0 for cell in cells] == [True, True, False, True]
    assert cells[0] != cells[1]


def test_equal_rows_make_equal_bytes_and_no_value_is_in_them(tmp_path: Path) -> None:
    table = pa.table({"name": [f"a secret {n % 3}" for n in range(40)], "x": [float(n) for n in range(40)]})
    for name, order in (("one", ["name", "x"]), ("two", ["x", "name"])):
        DatasetRows(table, _facts(40), order).write(tmp_path / name, np.arange(40))
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()
    assert b"secret" not in (tmp_path / "one").read_bytes()
    assert all(pa.types.is_unsigned_integer(field.type) for field in pq.read_schema(tmp_path / "one"))


def test_cells_that_repeat_take_little_room(tmp_path: Path) -> None:
    table = pa.table({"x": [float(n % 7) for n in range(100_000)]})
    facts = RowFacts(np.zeros(100_000, np.uint8), np.zeros((100_000, 1), np.uint64))
    DatasetRows(table, facts, ["x"]).write(tmp_path / "rows", np.arange(100_000))
    assert (tmp_path / "rows").stat().st_size < 50_000


@pytest.mark.parametrize(
    ("cells", "is_one"),
    [
        (pa.array(np.arange(20.0)), True),
        (pa.array([*range(7, 26), None, 99.0]), True),
        (pa.array([f"P{row}" for row in range(20)]), True),
        (pa.array(np.arange(19.0)), False),
        (pa.array([*np.arange(19.0), 0.0]), False),
        (pa.array(np.arange(20) + 0.5), False),
        (pa.array([row % 2 == 0 for row in range(20)]), False),
        (pa.array([None] * 20, pa.float64()), False),
    ],
    ids=["numbers", "gaps", "names", "few", "repeating", "fractions", "booleans", "missing"],
)
def test_columns_that_may_only_number_the_rows_are_known_and_kept(
    tmp_path: Path, cells: pa.Array, is_one: bool
) -> None:
    table = pa.table({"a": cells, "b": pa.array([1.0, 2.0] * len(cells)).slice(0, len(cells))})
    rows = DatasetRows(table, _facts(len(cells)), ["b", "a"])
    rows.write(tmp_path / "rows", np.arange(3))
    of_three = read(tmp_path / "rows")
    assert rows.known().identifiers == of_three.identifiers == (frozenset({"a"}) if is_one else frozenset())
