"""What the scans of texts, images and sequences share."""

from __future__ import annotations

from array import array
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from app.datasets.reading.profile import Spread

SHOWN = 5
REMEMBERED = 500_000


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


@dataclass
class Repeats:
    """Examples that are nearly an earlier one, by a key that forgets what does not matter.

    `apart` counts those whose earlier one is in another part of the split, where the file has one; `contrary`
    are the rows whose earlier one has another label, of which `contradictions` counts all.
    """

    count: int = 0
    apart: int = 0
    rows: list[int] = field(default_factory=list)
    contradictions: int = 0
    contrary: list[int] = field(default_factory=list)
    _seen: dict[Any, tuple[str | None, str | None]] = field(default_factory=dict)
    _about: dict[tuple[str | None, str | None], tuple[str | None, str | None]] = field(default_factory=dict)
    _row: int = 0

    def add(self, keys: Iterable[Any], parts: Iterable[str | None], labels: Iterable[str | None]) -> None:
        """Take in a batch; a key of None is never a repeat."""
        for key, part, label in zip(keys, parts, labels, strict=True):
            self._row += 1
            if key is None:
                continue
            if key in self._seen:
                before, called = self._seen[key]
                self.count += 1
                self.apart += before != part
                if len(self.rows) < SHOWN:
                    self.rows.append(self._row)
                if None not in (label, called) and label != called:
                    self.contradictions += 1
                    if len(self.contrary) < SHOWN:
                        self.contrary.append(self._row)
            elif len(self._seen) < REMEMBERED:
                about = (part, label)
                self._seen[key] = self._about.setdefault(about, about)  # one object for many rows
