"""How a measurement is told: one line of a plain text table."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass

HEADER = ("what", "measured", "compared to", "ratio", "aim", "met")


@dataclass(frozen=True)
class Line:
    """A measurement beside what it is compared to; `met` is None where there is no aim."""

    what: str
    measured: str
    compared_to: str
    ratio: float
    aim: str = "-"
    met: bool | None = None

    def cells(self) -> tuple[str, ...]:
        """The line's texts, in the order of `HEADER`."""
        met = {None: "-", True: "met", False: "NOT MET"}[self.met]
        return (self.what, self.measured, self.compared_to, f"{self.ratio:.2f}", self.aim, met)


def table(lines: Sequence[Line]) -> str:
    """The lines under their header, the columns aligned."""
    rows = [HEADER, *(line.cells() for line in lines)]
    widths = [max(len(cell) for cell in column) for column in zip(*rows, strict=True)]
    rows.insert(1, tuple("-" * width for width in widths))
    return "\n".join("  ".join(map(str.ljust, row, widths)).rstrip() for row in rows) + "\n"


def seconds(values: Sequence[float]) -> str:
    """The median, and the range it comes from."""
    return f"{statistics.median(values):.2f} s ({min(values):.2f} to {max(values):.2f})"


def ratio(measured: Sequence[float], compared_to: Sequence[float]) -> float:
    """Of the medians."""
    return statistics.median(measured) / statistics.median(compared_to)
