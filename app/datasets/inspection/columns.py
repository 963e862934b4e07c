"""One column as its batches go by: its type and its statistics, in bounded memory."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from app.datasets.inspection.odd_cells import SHOWN, Odd, OddCells, Searches
from app.datasets.reading.cells import BadCell, convert, infer, only_words, text_of
from app.datasets.reading.conventions import Conventions
from app.datasets.reading.profile import ColumnProfile, ValueCount
from app.datasets.reading.words import ColumnType, Role

DISTINCT = 10_000
DISTINCT_BYTES = 4 << 20
ALL_DISTINCT = 1_000_000  # of all columns together
TOP = 20


@dataclass
class Tally:
    """Counts of the values seen, until there are more than `limit` of them or 4 MB.

    From then on (`exact` is false) no new value is taken up; where the values repeat, those known by then are
    counted on.
    """

    limit: int = DISTINCT
    counts: dict[Any, int] = field(default_factory=dict)
    exact: bool = True
    values: int = 0
    _full_at: int = 0
    _full_with: int = 0
    _size: int = 0

    def add(self, cells: pa.Array) -> None:
        """Count a batch of numbers, texts, booleans or seconds."""
        self.values += len(cells) - cells.null_count
        if not self.exact and not self.counts:
            return
        counted = pc.value_counts(cells.drop_null())
        if self.exact and len(counted) > self.limit:
            self._fill_up(len(counted))
            return
        for value, count in zip(counted.field(0).to_pylist(), counted.field(1).to_pylist(), strict=True):
            if value in self.counts:
                self.counts[value] += count
            elif self.exact:
                self.counts[value] = count
                self._size += len(value) if isinstance(value, str) else 8
        if self.exact and (len(self.counts) > self.limit or self._size > DISTINCT_BYTES):
            self._fill_up(len(self.counts))

    def _fill_up(self, distinct: int) -> None:
        self.exact, self._full_at, self._full_with = False, self.values, distinct
        if 2 * distinct > self.values:
            self.counts.clear()

    @property
    def distinct(self) -> int:
        """How many values there are, or at least are."""
        return len(self.counts) if self.exact else self._full_with

    @property
    def all_differ(self) -> bool:
        """No value came twice, as long as they were counted."""
        return self.distinct == (self.values if self.exact else self._full_at)

    @property
    def counted_values(self) -> int:
        """The values, from the first, among which `distinct` were found."""
        return self.values if self.exact else self._full_at


@dataclass
class Moments:
    """Mean and variance of batches, merged without cancellation (Chan, Golub, LeVeque 1979)."""

    count: int = 0
    mean: float = 0.0
    squares: float = 0.0
    low: float = math.inf
    high: float = -math.inf
    whole: bool = True
    step: bool = True  # each value is the one before plus 1
    last: float | None = None

    def add(self, values: pa.Array) -> None:
        """Take in a batch of finite float64."""
        values = values.drop_null() if values.null_count else values
        count = len(values)
        if not count:
            return
        mean, variance = pc.mean(values).as_py(), pc.variance(values).as_py()
        delta, total = mean - self.mean, self.count + count
        self.squares += variance * count + delta * delta * self.count * count / total
        self.mean += delta * count / total
        self.count = total
        self._extend(values)
        self.whole = self.whole and pc.all(pc.equal(values, pc.floor(values))).as_py()
        self.step = self.step and self._steps(values)
        self.last = values[-1].as_py()

    def _extend(self, values: pa.Array) -> None:
        # Most batches lie between the ends known by then, which is five times as fast to see as their own.
        if pc.any(pc.or_(pc.less(values, self.low), pc.greater(values, self.high))).as_py():
            ends = pc.min_max(values).as_py()
            self.low, self.high = min(self.low, ends["min"]), max(self.high, ends["max"])

    def _steps(self, values: pa.Array) -> bool:
        if self.last is not None and values[0].as_py() != self.last + 1:
            return False
        return bool(pc.all(pc.equal(pc.subtract(values[1:], values[:-1]), 1.0), min_count=0).as_py())

    @property
    def deviation(self) -> float:
        """The population's standard deviation."""
        return math.sqrt(self.squares / self.count) if self.count else 0.0


def _finite(value: float) -> float | None:
    """The value, or None beyond what a float holds: squares of numbers around 1e200 are."""
    return value if math.isfinite(value) else None


