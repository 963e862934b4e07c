import pyarrow as pa
import pytest

from app.datasets.reading.cells import BadCell, convert
from app.datasets.reading.conventions import Conventions
from app.datasets.reading.numbers import plainly

GERMAN = Conventions(decimal=",", thousands=".")


@pytest.mark.parametrize(
    ("conventions", "cell", "expected"),
    [
        (GERMAN, "1.234.567,8", 1234567.8),
        (GERMAN, "-12", -12.0),
        (Conventions(thousands=" "), "12\u00a0345", 12345.0),
        (Conventions(thousands="'"), "12\u2019345", 12345.0),
        (Conventions(thousands=","), "12,34,567.5", 1234567.5),
        (Conventions(unit="$"), "($5.50)", -5.5),
        (Conventions(unit="$"), "-$ 5", -5.0),
        (Conventions(unit="$"), "$-5", -5.0),
        (Conventions(unit="kg"), "5kg", 5.0),
        (Conventions(unit="%"), "12 %", 12.0),
        (Conventions(), "\u22125", -5.0),
        (Conventions(), "\u00a07\u2009", 7.0),
    ],
)
def test_a_number_is_read_as_its_conventions_say(
    conventions: Conventions, cell: str, expected: float
) -> None:
    assert convert(pa.array([cell]), "number", conventions).to_pylist() == [expected]


@pytest.mark.parametrize(
    ("conventions", "cell"),
    [
        (GERMAN, "1.23"),
        (GERMAN, "1,234.5"),
        (GERMAN, "0.123"),
        (Conventions(decimal=","), "1.5"),
        (Conventions(thousands=","), "12,34"),
        (Conventions(thousands=","), "1,2345"),
        (Conventions(unit="kg"), "5 g"),
        (Conventions(unit="$"), "-$-5"),
        (Conventions(), "(-5)"),
        (Conventions(), "1,5"),
    ],
)
def test_what_is_written_otherwise_is_no_number(conventions: Conventions, cell: str) -> None:
    with pytest.raises(BadCell):
        convert(pa.array(["1", cell]), "number", conventions)


def test_signs_of_word_processors_are_numbers_only_where_they_are_declared() -> None:
    with pytest.raises(BadCell):
        convert(pa.array(["\u22125"]), "number", Conventions(), strict=True)


def test_a_number_that_means_missing_is_missing_however_it_stands() -> None:
    conventions = Conventions(missing=["", "-999"])
    assert convert(pa.array(["1", "-999", " -999 ", ""]), "number", conventions).to_pylist() == [
        1,
        None,
        None,
        None,
    ]


def test_nulls_stay_null() -> None:
    assert plainly(pa.array([None, "1,5"]), Conventions(decimal=",")).to_pylist() == [None, "1.5"]
