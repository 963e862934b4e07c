from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from app.datasets.reading.errors import DatasetError
from app.datasets.reading.profile import Inspection
from app.datasets.reading.table import read

Inspect = Callable[..., Inspection]
Refuse = Callable[..., DatasetError]
ROWS = "".join(f"{n / 4};{n * 29 % 53};{'ab'[n % 2]}\n" for n in range(12))


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
@pytest.mark.parametrize(
    ("before", "lines"),
    [
        ("sep=;\r\n", ["sep=;"]),
        ('"sep=;"\n', ['"sep=;"']),
        ("# by sensor 7\n# in: C, hPa\n", ["# by sensor 7", "# in: C, hPa"]),
    ],
)
def test_what_stands_before_the_header_is_passed_over_and_told(
    inspect_text: Inspect, tmp_path: Path, before: str, lines: list[str], encoding: str
) -> None:
    inspection = inspect_text((before + "t;p;y\n" + ROWS).encode(encoding))
    assert inspection.description.options.before == lines
    assert "lines_passed_over" in [notice.code for notice in inspection.warnings]
    table = read(tmp_path / "upload", inspection.description)
    assert table.column_names == ["t", "p", "y"]
    assert table["t"].to_pylist() == [n / 4 for n in range(12)]


def test_a_row_is_found_on_its_line_behind_them(refuse_text: Refuse) -> None:
    error = refuse_text("# by sensor 7\nt;p;y\n" + ROWS + "1;2\n")
    assert (error.code, error.errors[0]["row"], error.errors[0]["line"]) == ("ragged_row", 13, 15)


def test_a_header_that_begins_with_the_sign_of_comments_is_the_header(inspect_text: Inspect) -> None:
    assert inspect_text("#t;p;y\n" + ROWS).description.options.columns == ["#t", "p", "y"]


@pytest.mark.parametrize("title", ["Report;March 2024;\n", "Report\n", "Report;;\n;;\n"])
def test_a_title_is_refused_with_the_line_of_the_names(refuse_text: Refuse, title: str) -> None:
    error = refuse_text(title + "t;p;y\n" + ROWS)
    assert error.code == "title_line"
    assert error.hint == f"Delete the lines above line {title.count(chr(10)) + 1}."


@pytest.mark.parametrize("header", ["t;p;y;", "t;p;y"])
def test_delimiters_at_the_ends_of_lines_make_a_column_that_is_left_out(
    inspect_text: Inspect, tmp_path: Path, header: str
) -> None:
    inspection = inspect_text(f"{header}\n" + ROWS.replace("\n", ";\n"))
    assert inspection.description.columns[3].role == "ignored"
    assert [n.column for n in inspection.warnings if n.code == "empty_column"] == ["Unnamed: 3"]
    assert read(tmp_path / "upload", inspection.description).column_names == ["t", "p", "y"]


def test_a_column_without_a_name_that_has_values_is_refused(refuse_text: Refuse) -> None:
    late = ROWS.replace("\n", ";\n") + "1;2;a;late\n"
    assert refuse_text("t;p;y;\n" + late).code == "blank_column_name"
    assert refuse_text(";p;y\n" + ROWS.replace("0.25", "0.5")).code == "blank_column_name"
    assert refuse_text("t;;y\n" + ROWS).code == "blank_column_name"


@pytest.mark.parametrize("name", ["", "Unnamed: 0", "__index_level_0__"])
@pytest.mark.parametrize("first", [0, 1])
def test_the_index_of_pandas_is_left_out_unless_its_type_is_declared(
    inspect_text: Inspect, tmp_path: Path, name: str, first: int
) -> None:
    text = f"{name};t;p;y\n" + "".join(f"{n + first};{row}\n" for n, row in enumerate(ROWS.splitlines() * 3))
    inspection = inspect_text(text)
    called = name or "Unnamed: 0"
    notice = next(notice for notice in inspection.warnings if notice.code == "index_left_out")
    assert (notice.column, inspection.description.columns[0].role) == (called, "ignored")
    assert "duplicate_rows" in [notice.code for notice in inspection.warnings]
    assert read(tmp_path / "upload", inspection.description).column_names == ["t", "p", "y"]
    assert inspect_text(text, types={called: "number"}).description.columns[0].role == "feature"


def test_a_header_of_more_than_the_sample_is_read(inspect_text: Inspect) -> None:
    names = [f"column_{n:04}_{'x' * 60}" for n in range(5000)]
    text = (
        ",".join([*names, "y"])
        + "\n"
        + "".join(",".join([str(n)] * 5000 + ["ab"[n % 2]]) + "\n" for n in range(8))
    )
    assert len(inspect_text(text).description.columns) == 5001


def test_too_many_columns_are_said_to_be_that(refuse_text: Refuse) -> None:
    text = ",".join(f"c{n}" for n in range(100_000)) + "\n" + ",".join(["1"] * 100_000) + "\n"
    error = refuse_text(text)
    assert (error.code, "Received: 100000" in error.message) == ("too_many_columns", True)


def test_a_first_line_without_end_is_said_to_be_too_long(refuse_text: Refuse) -> None:
    assert refuse_text("a" * (65 << 20)).code == "line_too_long"


@pytest.mark.parametrize(
    "title", ["Report; Q1; all regions", "Report;Q1;all;regions\n", "// by me; on Monday"]
)
def test_a_title_with_delimiters_is_refused_with_the_line_of_the_names(
    refuse_text: Refuse, title: str
) -> None:
    rows = "".join(f"{n},5;n{n % 7};a b;{'ab'[n % 2]}\n" for n in range(20))
    error = refuse_text(f"{title}\namount;name;note;y\n{rows}")
    line = 3 if title.endswith("\n") else 2
    assert (error.code, error.hint) == ("title_line", f"Delete the lines above line {line}.")


@pytest.mark.parametrize(("line", "sign"), [("sep=\t", "\t"), ("sep=;", ","), ("sep=,", ";")])
def test_the_named_separator_is_used_where_the_file_has_it(
    inspect_text: Inspect, line: str, sign: str
) -> None:
    rows = f"t;p;y\n{ROWS}".replace(";", sign)
    options = inspect_text(f"{line}\n{rows}").description.options
    assert options.columns == ["t", "p", "y"]


def test_a_comment_among_the_rows_is_refused_with_its_line(refuse_text: Refuse) -> None:
    error = refuse_text("a,b,y\n1,2,0\n# again, later\n3,4,1\n")
    assert (error.code, "Line 3 looks like a comment: delete it." in str(error.hint)) == ("ragged_row", True)
