"""Keys, against a computation in plain Python by the definition in docs/data-sets.md."""

from __future__ import annotations

import subprocess
import sys
from datetime import datetime

import numpy as np
import pyarrow as pa
import pytest

from app.datasets.partition.keys import cell_keys, column_keys, mix, row_keys, table_keys
from tests.app.datasets.partition.plain import MASK, plain_row

TABLE = pa.table(
    {
        "age": pa.array([1.5, None, -0.0, 17.0]),
        "member": pa.array([True, False, None, True]),
        "city": pa.array(["Bern", "Zürich", "17", None]),
        "joined": pa.array(["2024-01-02", None, "2024-01-02T03:04:05", "2024-01-02"]),
    }
)


def test_mix_is_splitmix64() -> None:
    # The first numbers of the generator that is seeded with 0, as published with it.
    states = np.array([0, 0x9E3779B97F4A7C15, 2 * 0x9E3779B97F4A7C15 & MASK], np.uint64)
    assert [hex(value) for value in mix(states).tolist()] == [
        "0xe220a8397b1dcdaf",
        "0x6e789e6aa1b965f4",
        "0x6c45d188009454f",
    ]


def test_keys_are_those_of_the_definition() -> None:
    assert table_keys(TABLE, TABLE.column_names).tolist() == [plain_row(row) for row in TABLE.to_pylist()]


def test_the_order_of_columns_and_the_size_of_batches_change_no_key() -> None:
    keys = table_keys(TABLE, TABLE.column_names)
    names = TABLE.column_names[::-1]
    batches = pa.Table.from_batches(TABLE.select(names).to_batches(max_chunksize=1))
    np.testing.assert_array_equal(table_keys(batches, names), keys)


def test_a_row_s_key_follows_from_its_columns_keys_over_any_of_them() -> None:
    some = ["city", "age"]
    columns = {name: column_keys(name, cell_keys(TABLE[name].combine_chunks())) for name in some}
    np.testing.assert_array_equal(table_keys(TABLE, some), row_keys(columns.values(), 4))
    assert not set(table_keys(TABLE, some).tolist()) & set(table_keys(TABLE, TABLE.column_names).tolist())


def test_a_column_that_is_not_there_equals_one_without_values() -> None:
    empty = TABLE.append_column("more", pa.nulls(4, pa.string()))
    np.testing.assert_array_equal(
        table_keys(empty, empty.column_names), table_keys(TABLE, [*TABLE.column_names, "x"])
    )


def test_equal_cells_in_other_columns_make_other_rows() -> None:
    one, other = pa.table({"a": [1.0], "b": [2.0]}), pa.table({"a": [2.0], "b": [1.0]})
    assert table_keys(one, "ab").tolist() != table_keys(other, "ab").tolist()


def test_a_column_that_turns_out_to_hold_words_too_keeps_its_numbers_keys() -> None:
    numbers, words = pa.array([5.0, -0.25, 1e6, 0.0]), pa.array(["5.0", "-.25", "1e6", "0"])
    same = cell_keys(numbers) == cell_keys(words)
    assert same.tolist() == [True, False, True, True]
    assert cell_keys(pa.array(["Yes", "false"])).tolist() == cell_keys(pa.array([True, False])).tolist()
    assert cell_keys(pa.array(["T", "f"])).tolist() == cell_keys(pa.array([True, False])).tolist()
    codes = cell_keys(pa.array(["007", "7", "12345678901234567", "12345678901234568"]))
    assert len(set(codes.tolist())) == 4


def test_a_date_has_the_key_of_its_text() -> None:
    moments = pa.array([datetime(2024, 1, 2), datetime(2024, 1, 2, 3, 4, 5), None], pa.timestamp("s"))
    written = pa.array(["2024-01-02", "2024-01-02T03:04:05", None])
    np.testing.assert_array_equal(cell_keys(moments), cell_keys(written))


def test_a_slice_has_the_keys_of_its_rows() -> None:
    numbers = pa.array([None, 1.0, 2.0, None, 4.0])
    np.testing.assert_array_equal(cell_keys(numbers[2:]), cell_keys(numbers)[2:])


@pytest.mark.parametrize("seed", ["0", "1"])
def test_the_seed_of_a_process_s_hashes_changes_no_key(seed: str) -> None:
    program = (
        "import pyarrow as pa; from app.datasets.partition.keys import table_keys\n"
        "table = pa.table({'age': [1.5, None], 'city': ['Bern', 'Zürich']})\n"
        "print(table_keys(table, ['age', 'city']).tolist())"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        env={"PYTHONHASHSEED": seed, "PYTHONUTF8": "1"},
        capture_output=True,
        text=True,
        check=True,
    )
    rows: list[dict[str, object]] = [{"age": 1.5, "city": "Bern"}, {"age": None, "city": "Zürich"}]
    assert done.stdout.strip() == str([plain_row(row) for row in rows])