class ColumnScan:
    """Finds the type of a column, or checks the given one, and gathers its statistics.

    A type found on the first cells that are there is given up for `category` by a later cell that is not of
    it; `outdated` is true then: the statistics lack the cells before, and a second pass is needed.
    """

    def __init__(
        self,
        name: str,
        column_type: ColumnType | None,
        *,
        declared: bool,
        conventions: Conventions,
        limit: int = DISTINCT,
        searches: Searches | None = None,
    ) -> None:
        self.name = name
        self.type = column_type
        self.declared = declared
        self.outdated = False
        self.missing = 0
        self.tally = Tally(limit)
        self.moments = Moments()
        self.rows = 0
        self.words: dict[str, Odd] = {}  # that were read as missing, in a column of categories
        self.odd = OddCells(conventions, searches) if searches is not None else None
        self._conventions = conventions
        self._dates: tuple[int, int] | None = None  # seconds since 1970

    def add(self, cells: pa.Array) -> pa.Array:
        """The cells as values (null text as long as the type is unknown).

        Raises:
            BadCell: for a cell that is not of the declared type, or not finite.
        """
        values = self._values(cells)
        self.missing += values.null_count
        if self.type in ("category", None) and pa.types.is_string(cells.type):
            self._look_at(cells, values)
        self.rows += len(cells)
        if self.type == "number":
            self.moments.add(values)
        if self.type == "date":
            values_to_count = pc.cast(values, pa.int64())
            self._extend_dates(values_to_count)
        else:
            values_to_count = values
        self.tally.add(values_to_count)
        return values

    def _values(self, cells: pa.Array) -> pa.Array:
        if self.type is None:
            self.type = infer(cells, self._conventions)
        if self.type is None:
            return pa.nulls(len(cells), pa.string())
        if self.declared or self.type == "category":
            return convert(cells, self.type, self._conventions)
        if self.type != "boolean" or only_words(cells, self._conventions):
            try:
                return convert(cells, self.type, self._conventions, strict=True)
            except BadCell as bad:
                if bad.infinite:
                    raise
        self.type, self.outdated = "category", True
        return convert(cells, "category", self._conventions)

    def _look_at(self, cells: pa.Array, values: pa.Array) -> None:
        if self.odd is not None:
            self.odd.add(values, self.rows + 1)
        if not values.null_count:
            return
        absent = pc.indices_nonzero(pc.is_null(values))
        words = pc.ascii_trim_whitespace(pc.fill_null(cells.take(absent), ""))
        there = pc.not_equal(words, "")
        absent, words = absent.filter(there), words.filter(there)
        for counted in pc.value_counts(words).to_pylist():
            odd = self.words.setdefault(counted["values"], Odd())
            odd.count += counted["counts"]
            if len(odd.rows) < SHOWN:
                places = absent.filter(pc.equal(words, counted["values"]))[: SHOWN - len(odd.rows)]
                odd.rows += [self.rows + 1 + place for place in places.to_pylist()]

    def _extend_dates(self, seconds: pa.Array) -> None:
        if seconds.null_count < len(seconds):
            ends = pc.min_max(seconds).as_py()
            low, high = self._dates or (ends["min"], ends["max"])
            self._dates = min(low, ends["min"]), max(high, ends["max"])

    def profile(self, role: Role) -> ColumnProfile:
        """The statistics so far."""
        profile = ColumnProfile(
            name=self.name,
            type=self.type or "category",
            role=role,
            missing=self.missing,
            distinct=self.tally.distinct,
            distinct_is_exact=self.tally.exact,
        )
        if self.type == "number" and self.moments.count:
            profile.minimum, profile.maximum = self.moments.low, self.moments.high
            profile.mean, profile.standard_deviation = map(
                _finite, (self.moments.mean, self.moments.deviation)
            )
        elif self.type in ("category", "boolean"):
            top = sorted(self._counted(), key=lambda counted: (-counted[1], counted[0]))
            profile.top = [ValueCount(value=value, count=count) for value, count in top[:TOP]]
        elif self._dates:
            profile.minimum, profile.maximum = text_of(pa.array(self._dates, pa.timestamp("s"))).to_pylist()
        return profile

    def value_counts(self) -> list[ValueCount]:
        """The counted values as text, in the order they came."""
        return [ValueCount(value=value, count=count) for value, count in self._counted()]

    def _counted(self) -> list[tuple[str, int]]:
        counts = self.tally.counts
        names = text_of(pa.array(list(counts))).to_pylist() if counts else []
        return list(zip(names, counts.values(), strict=True))
