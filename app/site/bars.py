"""The geometry of small plots: how often values stand in a column, and how far its numbers reach."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from app.datasets.reading.profile import ColumnProfile, ValueCount
from app.reports.charts import short

WIDTH = 320
ROW = 20
LABEL = 120
"""Units of the view box: of all, of a row, and of what stands before the bars."""

MOST = 8
LONGEST = 18
"""Bars of one plot, and characters of what one is called."""


@dataclass(frozen=True)
class Bar:
    """A value with its bar."""

    label: str
    full: str
    count: int
    y: int
    width: float


@dataclass(frozen=True)
class Bars:
    """The most frequent values, one below the other."""

    height: int
    bars: list[Bar]
    left_out: int


def bars(counts: Sequence[ValueCount], most: int = MOST) -> Bars:
    """The first of them, each as long as it is frequent."""
    shown = counts[:most]
    top = max((one.count for one in shown), default=1) or 1
    room = WIDTH - LABEL - 60
    drawn = [
        Bar(_cut(one.value), one.value, one.count, place * ROW, round(room * one.count / top, 1))
        for place, one in enumerate(shown)
    ]
    return Bars(max(1, len(drawn)) * ROW, drawn, len(counts) - len(drawn))


@dataclass(frozen=True)
class Range:
    """A line from the smallest to the largest number, with the mean and one standard deviation around it."""

    low: str
    high: str
    mean: float
    start: float
    end: float
    said: str


def range_of(column: ColumnProfile) -> Range | None:
    """None of a column without numbers, or with one number alone."""
    low, high, mean = column.minimum, column.maximum, column.mean
    if not isinstance(low, int | float) or not isinstance(high, int | float) or mean is None or high <= low:
        return None
    deviation = column.standard_deviation or 0.0

    def place(value: float) -> float:
        return round(10 + (WIDTH - 20) * (min(max(value, low), high) - low) / (high - low), 1)

    said = f"from {short(low)} to {short(high)}, mean {short(mean)}, standard deviation {short(deviation)}"
    return Range(short(low), short(high), place(mean), place(mean - deviation), place(mean + deviation), said)


def _cut(text: str) -> str:
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 1]}…"
