from datetime import datetime

import pyarrow as pa
import pytest

from app.datasets.reading.cells import BadCell, convert
from app.datasets.reading.conventions import Conventions
from app.datasets.reading.dates import to_iso


@pytest.mark.parametrize(
    ("form", "cell", "expected"),
    [
        ("%d.%m.%Y", "1.2.2024", "2024-02-01"),
        ("%m/%d/%y", "3/14/69", "1969-03-14"),
        ("%m/%d/%y", "3/14/68", "2068-03-14"),
        ("%d %B %Y", "9 march 2024", "2024-03-09"),
        ("%b. %d, %Y", "Jan. 9, 2025", "2025-01-09"),
        ("%Y-%m-%d %I:%M %p", "2025-01-09 12:30 AM", "2025-01-09T00:30:00"),
        ("%Y-%m-%d %I:%M:%S%p", "2025-01-09 12:30:05p.m.", "2025-01-09T12:30:05"),
        ("%d.%m.%Y %H:%M:%S.%f", "09.01.2025 4:05:06.789", "2025-01-09T04:05:06"),
        ("%Y%m%dT%H%M%S%z", "20250109T040506+0200", "2025-01-09T04:05:06+0200"),
        ("%Y-%m", "2024-03", "2024-03-01"),
    ],
)
def test_a_date_is_read_by_its_form(form: str, cell: str, expected: str) -> None:
    assert to_iso(pa.array([cell, None]), form).to_pylist() == [expected, None]


def test_iso_dates_are_read_beside_the_declared_form() -> None:
    conventions = Conventions(date_format="%m/%d/%Y")
    dates = convert(pa.array(["3/14/2024", "2024-03-15", ""]), "date", conventions)
    assert dates.to_pylist() == [datetime(2024, 3, 14), datetime(2024, 3, 15), None]


@pytest.mark.parametrize(
    ("form", "cell"), [("%d.%m.%Y", "30.02.2024"), ("%d.%m.%Y", "13/1/2024"), ("%Y-%d-%m", "2024-01-30")]
)
def test_a_day_that_does_not_exist_or_fit_is_no_date(form: str, cell: str) -> None:
    good = "2024-01-01" if form == "%Y-%d-%m" else "01.01.2024"
    with pytest.raises(BadCell) as caught:
        convert(
            pa.array([good, cell]),
            "date",
            Conventions(date_format=form),
        )
    assert caught.value.index == 1


def test_whole_numbers_of_typed_formats_are_dates_of_the_declared_form() -> None:
    dates = convert(pa.array([20240131, None]), "date", Conventions(date_format="%Y%m%d"))
    assert dates.to_pylist() == [datetime(2024, 1, 31), None]
