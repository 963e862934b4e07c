from __future__ import annotations

import gzip
from collections.abc import Callable

import pytest

from app.datasets.reading.errors import DatasetError
from app.datasets.reading.formats.dialect import SAMPLE
from app.datasets.reading.profile import Inspection

Inspect = Callable[..., Inspection]
Refuse = Callable[..., DatasetError]

ROWS = "a{0}city{0}y\n" + "".join(f"{n}{{0}}Paris{{0}}x\n2{{0}}Rome{{0}}z\n" for n in (1, 3, 5))


def columns(inspection: Inspection) -> list[tuple[str, str, str]]:
    return [(column.name, column.type, column.role) for column in inspection.description.columns]


READ = [("a", "number", "feature"), ("city", "category", "feature"), ("y", "category", "label")]


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_the_delimiter_is_found(inspect_text: Inspect, delimiter: str) -> None:
    inspection = inspect_text(ROWS.format(delimiter))
    assert inspection.description.options.delimiter == delimiter
    assert columns(inspection) == READ


def test_commas_in_cells_of_a_file_of_semicolons_are_no_delimiters(inspect_text: Inspect) -> None:
    inspection = inspect_text("a;b;y\n" + "1,5;x,y;0\n2,5;z;1\n" * 3 + "3,5;x;0\n4,5;w;0\n")
    assert inspection.description.options.delimiter == ";"
    assert inspection.preview[0] == {"a": "1,5", "b": "x,y", "y": 0}


def test_a_declared_delimiter_wins(inspect_text: Inspect) -> None:
    inspection = inspect_text("a,b:y\n" + "1,2:0\n3,4:1\n5,6:0\n7,8:0\n", delimiter=":")
    assert inspection.description.options.columns == ["a,b", "y"]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32"])
def test_unicode_encodings_are_found(inspect_text: Inspect, encoding: str) -> None:
    inspection = inspect_text(ROWS.format(",").replace("Rome", "Köln").encode(encoding))
    assert inspection.preview[1]["city"] == "Köln"
    assert columns(inspection) == READ
    assert "encoding_guessed" not in {notice.code for notice in inspection.warnings}


def test_a_few_bytes_of_an_old_encoding_are_read_as_cp1252_with_a_notice(inspect_text: Inspect) -> None:
    inspection = inspect_text(ROWS.format(",").replace("Rome", "Köln").encode("cp1252"))
    assert inspection.preview[1]["city"] == "Köln"
    notice = next(notice for notice in inspection.warnings if notice.code == "encoding_guessed")
    assert "read as cp1252, a guess" in notice.message


def test_much_text_of_another_encoding_is_recognised(inspect_text: Inspect) -> None:
    text = "Быстрая коричневая лиса перепрыгивает через ленивую собаку и бежит дальше в лес"
    rows = "".join(f"{text} номер {n},{'да' if n % 2 else 'нет'}\n" for n in range(40))
    inspection = inspect_text(("text,y\n" + rows).encode("cp1251"))
    assert inspection.preview[0]["text"] == f"{text} номер 0"


def test_a_declared_encoding_wins(inspect_text: Inspect) -> None:
    inspection = inspect_text(ROWS.format(",").replace("Rome", "Łódź").encode("cp1250"), encoding="cp1250")
    assert inspection.preview[1]["city"] == "Łódź"
    assert "encoding_guessed" not in {notice.code for notice in inspection.warnings}


def test_bytes_that_are_not_of_the_declared_encoding_are_refused(refuse_text: Refuse) -> None:
    error = refuse_text(ROWS.format(",").replace("Rome", "Köln").encode("cp1252"), encoding="utf-8")
    assert error.code == "not_text"
    assert "Expected text in utf-8" in error.message
    assert "near byte 23" in error.message


def test_an_unknown_encoding_is_refused(refuse_text: Refuse) -> None:
    error = refuse_text(ROWS.format(","), encoding="klingon")
    assert (error.code, "Received: klingon" in error.message) == ("unknown_encoding", True)


def test_gzip_is_unpacked(inspect_text: Inspect) -> None:
    inspection = inspect_text(gzip.compress(ROWS.format(",").encode()), "data.csv.gz")
    assert inspection.description.options.compression == "gzip"
    assert columns(inspection) == READ


def test_a_cut_off_gzip_file_is_refused(refuse_text: Refuse) -> None:
    error = refuse_text(gzip.compress(ROWS.format(",").encode())[:12], "data.csv.gz")
    assert error.code == "broken_file"


