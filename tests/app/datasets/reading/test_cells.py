from datetime import datetime

import pyarrow as pa
import pytest

from app.datasets.reading.cells import BadCell, convert, infer, text_of
from app.datasets.reading.conventions import Conventions

WRITTEN, TYPED = Conventions.of("csv"), Conventions.of("jsonl")


@pytest.mark.parametrize(
    ("cells", "expected"),
    [
        (["1", "-2.5", "+3", "1e3", None], "number"),
        ([" 1", "2 ", " NA "], "number"),
        (["true", "FALSE", "T", "f", "Yes", "no"], "boolean"),
        (["0", "1", "1"], "number"),
        (["yes", "1"], "category"),
        (["2024-02-29", "2024-02-29 10:20", "2024-02-29T10:20:30.5Z"], "date"),
        (["2024-02-30"], "category"),
        (["20240229"], "number"),
        (["1,5"], "category"),
        (["a", "1"], "category"),
        ([None, "", "?"], None),
    ],
)
def test_a_type_is_inferred_from_text(cells: list[str], expected: str | None) -> None:
    assert infer(pa.array(cells, pa.string()), WRITTEN) == expected


def test_text_of_typed_formats_is_no_number_unless_declared() -> None:
    cells = pa.array(["01234", "56789"])
    assert infer(cells, TYPED) == "category"
    assert convert(cells, "number", TYPED).to_pylist() == [1234.0, 56789.0]


def test_words_for_missing_count_in_text_formats_only() -> None:
    cells = pa.array(["NA", "", " None ", "x"])
    assert convert(cells, "category", WRITTEN).to_pylist() == [None, None, None, "x"]
    assert convert(cells, "category", TYPED).to_pylist() == ["NA", None, "None", "x"]


def test_the_first_cell_that_is_no_number_is_found() -> None:
    cells = pa.array(["1"] * 700 + ["abc"] + ["2"] * 300 + ["def"])
    with pytest.raises(BadCell) as caught:
        convert(cells, "number", WRITTEN)
    assert caught.value.index == 700


@pytest.mark.parametrize("cell", ["inf", "-Infinity", "1e999"])
def test_a_number_that_is_not_finite_is_told_apart(cell: str) -> None:
    with pytest.raises(BadCell) as caught:
        convert(pa.array(["1", None, cell]), "number", WRITTEN)
    assert (caught.value.index, caught.value.infinite) == (2, True)


def test_declared_booleans_may_be_ones_and_zeros() -> None:
    assert convert(pa.array(["1", "0", None, "yes"]), "boolean", WRITTEN).to_pylist() == [
        True,
        False,
        None,
        True,
    ]
    assert convert(pa.array([1, 0, None]), "boolean", TYPED).to_pylist() == [True, False, None]
    with pytest.raises(BadCell) as caught:
        convert(pa.array([1, 2]), "boolean", TYPED)
    assert caught.value.index == 1


def test_dates_with_a_zone_become_utc_and_lose_their_fractions() -> None:
    cells = pa.array(["2024-01-01T10:00:00+02:00", "2024-01-01 10:00:00.75", "2024-01-01T10:00:00Z", ""])
    expected = [datetime(2024, 1, 1, 8), datetime(2024, 1, 1, 10), datetime(2024, 1, 1, 10), None]
    assert convert(cells, "date", WRITTEN).to_pylist() == expected


def test_a_day_that_does_not_exist_is_no_date() -> None:
    with pytest.raises(BadCell) as caught:
        convert(pa.array(["2024-02-28", "2024-02-30"]), "date", WRITTEN)
    assert caught.value.index == 1


def test_days_that_repeat_are_read_like_those_that_do_not() -> None:
    days = [f"2024-01-{day:02}" for day in range(1, 29)]
    cells = pa.array([*days, *days, " 2024-01-01 ", "NA", None, *days])
    alone = [convert(cells.slice(index, 1), "date", WRITTEN)[0] for index in range(len(cells))]
    assert convert(cells, "date", WRITTEN).to_pylist() == [day.as_py() for day in alone]


@pytest.mark.parametrize("wrong", ["tomorrow", "2024-02-30"])
def test_the_first_cell_that_is_no_date_is_found_among_days_that_repeat(wrong: str) -> None:
    with pytest.raises(BadCell) as caught:
        convert(
            pa.array(["2024-02-28", None, "2024-02-29"] * 9 + [wrong, "2024-02-29", wrong]),
            "date",
            WRITTEN,
        )
    assert caught.value.index == 27


def test_text_behind_a_number_that_is_not_finite_makes_a_category() -> None:
    assert infer(pa.array(["inf"] + ["1"] * 500 + ["word"]), WRITTEN) == "category"
    with pytest.raises(BadCell) as caught:
        infer(pa.array(["1"] * 500 + ["inf"]), WRITTEN)
    assert (caught.value.index, caught.value.infinite) == (500, True)


def test_values_as_text_are_short_and_canonical() -> None:
    assert text_of(pa.array([3.0, 2.5, -0.0, None, 1e20])).to_pylist() == ["3", "2.5", "0", None, "1e+20"]
    assert text_of(pa.array([True, None])).to_pylist() == ["true", None]
    dates = pa.array([datetime(2024, 1, 2), datetime(2024, 1, 2, 3, 4, 5)], pa.timestamp("s"))
    assert text_of(dates).to_pylist() == ["2024-01-02", "2024-01-02T03:04:05"]


def test_a_number_is_no_date() -> None:
    with pytest.raises(BadCell):
        convert(pa.array([None, 20240101]), "date", TYPED)


def test_a_date_beyond_the_years_of_four_digits_is_their_first_or_last_second() -> None:
    cells = ["9999-12-31T23:00:00-05:00", "0001-01-01T00:00:00+05:00", "0000-01-01", "2024-02-03", ""]
    expected = ["9999-12-31T23:59:59", "0001-01-01", "0001-01-01", "2024-02-03", None]
    assert text_of(convert(pa.array(cells), "date", WRITTEN)).to_pylist() == expected
    beyond = pa.array([400_000_000_000, None, -70_000_000_000], pa.timestamp("s"))
    kept = text_of(convert(beyond, "date", WRITTEN)).to_pylist()
    assert kept == ["9999-12-31T23:59:59", None, "0001-01-01"]
