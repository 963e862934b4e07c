from __future__ import annotations

import json
import math
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from app.datasets.reading.description import Description
from app.datasets.reading.errors import DatasetError
from app.datasets.reading.profile import Inspection
from app.datasets.reading.table import read

Inspect = Callable[..., Inspection]
Refuse = Callable[..., DatasetError]
TEXT = (
    "n,c,b,d,y\n" + "1,a,yes,2024-01-01,0\n2.5,b,no,2024-01-02T10:00:00,1\n,,,,1\n4,a,yes,2023-05-06,0\n" * 3
)


def test_columns_are_typed_and_profiled(inspect_text: Inspect) -> None:
    profile = inspect_text(TEXT).profile
    n, c, b, d, y = profile.columns
    assert [column.type for column in profile.columns] == ["number", "category", "boolean", "date", "number"]
    assert (n.missing, n.distinct, n.minimum, n.maximum, n.mean) == (3, 3, 1.0, 4.0, 2.5)
    assert n.standard_deviation == pytest.approx(math.sqrt(1.5))
    assert [(top.value, top.count) for top in c.top] == [("a", 6), ("b", 3)]
    assert [(top.value, top.count) for top in b.top] == [("true", 6), ("false", 3)]
    assert (d.minimum, d.maximum) == ("2023-05-06", "2024-01-02T10:00:00")
    assert [(known.value, known.count) for known in profile.classes] == [("0", 6), ("1", 6)]
    assert (profile.rows, profile.bytes, profile.missing_cells) == (12, len(TEXT), 12)
    assert y.role == "label"


def test_the_preview_holds_plain_values(inspect_text: Inspect) -> None:
    preview = inspect_text(TEXT).preview
    assert preview[1] == {"n": 2.5, "c": "b", "b": False, "d": "2024-01-02T10:00:00", "y": 1}
    assert preview[2] == {"n": None, "c": None, "b": None, "d": None, "y": 1}


def test_the_preview_is_a_hundred_rows_of_short_cells(inspect_text: Inspect) -> None:
    preview = inspect_text("t,y\n" + "".join(f"{'long' * 999}{n},0\nb{n},1\n" for n in range(100))).preview
    assert len(preview) == 100
    assert len(preview[0]["t"]) == 1001


def test_an_inspection_survives_json(inspect_text: Inspect) -> None:
    inspection = inspect_text(TEXT)
    assert Inspection.model_validate_json(inspection.model_dump_json()) == inspection


@pytest.mark.usefixtures("small_blocks")
def test_a_word_far_down_makes_the_whole_column_a_category(inspect_text: Inspect, tmp_path: Path) -> None:
    rows = 2000  # several batches
    inspection = inspect_text("a,b,y\n" + "".join(f"1.0,2.{n},0\n1,3,1\n" for n in range(rows)) + "one,4,1\n")
    a, b, _ = inspection.profile.columns
    assert (a.type, a.distinct, b.type) == ("category", 3, "number")
    assert {top.value: top.count for top in a.top} == {"1.0": rows, "1": rows, "one": 1}
    table = read(tmp_path / "upload", inspection.description)
    assert table["a"].to_pylist()[-2:] == ["1", "one"]


@pytest.mark.usefixtures("small_blocks")
def test_a_blank_around_a_missing_word_far_down_changes_no_type(
    inspect_text: Inspect, tmp_path: Path
) -> None:
    inspection = inspect_text("a,y\n" + "".join(f"1,0\n{n},1\n" for n in range(3000)) + " NA ,1\n")
    column = inspection.profile.columns[0]
    assert (column.type, column.missing) == ("number", 1)
    assert read(tmp_path / "upload", inspection.description)["a"].null_count == 1


@pytest.mark.usefixtures("small_blocks")
def test_a_column_that_starts_empty_is_typed_by_its_first_values(inspect_text: Inspect) -> None:
    inspection = inspect_text(
        "a,b,y\n" + "".join(f",1,0\n,{n},1\n" for n in range(3000)) + "2024-01-01,1,1\n"
    )
    column = inspection.profile.columns[0]
    assert (column.type, column.missing, column.minimum) == ("date", 6000, "2024-01-01")


@pytest.mark.parametrize(
    ("declared", "expected", "received"),
    [
        ("number", "a finite number", "b"),
        ("boolean", "true, false, yes, no, t, f, 1 or 0", "b"),
        ("date", "an ISO 8601 date or timestamp", "b"),
    ],
)
def test_a_cell_that_is_not_of_the_declared_type_is_refused_with_its_place(
    refuse_text: Refuse, declared: str, expected: str, received: str
) -> None:
    good = {"number": "1", "boolean": "1", "date": "2024-01-01"}[declared]
    text = f'a,c,y\n1,"{good}\n",0\n2,{good},1\n\n3, b,0\n'
    error = refuse_text(text, types={"c": declared})
    assert error.code == "wrong_type"
    assert f"Expected {expected}" in error.message
    assert f"in column c. Received: {received} in row 3." in error.message
    place = error.errors[0]
    assert (place["row"], place["line"], place["column"], place["received"]) == (3, 6, "c", received)


@pytest.mark.parametrize("cell", ["1e999", "inf", "-Infinity"])
def test_a_number_that_is_not_finite_is_refused_with_its_row(
    refuse_text: Refuse, inspect_text: Inspect, cell: str
) -> None:
    text = f"a,y\n1,0\n2,1\n3,0\n4,0\n5,1\n6,1\n{cell},1\nNA,0\n"
    error = refuse_text(text)
    assert error.code == "infinite_number"
    assert f"Received: {cell} in row 7." in error.message
    (missing,) = re.findall(r"send `-F 'missing=(.*)'`", str(error.hint))
    profile = inspect_text(text, missing=json.loads(missing)).profile.columns[0]
    assert (profile.type, profile.missing) == ("number", 2)


def test_types_of_columns_that_are_not_there_are_refused(refuse_text: Refuse) -> None:
    error = refuse_text(TEXT, types={"age": "number"})
    assert (error.code, "Received: types of age." in error.message) == ("unknown_column", True)


def test_a_declared_type_wins(inspect_text: Inspect, tmp_path: Path) -> None:
    inspection = inspect_text(
        "zip,on,y\n01234,1,0\n00501,0,1\n" + "0123,1,0\n01,0,0\n00501,0,1\n" * 3,
        types={"zip": "category", "on": "boolean"},
    )
    assert [column.type for column in inspection.description.columns[:2]] == ["category", "boolean"]
    table = read(tmp_path / "upload", inspection.description)
    assert table.slice(0, 2).to_pylist() == [
        {"zip": "01234", "on": True, "y": "0"},
        {"zip": "00501", "on": False, "y": "1"},
    ]


def test_a_description_survives_json_and_reads_the_same(inspect_text: Inspect, tmp_path: Path) -> None:
    description = inspect_text(TEXT).description
    again = Description.model_validate_json(description.model_dump_json())
    path = tmp_path / "upload"
    assert read(path, again).equals(read(path, description))
