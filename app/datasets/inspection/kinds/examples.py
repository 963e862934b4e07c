"""What the scans of texts, images and sequences share."""

from __future__ import annotations

from array import array
from collections.abc import Iterable
from dataclasses import dataclass, field

from app.datasets.reading.profile import Spread


@dataclass
class RefusedExample(Exception):
    """The example at `index` of a batch is refused."""

    index: int
    code: str
    expected: str
    received: str
    hint: str


@dataclass
class Measure:
    """A number of each example, four bytes a row."""

    values: array[int] = field(default_factory=lambda: array("I"))

    def add(self, values: Iterable[int]) -> None:
        """Take in a batch."""
        self.values.extend(values)

    def beyond(self, limit: int) -> int:
        """How many are larger."""
        return sum(value > limit for value in self.values)

    def total(self) -> int:
        """The sum of all."""
        return sum(self.values)

    def spread(self) -> Spread | None:
        """How the values are spread; None without any."""
        if not self.values:
            return None
        ordered = sorted(self.values)
        last = len(ordered) - 1
        return Spread(
            minimum=ordered[0],
            median=ordered[last // 2],
            percentile_95=ordered[round(last * 0.95)],
            maximum=ordered[-1],
            mean=sum(ordered) / len(ordered),
        )