def test_quotes_hold_delimiters_newlines_and_quotes(inspect_text: Inspect) -> None:
    inspection = inspect_text('text,y\n"a, ""b""\nc",1\nd,0\n' + "e,1\nf,0\n" * 3)
    assert inspection.preview[0] == {"text": 'a, "b"\nc', "y": 1}
    assert inspection.description.rows == 8


def test_single_quotes_are_found(inspect_text: Inspect) -> None:
    inspection = inspect_text("'text','y'\n" + "'a, b','1'\n'c','0'\n'd','0'\n'e','0'\n")
    assert inspection.preview[0] == {"text": "a, b", "y": 1}


@pytest.mark.parametrize("newline", ["\n", "\r\n", "\r"])
def test_any_newline_ends_a_row(inspect_text: Inspect, newline: str) -> None:
    inspection = inspect_text(ROWS.format(",").replace("\n", newline))
    assert (inspection.description.rows, columns(inspection)) == (6, READ)


def test_words_for_missing_and_blanks_around_cells_are_understood(inspect_text: Inspect) -> None:
    inspection = inspect_text("a, b ,y\n" + "1 , x,0\n NA ,?, 1\n,N/A,0\n4,null,1\nNone, ,0\nNaN,x ,1\n")
    a, b, _ = inspection.profile.columns
    assert (a.type, a.missing, a.maximum) == ("number", 4, 4.0)
    assert (b.name, b.missing, b.top[0].value, b.top[0].count) == ("b", 4, "x", 2)
    assert inspection.profile.missing_cells == 8


def test_ragged_rows_are_refused_with_their_numbers_and_lines(refuse_text: Refuse) -> None:
    error = refuse_text('a,b,y\n1,"2\n",0\n\n3,4\n5,6,1\n7,8,9,1\n')
    assert error.code == "ragged_row"
    assert "Expected 3 cells in every row, as in the header. Received: 2 in row 2 (line 5)" in error.message
    assert error.errors == [
        {"row": 2, "line": 5, "column": None, "expected": "3 cells", "received": "2 cells: 3,4"},
        {"row": 4, "line": 7, "column": None, "expected": "3 cells", "received": "4 cells: 7,8,9,1"},
    ]


@pytest.mark.usefixtures("small_blocks")
def test_a_ragged_row_after_many_good_ones_is_refused_with_its_number(refuse_text: Refuse) -> None:
    error = refuse_text("a,y\n" + "0.25,1\n" * 9000 + "1,2,3\n")
    assert (error.errors[0]["row"], error.errors[0]["line"]) == (9001, 9002)


@pytest.mark.usefixtures("small_blocks")
def test_a_quote_that_never_closes_is_refused(refuse_text: Refuse) -> None:
    error = refuse_text('a,y\n1,0\n2,"1\n3,0\n')
    assert error.code == "unclosed_quote"
    assert "a quote that opens and does not close" in error.message
    assert "in row 2, which begins on line 3" in error.message
    assert refuse_text('a,y\n"1,0\n' + "2,1\n" * 9).code == "unclosed_quote"
    error = refuse_text('a,y\n1,"0\n' + "2,1\n" * 9000)
    assert error.code == "unclosed_quote"
    assert (error.errors[0]["row"], error.errors[0]["line"]) == (1, 2)


def test_a_ragged_row_with_a_quote_within_a_cell_is_no_unclosed_quote(refuse_text: Refuse) -> None:
    error = refuse_text('a,y\n1,0\n5" wide,1,2\n2,1\n')
    assert error.code == "ragged_row"
    assert error.errors[0]["row"] == 2


def test_a_last_cell_with_a_newline_in_its_quotes_is_no_unclosed_quote(inspect_text: Inspect) -> None:
    assert inspect_text("y,a\n" + "0,b\n1,c\n0,d\n1,f\n0,g\n1,h\n" + '1,"e\n"').description.rows == 7


@pytest.mark.usefixtures("small_blocks")
@pytest.mark.parametrize("newline", ["\n", "\r\n", "\r"])
def test_rows_of_many_blocks_stay_in_their_order(inspect_text: Inspect, newline: str) -> None:
    rows = [f"{n},{n % 2}" for n in range(9000)]
    inspection = inspect_text(newline.join(["n,y", *rows]))
    assert (inspection.description.rows, inspection.profile.columns[0].maximum) == (9000, 8999)
    assert "it counts up by 1" in inspection.warnings[-1].message


