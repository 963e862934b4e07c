from __future__ import annotations

from collections.abc import Callable
from datetime import date, datetime, timedelta
from pathlib import Path

import pyarrow as pa
import pytest

from app.datasets.inspection.date_splits import Dates
from app.datasets.reading.declaration import Declaration
from app.datasets.reading.errors import DatasetError
from app.datasets.reading.profile import Inspection
from app.datasets.reading.table import read

Inspect = Callable[..., Inspection]
DAYS = [date(2024, 1, 1) + timedelta(days=n * 37 % 100) for n in range(100)]
TEXT = "day,x,y\n" + "".join(f"{day},{n * 29 % 53},{'ab'[n % 2]}\n" for n, day in enumerate(DAYS)) + ",1,a\n"


def test_dated_rows_under_a_random_split_are_told_with_the_split_that_mends_it(
    inspect_text: Inspect, tmp_path: Path
) -> None:
    notice = next(notice for notice in inspect_text(TEXT).warnings if notice.code == "dated_rows")
    assert (notice.column, notice.send, "`-F split=day`" in notice.message) == ("day", {"split": "day"}, True)
    inspection = inspect_text(TEXT, **(notice.send or {}))
    plan = inspection.description.split
    assert plan.rows == {"train": 71, "validation": 15, "test": 15}
    assert plan.dates is not None
    assert (plan.dates.validation, plan.dates.test) == ("2024-03-11", "2024-03-26")
    assert "dated_rows" not in [notice.code for notice in inspection.warnings]
    table = read(tmp_path / "upload", inspection.description)
    parts = table["day"].to_pylist()
    assert parts[-1] == "train"
    days = {
        part: [day for day, said in zip(DAYS, parts, strict=False) if said == part] for part in set(parts)
    }
    assert max(days["train"]) < min(days["validation"]) <= max(days["validation"]) < min(days["test"])


def test_rows_of_one_day_stay_together() -> None:
    dates = Dates()
    dates.add(pa.array([datetime(2024, 1, day) for day in (1, 1, 2, 3, 3, 3, 3, 3)], pa.timestamp("s")))
    split = dates.split("day", Declaration())
    assert (split.validation, split.test) == ("2024-01-02", "2024-01-03")


def test_fewer_than_three_dates_split_nothing() -> None:
    dates = Dates()
    dates.add(pa.array([datetime(2024, 1, 1), datetime(2024, 1, 2), None], pa.timestamp("s")))
    with pytest.raises(DatasetError, match="at least 3 different dates"):
        dates.split("day", Declaration())


def test_many_dates_are_counted_more_coarsely() -> None:
    dates = Dates()
    for start in range(0, 60_000, 6_000):
        seconds = pa.array(range(start * 7, (start + 6_000) * 7, 7), pa.int64())
        dates.add(seconds.cast(pa.timestamp("s")))
    assert len(dates.counts) <= 10_000
    assert sum(dates.counts.values()) == 60_000
    share = sum(n for second, n in dates.counts.items() if second >= 0.85 * 420_000) / 60_000
    assert share == pytest.approx(0.15, abs=0.01)
