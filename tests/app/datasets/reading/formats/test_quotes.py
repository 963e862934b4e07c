from __future__ import annotations

from collections.abc import Callable

import pytest

from app.datasets.reading.errors import DatasetError
from app.datasets.reading.profile import Inspection

Inspect = Callable[..., Inspection]
Refuse = Callable[..., DatasetError]


def lines(*odd: tuple[int, str], delimiter: str = ",", count: int = 60) -> str:
    """Texts and labels, some lines replaced."""
    rows = [f"the {n} words of a text{delimiter}{'ab'[n % 2]}" for n in range(count)]
    for n, line in odd:
        rows[n] = line.replace("|", delimiter)
    return f"text{delimiter}label\n" + "\n".join(rows) + "\n"


@pytest.mark.parametrize("delimiter", [",", "\t"])
@pytest.mark.parametrize(
    "odd",
    [
        [(20, '"Great" phone|a')],
        [(20, '"great phone|a'), (40, '"bad phone|b')],
        [(20, '"great phone|a'), (21, '"bad phone|b')],
        [(20, '"great phone|a'), (40, 'bad phone"|b')],
    ],
    ids=["behind a closing quote", "two far apart", "two in a row", "closed by chance"],
)
def test_a_stray_quote_is_refused_with_its_row_and_line_and_read_where_quotes_are_none(
    odd: list[tuple[int, str]], delimiter: str, refuse_text: Refuse, inspect_text: Inspect
) -> None:
    text = lines(*odd, delimiter=delimiter)
    error = refuse_text(text)
    assert error.code == "stray_quote"
    assert (error.errors[0]["row"], error.errors[0]["line"]) == (21, 22)
    assert "`-F quote=none`" in str(error.hint)
    assert inspect_text(text, quote="none").description.rows == 60
    assert inspect_text(text, quote="double").description.rows <= 60


@pytest.mark.parametrize(
    "cell",
    [
        '"a ""great"" phone, they say"',
        '"two\nlines"',
        '"a, b\nc, d\ne, f"',
        '"""Quoted"" at the start, and\n""at"" a line\'s"',
        'a 5" pipe',
        'x"y"z',
        '""',
        '"ends with a comma,"',
        '","',
    ],
)
def test_quotes_as_they_should_be_are_read(inspect_text: Inspect, cell: str) -> None:
    text = lines(*((n, f"{cell}|a") for n in range(0, 60, 4)))
    assert inspect_text(text).description.rows == 60


def test_stray_quotes_are_found_behind_the_first_blocks(refuse_text: Refuse, small_blocks: None) -> None:
    text = lines((900, '"great phone|a'), (901, '"bad phone|b'), (3, '"two\nlines"|a'), count=1200)
    assert refuse_text(text).errors[0]["row"] == 901