@pytest.mark.usefixtures("small_blocks")
def test_quotes_after_many_rows_without_hold_newlines_and_delimiters(inspect_text: Inspect) -> None:
    inspection = inspect_text('"text","y"\n' + "abc,0\nde,1\n" * 3000 + '"f,\n""g""",1\n' * 900 + "i,0\nh,0")
    assert inspection.description.rows == 6902
    counts = {value.value: value.count for value in inspection.profile.columns[0].top}
    assert counts == {"abc": 3000, "de": 3000, 'f,\n"g"': 900, "h": 1, "i": 1}


@pytest.mark.usefixtures("small_blocks")
def test_a_header_of_several_lines_is_no_row(inspect_text: Inspect) -> None:
    inspection = inspect_text('"a\nb","y"\n' + "1,0\n2,1\n3,0\n4,0\n" * 1500)
    assert (inspection.description.options.columns, inspection.description.rows) == (["a\nb", "y"], 6000)


HEAD = "city,n,y\n" + "Paris,1,0\nRome,2,1\nParis,3,0\nRome,4,1\n" * (SAMPLE // 36)
"""Rows of more than what is looked at first."""


def test_a_quote_that_first_comes_late_is_one(inspect_text: Inspect) -> None:
    inspection = inspect_text(HEAD + '"Frankfurt, Main",3,0\n')
    assert inspection.description.options.quote == '"'
    assert inspection.profile.columns[0].top[-1].value == "Frankfurt, Main"


def test_an_encoding_that_first_shows_late_is_guessed(inspect_text: Inspect) -> None:
    inspection = inspect_text((HEAD + "Köln,3,0\n").encode("cp1252"))
    assert inspection.description.options.encoding == "cp1252"
    assert inspection.profile.columns[0].top[-1].value == "Köln"


def test_a_late_character_that_is_cut_off_is_no_utf8(inspect_text: Inspect) -> None:
    inspection = inspect_text((HEAD + "Roma,3,0\nKö").encode()[:-1] + b",1,1\n")
    assert inspection.description.options.encoding == "cp1252"


def test_a_late_nul_is_refused(refuse_text: Refuse) -> None:
    error = refuse_text(HEAD + "Ro\0me,3,0\n")
    assert (error.code, f"near byte {len(HEAD) + 3}" in error.message) == ("not_text", True)


@pytest.mark.parametrize(("row", "code"), [("Rome,x,0", "wrong_type"), ("Rome,1,0,0", "ragged_row")])
def test_a_late_fault_is_refused_with_its_row_and_line(refuse_text: Refuse, row: str, code: str) -> None:
    error = refuse_text(HEAD + row + "\n", types={"n": "number"})
    number = HEAD.count("\n")
    assert (error.code, error.errors[0]["row"], error.errors[0]["line"]) == (code, number, number + 1)


def test_a_blank_column_name_is_refused(refuse_text: Refuse) -> None:
    error = refuse_text("a,,y\n1,2,0\n3,4,1\n")
    assert (error.code, error.errors[0]["column"]) == ("blank_column_name", "2")
    assert "Received: none for column 2" in error.message


def test_duplicate_column_names_are_refused(refuse_text: Refuse) -> None:
    error = refuse_text("a,b,a\n1,2,0\n")
    assert (error.code, error.errors[0]["column"]) == ("duplicate_column_name", "a")
    assert "a for columns 1 and 3" in error.message


def test_a_file_without_a_header_is_refused(refuse_text: Refuse) -> None:
    error = refuse_text("1,2.5\n3,4\n")
    assert error.code == "no_header"
    assert "only numbers (1,2.5)" in error.message
    assert error.hint == "Add a header line with the names of the columns."


@pytest.mark.parametrize("text", ["a,y\n", "a,y", "a,y\n\n\n"])
def test_a_header_without_rows_is_refused(refuse_text: Refuse, text: str) -> None:
    assert refuse_text(text).code == "no_rows"


def test_a_tsv_file_without_tabs_is_refused(refuse_text: Refuse) -> None:
    error = refuse_text("a,y\n1,0\n2,1\n", "data.tsv")
    assert error.code == "not_what_it_says"
    assert "Expected TSV, columns between tabs. Received: a first line without one (a,y)" in error.message
