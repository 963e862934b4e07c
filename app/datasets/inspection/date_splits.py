"""From which dates on do rows validate and test, where a column of dates splits them?"""

from __future__ import annotations

from collections import Counter
from itertools import accumulate

import pyarrow as pa
import pyarrow.compute as pc

from app.datasets.reading.cells import text_of
from app.datasets.reading.declaration import Declaration
from app.datasets.reading.description import DateSplit
from app.datasets.reading.errors import DatasetError

_DIFFERENT = 10_000
_UNITS = (1, 60, 3600, 86_400, 30 * 86_400, 365 * 86_400, 3650 * 86_400)  # seconds


class Dates:
    """How many rows have which date; where there are too many of them, by minute, hour, day and so on."""

    def __init__(self) -> None:
        self.counts: Counter[int] = Counter()
        self._unit = 0

    def add(self, dates: pa.Array) -> None:
        """Count a batch of timestamps in seconds."""
        counted = pc.value_counts(pc.cast(dates.drop_null(), pa.int64()))
        for second, count in zip(counted.field(0).to_pylist(), counted.field(1).to_pylist(), strict=True):
            self.counts[self._rounded(second)] += count
        while len(self.counts) > _DIFFERENT and self._unit < len(_UNITS) - 1:
            self._unit += 1
            known, self.counts = self.counts, Counter()
            for second, count in known.items():
                self.counts[self._rounded(second)] += count

    def _rounded(self, second: int) -> int:
        return second - second % _UNITS[self._unit]

    def split(self, column: str, declaration: Declaration) -> DateSplit:
        """The first dates that validate and test: the last rows test, those before them validate.

        Raises:
            DatasetError: for fewer than three different dates.
        """
        seconds = sorted(self.counts)
        if len(seconds) < 3:
            message = f"Expected at least 3 different dates in the split {column}. Received: {len(seconds)}."
            raise DatasetError("wrong_split", message, "Leave `split` out, or name a column of split words.")
        before = list(accumulate((self.counts[second] for second in seconds), initial=0))
        rows = before[-1]
        test = _nearest(before, rows * (1 - declaration.test_fraction), 2, len(seconds) - 1)
        wanted = before[test] - rows * declaration.validation_fraction
        validation = _nearest(before, wanted, 1, test - 1)
        told = text_of(pa.array([seconds[validation], seconds[test]], pa.timestamp("s"))).to_pylist()
        return DateSplit(validation=told[0], test=told[1])


def _nearest(before: list[int], rows: float, low: int, high: int) -> int:
    """The date before which there are most nearly so many rows."""
    return min(range(low, high + 1), key=lambda place: abs(before[place] - rows))
