"""Numbers and dates that are written otherwise: told, and read as meant once what is told is sent."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Callable
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest

from app.datasets.reading.errors import DatasetError
from app.datasets.reading.profile import Inspection, Notice
from app.datasets.reading.table import read
from app.datasets.schemas import REPEATABLE, DatasetForm

Inspect = Callable[..., Inspection]
Refuse = Callable[..., DatasetError]

ROWS = 60
VALUES = [round((n * 37 % 101 - 50) * 331.25, 2) for n in range(ROWS)]
DAYS = [date(2023, 1, 1) + timedelta(days=n * 37 % 731) for n in range(ROWS)]


def table(cells: list[str], name: str = "v") -> str:
    """A column of cells beside noise and a balanced label, in semicolons."""
    rows = (f"{cell};{n * 29 % 53};{'ab'[n % 2]}" for n, cell in enumerate(cells))
    return f"{name};w;y\n" + "\n".join(rows) + "\n"


def grouped(value: float, thousands: str = ",", decimal: str = ".") -> str:
    text = f"{value:,.2f}"
    return text.translate({ord(","): thousands, ord("."): decimal})


def printed(notice: Notice) -> dict[str, Any]:
    """The fields of the first command line in a message, as the service reads them from a form."""
    words = shlex.split(re.findall(r"`((?:-F|--form-string) .*?)`", notice.message)[0])
    given: dict[str, list[str]] = {}
    for field in words[1::2]:
        name, _, value = field.partition("=")
        given.setdefault(name, []).append(value)
    assert given == {name: [value] for name, value in (notice.send or {}).items()}
    fields = {name: of if name in REPEATABLE else of[0] for name, of in given.items()}
    return DatasetForm.model_validate(fields).declaration().model_dump(exclude_defaults=True)


WAYS: dict[str, tuple[Callable[[int], str], str]] = {
    "decimal comma": (lambda n: str(VALUES[n]).replace(".", ","), "decimal_comma"),
    "decimal comma, some whole": (
        lambda n: str(VALUES[n]).replace(".", ",") if n % 3 else str(int(VALUES[n])), "decimal_comma"
    ),
    "thousands": (lambda n: grouped(VALUES[n]), "mostly_numbers"),
    "German": (lambda n: grouped(VALUES[n], ".", ","), "decimal_comma"),
    "Swiss": (lambda n: grouped(VALUES[n], "'"), "mostly_numbers"),
    "French": (lambda n: grouped(VALUES[n], "\u202f", ","), "decimal_comma"),
    "dollars": (lambda n: f"${grouped(VALUES[n])}", "mostly_numbers"),
    "minus before the dollar": (
        lambda n: f"-${-VALUES[n]:.2f}" if VALUES[n] < 0 else f"${VALUES[n]}", "mostly_numbers"
    ),
    "euros": (lambda n: f"{VALUES[n]} €", "mostly_numbers"),
    "percent": (lambda n: f"{VALUES[n]}%", "mostly_numbers"),
    "kilograms": (lambda n: f"{VALUES[n]} kg", "mostly_numbers"),
    "typographic minus": (lambda n: str(VALUES[n]).replace("-", "\u2212"), "mostly_numbers"),
    "no-break space": (lambda n: f"\u00a0{VALUES[n]}", "mostly_numbers"),
    "parentheses": (lambda n: f"({-VALUES[n]})" if VALUES[n] < 0 else str(VALUES[n]), "mostly_numbers"),
    "one percent": (lambda n: f"{VALUES[n]} %" if n == 7 else str(VALUES[n]), "mostly_numbers"),
    "one amount": (lambda n: f"${grouped(VALUES[n])}" if n == 7 else str(VALUES[n]), "mostly_numbers"),
    "one minus": (lambda n: "\u22125" if n == 7 else str(VALUES[n]), "mostly_numbers"),
}  # fmt: skip
ODD = ("unknown", "-", ".", "<0.5", "#DIV/0!", "Total", "float", "12:30", "n.a.", "12,5", "1.2.3", "it's")
DATES: dict[str, Callable[[date], str]] = {
    "%d.%m.%Y": lambda d: f"{d:%d.%m.%Y}",
    "%m/%d/%Y": lambda d: f"{d.month}/{d.day}/{d.year}",
    "%Y/%m/%d": lambda d: f"{d:%Y/%m/%d}",
    "%Y%m%d": lambda d: f"{d:%Y%m%d}",
    "%d-%b-%Y": lambda d: f"{d:%d-%b-%Y}",
    "%B %d, %Y": lambda d: f"{d:%B} {d.day}, {d.year}",
    "%Y-%m-%d %H:%M:%S UTC": lambda d: f"{d} 00:00:00 UTC",
    "%Y-%m-%d %I:%M %p": lambda d: f"{d} 12:00 AM",
    "%d/%m/%y": lambda d: f"{d:%d/%m/%y}",
    "%a %b %d %H:%M:%S %Y": lambda d: f"{d:%a %b %d 00:00:00 %Y}",
    "%a, %d %b %Y %H:%M:%S %z": lambda d: f"{d:%a, %d %b %Y} 00:00:00 +0000",
    "%A, %B %d, %Y": lambda d: f"{d:%A, %B} {d.day}, {d.year}",
    "%Y%m%dT%H%M%S": lambda d: f"{d:%Y%m%d}T000000",
}


def of_column(inspection: Inspection, column: str) -> list[Notice]:
    codes = ("decimal_comma", "mostly_numbers", "mostly_dates", "numbers_as_text")
    return [notice for notice in inspection.warnings if notice.column == column and notice.code in codes]


@pytest.mark.parametrize("way", WAYS)
def test_numbers_written_otherwise_are_told_and_read_once_that_is_sent(
    way: str, inspect_text: Inspect, tmp_path: Path
) -> None:
    write, code = WAYS[way]
    text = table([write(n) for n in range(ROWS)])
    first = inspect_text(text)
    (notice,) = of_column(first, "v")
    assert (notice.code, first.description.columns[0].type) == (code, "category")
    second = inspect_text(text, **printed(notice))
    assert of_column(second, "v") == []
    expected = VALUES if way != "one minus" else [*VALUES[:7], -5.0, *VALUES[8:]]
    if way == "decimal comma, some whole":
        expected = [value if n % 3 else float(int(value)) for n, value in enumerate(VALUES)]
    assert read(tmp_path / "upload", second.description)["v"].to_pylist() == expected


@pytest.mark.parametrize("odd", ODD)
def test_an_odd_cell_among_numbers_is_told_with_its_rows_and_what_to_send(
    odd: str, inspect_text: Inspect, tmp_path: Path
) -> None:
    text = table(["NA" if n == 3 else odd if n in (7, 40) else str(value) for n, value in enumerate(VALUES)])
    first = inspect_text(text)
    (notice,) = of_column(first, "v")
    assert (notice.code, notice.rows) == ("mostly_numbers", [8, 41])
    assert f"{odd!r} (rows 8, 41)" in notice.message
    second = inspect_text(text, **printed(notice))
    assert of_column(second, "v") == []
    expected = [None if n in (3, 7, 40) else value for n, value in enumerate(VALUES)]
    assert read(tmp_path / "upload", second.description)["v"].to_pylist() == expected


@pytest.mark.parametrize("form", DATES)
def test_dates_written_otherwise_are_told_and_read_once_that_is_sent(
    form: str, inspect_text: Inspect, tmp_path: Path
) -> None:
    text = table([DATES[form](day) for day in DAYS], "day")
    (notice,) = of_column(inspect_text(text), "day")
    assert (notice.code, json.loads((notice.send or {})["date_format"])) == ("mostly_dates", {"day": form})
    second = inspect_text(text, **printed(notice))
    assert read(tmp_path / "upload", second.description)["day"].to_pylist() == [str(day) for day in DAYS]


def test_dates_with_names_of_months_alone_beside_the_label_are_no_texts(inspect_text: Inspect) -> None:
    text = "when\ty\n" + "".join(f"{day:%B %d, %Y}\t{'ab'[n % 2]}\n" for n, day in enumerate(DAYS))
    inspection = inspect_text(text, "a.tsv")
    assert inspection.description.kind == "tabular"
    assert [notice.code for notice in of_column(inspection, "when")] == ["mostly_dates"]


def test_an_odd_date_is_told_and_missing_once_that_is_sent(inspect_text: Inspect, tmp_path: Path) -> None:
    text = table(["soon" if n == 5 else str(day) for n, day in enumerate(DAYS)], "day")
    (notice,) = of_column(inspect_text(text), "day")
    assert (notice.code, notice.rows) == ("mostly_dates", [6])
    days = read(tmp_path / "upload", inspect_text(text, **printed(notice)).description)["day"]
    assert days.to_pylist() == [None if n == 5 else str(day) for n, day in enumerate(DAYS)]


def test_several_odd_ways_in_one_column_are_all_told(inspect_text: Inspect, tmp_path: Path) -> None:
    odd = {3: "n.d.", 9: "12 %", 21: "1,234.5", 30: "5 kg", 44: "~5", 59: "Total"}
    text = table([odd.get(n, str(value)) for n, value in enumerate(VALUES)])
    (notice,) = of_column(inspect_text(text), "v")
    second = inspect_text(text, **printed(notice))
    values = read(tmp_path / "upload", second.description)["v"].to_pylist()
    assert [value for n, value in enumerate(values) if n not in odd] == [
        value for n, value in enumerate(VALUES) if n not in odd
    ]
    assert [values[n] for n in odd] == [None, None, 1234.5, 5.0, None, None]


@pytest.mark.parametrize("impossible", ["0000-00-00", "2024-02-30", "2024-13-01", "2023-04-01 24:30"])
def test_a_day_that_the_calendar_lacks_is_told(
    inspect_text: Inspect, tmp_path: Path, impossible: str
) -> None:
    text = table([impossible if n == 50 else str(day) for n, day in enumerate(DAYS)], "day")
    (notice,) = of_column(inspect_text(text), "day")
    assert (notice.code, notice.rows) == ("mostly_dates", [51])
    days = read(tmp_path / "upload", inspect_text(text, **printed(notice)).description)["day"]
    assert days.to_pylist() == [None if n == 50 else str(day) for n, day in enumerate(DAYS)]


def test_one_typographic_minus_far_down_is_told(inspect_text: Inspect) -> None:
    cells = [f"{n * 7919 % 10_007 / 8}" for n in range(900)]
    cells[700] = "\u22125.5"
    (notice,) = of_column(inspect_text(table(cells)), "v")
    assert notice.rows == [701]


@pytest.mark.parametrize("write", ["{} {unit}".format, "{}-".format])
def test_a_unit_is_offered_only_if_it_explains_the_cells(
    inspect_text: Inspect, write: Callable[..., str]
) -> None:
    cells = [write(abs(value), unit=("kg", "lb")[n % 2]) for n, value in enumerate(VALUES)]
    assert not any("unit" in (told.send or {}) for told in of_column(inspect_text(table(cells)), "v"))


def test_a_refused_cell_is_never_answered_with_an_option_that_takes_another_back(
    refuse_text: Refuse,
) -> None:
    text = table(["1,234.5" if n == 7 else f"{value} kg" for n, value in enumerate(VALUES)])
    error = refuse_text(text, unit={"v": "kg"})
    assert error.hint == 'Send `-F \'thousands={"v": ","}\'`.'


def test_days_before_months_and_months_before_days_are_both_named_where_either_fits(
    inspect_text: Inspect,
) -> None:
    text = table([f"0{n % 9 + 1}/0{n % 7 + 1}/2024" for n in range(ROWS)], "day")
    (notice,) = of_column(inspect_text(text), "day")
    assert "%d/%m/%Y" in notice.message
    assert 'send `-F \'date_format={"day": "%m/%d/%Y"}\'` instead' in notice.message


@pytest.mark.parametrize(
    "names",
    ["red green blue", "A12 B7 C9", "12a 13b 9c", "cust07 cust08", "10k 3M 2k", "1st 2nd 3rd", "S M 42"],
)
def test_names_and_codes_are_no_numbers(inspect_text: Inspect, names: str) -> None:
    cells = names.split()
    text = table([cells[n * 7 % len(cells)] for n in range(ROWS)])
    assert of_column(inspect_text(text, label="y"), "v") == []


def test_a_declared_category_is_not_told(inspect_text: Inspect) -> None:
    text = table(["x" if n == 5 else str(value) for n, value in enumerate(VALUES)])
    assert of_column(inspect_text(text, types={"v": "category"}), "v") == []


def test_the_odd_cells_of_a_large_column_are_found_behind_its_first_batch(
    inspect_text: Inspect, small_blocks: None
) -> None:
    cells = [f"{n * 7919 % 10_007 / 8}" for n in range(3000)]
    cells[2500], cells[2900] = "unknown", "?"
    (notice,) = of_column(inspect_text(table(cells)), "v")
    assert notice.rows == [2501]
    assert "'unknown' (row 2501)" in notice.message
    assert (notice.send or {})["missing"] == '{"v": ["?", "unknown"]}'


def test_a_label_of_decimal_commas_says_so_where_it_is_refused(
    refuse_text: Refuse, inspect_text: Inspect
) -> None:
    text = "x;preis\n" + "".join(f"{n};{n * 37 % 101},{n % 10}5\n" for n in range(ROWS))
    error = refuse_text(text, label="preis")
    assert (error.code, "decimal comma" in str(error.hint)) == ("label_is_text", True)
    assert 'decimal={"preis": ","}' in str(error.hint)
    assert inspect_text(text, label="preis", decimal=",").description.task == "regression"


def test_text_numbers_of_json_lines_are_told_without_a_word_of_commas(
    inspect_text: Inspect, tmp_path: Path
) -> None:
    text = "".join(f'{{"x": "{n * 37 % 101}.00", "y": "{"ab"[n % 2]}"}}\n' for n in range(ROWS))
    (notice,) = of_column(inspect_text(text, "a.jsonl"), "x")
    assert (notice.code, "comma" in notice.message) == ("numbers_as_text", False)
    second = inspect_text(text, "a.jsonl", **printed(notice))
    assert read(tmp_path / "upload", second.description)["x"].to_pylist()[1] == 37.0


@pytest.mark.parametrize(
    ("cell", "code", "became"), [("007", "leading_zeros", "7"), ("1E5", "exponents", "100000")]
)
def test_codes_that_became_numbers_are_told(
    inspect_text: Inspect, tmp_path: Path, cell: str, code: str, became: str
) -> None:
    text = table([cell if n in (2, 9) else str(n * 37 % 101) for n in range(ROWS)])
    notice = next(notice for notice in inspect_text(text).warnings if notice.code == code)
    assert (notice.column, notice.rows) == ("v", [3, 10])
    assert f"{cell} became {became}" in notice.message
    second = inspect_text(text, **printed(notice))
    assert read(tmp_path / "upload", second.description)["v"].to_pylist()[2] == cell


def test_a_word_for_missing_that_is_a_class_is_named_with_its_rows(
    inspect_text: Inspect, tmp_path: Path
) -> None:
    text = "x,y\n" + "".join(f"{n * 29 % 53},{('None', 'Apnea', 'Insomnia')[n % 3]}\n" for n in range(30))
    first = inspect_text(text)
    notice = next(notice for notice in first.warnings if notice.code == "missing_words")
    assert first.description.classes == ["Apnea", "Insomnia"]
    assert "'None' (rows 1, 4, 7, 10, 13 and 5 more); these rows have no label" in notice.message
    assert inspect_text(text, **printed(notice)).description.classes == ["Apnea", "Insomnia", "None"]


def test_a_column_of_words_for_missing_alone_is_told_with_what_to_send(
    inspect_text: Inspect, refuse_text: Refuse
) -> None:
    text = "x,v,y\n" + "".join(
        f"{n * 29 % 53},{('None', 'NA')[n % 2]},{'ab'[n % 3 > 0]}\n" for n in range(30)
    )
    (notice,) = [notice for notice in inspect_text(text).warnings if notice.code == "empty_column"]
    assert inspect_text(text, **printed(notice)).description.columns[1].role == "feature"
    assert 'missing={"v": []}' in str(refuse_text(text, ignore=["x"]).hint)


def test_texts_that_are_codes_are_not_told_to_be_numbers(inspect_text: Inspect) -> None:
    codes = ("02134", "10001", "90210")
    text = "".join(
        f'{{"x": "{codes[n % 3]}", "n": {n * 37 % 61}, "y": "{"ab"[n % 2]}"}}\n' for n in range(ROWS)
    )
    assert of_column(inspect_text(text, "a.jsonl"), "x") == []


def test_a_label_of_01_and_1_is_refused_with_the_type_that_keeps_them_apart(
    refuse_text: Refuse, inspect_text: Inspect
) -> None:
    text = "x,y\n" + "".join(f"{n * 29 % 53},{('01', '1')[n % 2]}\n" for n in range(30))
    assert 'send `-F \'types={"y": "category"}\'`' in str(refuse_text(text).hint)
    assert inspect_text(text, types={"y": "category"}).description.classes == ["01", "1"]


def test_a_word_that_is_most_of_the_label_is_named_in_the_refusal(refuse_text: Refuse) -> None:
    error = refuse_text("x,y\n" + "1,NA\n2,NA\n3,a\n4,b\n5,NA\n" * 5)
    assert (error.code, error.hint) == (
        "label_missing",
        "If that is a class, send `-F 'missing={\"y\": []}'`.",
    )
    assert "'NA' was read as missing" in error.message
