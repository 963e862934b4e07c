"""The few cells that make categories of a column of numbers or dates, and how it could be read."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

import pyarrow as pa
import pyarrow.compute as pc

from app.datasets.inspection.readings import Reading, best
from app.datasets.reading.conventions import Conventions

SHOWN = 5  # rows of an odd cell, and odd cells of a column
_HEAD, _GLANCE = 1000, 50
_KEPT = 1000  # cells that are read, and different odd ones
_A_BATCH = 5000  # odd cells of a batch that are looked at singly
_MOST = 0.8  # of the cells, or half of them where the others are a few words
_FEW_WORDS = 5
_MEAN_LENGTH = 40
_LOOKS = re.compile(
    r"[^\w\s]{0,3}(?:[A-Za-z$]{0,3}\$?\s?)?[^\w\s]{0,2}\.?\d|(?:jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)"
    r"|(?:mon|tue|wed|thu|fri|sat|sun)\w*\.?,? ",
    re.IGNORECASE,
)
_TIME = re.compile(r"\d{1,2}:\d\d(:\d\d)?")

Searches = Iterator[int]
"""How many columns of a file may still be searched: each costs some milliseconds."""


@dataclass
class Odd:
    """How often a cell stands in the column, and a few of its rows, from 1."""

    count: int = 0
    rows: list[int] = field(default_factory=list)


@dataclass(frozen=True)
class Outcome:
    """What a column could be: `readings` of equal worth, the likeliest first; none of times of day."""

    readings: list[Reading]
    read: int
    odd: dict[str, Odd]
    unlisted: int  # odd cells beyond those
    example: str
    example_row: int | None

    @property
    def odd_count(self) -> int:
        """The cells that are none of it."""
        return sum(odd.count for odd in self.odd.values()) + self.unlisted


class OddCells:
    """Follows one column of categories, in bounded memory.

    The first cells decide whether it is worth the time, and by which reading the others are looked at; where
    many different cells are odd by that, another is chosen by them.
    """

    def __init__(self, conventions: Conventions, searches: Searches) -> None:
        self._conventions = conventions
        self._searches = searches
        self._given_up = False
        self._reading: Reading | None = None
        self._read = 0
        self._kept: dict[str, int] = {}  # cells that are read, with their first row
        self._odd: dict[str, Odd] = {}
        self._unlisted = 0
        self._time: tuple[str, int] | None = None  # where all of the first cells are times of day

    def add(self, cells: pa.Array, first_row: int) -> None:
        """Take in a batch of trimmed text, null where missing."""
        if self._given_up or cells.null_count == len(cells):
            return
        if self._reading is None:
            self._begin(cells.drop_null()[:_HEAD].to_pylist(), first_row)
            if self._reading is None:
                return
        reads = self._reading.reads(cells)
        self._read += pc.sum(reads).as_py() or 0
        if len(self._kept) < _KEPT:
            self._keep(cells, reads, first_row)
        odd = pc.fill_null(pc.invert(reads), False)
        if pc.any(odd).as_py():
            self._add_odd(cells, pc.indices_nonzero(odd), first_row)

    def _begin(self, head: list[str], first_row: int) -> None:
        first = head[:_GLANCE]
        look_so = sum(bool(_LOOKS.match(cell)) for cell in first)
        short = sum(map(len, first)) <= _MEAN_LENGTH * len(first)
        if 2 * look_so < len(first) or not short or next(self._searches, None) is None:
            self._given_up = True
            return
        readings, read = best(head, [1] * len(head), self._conventions)
        if readings and 2 * read >= len(head):
            self._reading = readings[0]
            return
        self._given_up = True
        if all(map(_TIME.fullmatch, head)):
            self._time = head[0], first_row

    def _keep(self, cells: pa.Array, reads: pa.Array, first_row: int) -> None:
        """Some of the cells that are read, those first by which the reading differs from a plain one."""
        masks = [reads]
        if self._reading is not None and not self._reading.plain:
            plain = Reading(self._reading.type, Conventions(), plain=True).reads(cells)
            masks.insert(0, pc.and_not(reads, plain))
        for mask in masks:
            indices = pc.indices_nonzero(pc.fill_null(mask, False))[: SHOWN * 10]
            for index, cell in zip(indices.to_pylist(), cells.take(indices).to_pylist(), strict=True):
                self._kept.setdefault(cell, first_row + index)

    def _add_odd(self, cells: pa.Array, indices: pa.Array, first_row: int) -> None:
        looked_at = indices[:_A_BATCH]
        for index, cell in zip(looked_at.to_pylist(), cells.take(looked_at).to_pylist(), strict=True):
            if cell not in self._odd and len(self._odd) >= _KEPT:
                self._choose()
                if len(self._odd) >= _KEPT:
                    self._unlisted += 1
                    continue
            odd = self._odd.setdefault(cell, Odd())
            odd.count += 1
            if len(odd.rows) < SHOWN:
                odd.rows.append(first_row + index)
        self._unlisted += len(indices) - len(looked_at)

    def _choose(self) -> list[Reading]:
        """The best reading that reads all that was read before; what it reads is odd no more."""
        if self._reading is None:
            return []
        cells = [*self._kept, *self._odd]
        weights = [1] * len(self._kept) + [odd.count for odd in self._odd.values()]
        readings, _ = best(cells, weights, self._conventions, required=len(self._kept))
        readings = readings or [self._reading]
        self._reading = readings[0]
        reads = self._reading.reads(pa.array(list(self._odd), pa.string())).to_pylist()
        for cell, is_read in zip(list(self._odd), reads, strict=True):
            if is_read:
                odd = self._odd.pop(cell)
                self._read += odd.count
                self._kept.setdefault(cell, odd.rows[0])
        return readings

    def outcome(self) -> Outcome | None:
        """What the column could be, if most of its cells are that."""
        if self._time is not None:
            return Outcome([], 0, {}, 0, *self._time)
        if self._given_up or self._reading is None:
            return None
        readings = self._choose()
        others = sum(odd.count for odd in self._odd.values()) + self._unlisted
        most = self._read >= _MOST * (self._read + others)
        few = len(self._odd) <= _FEW_WORDS and not self._unlisted and self._read >= others
        if not readings or not (most or few):
            return None
        example, row = self._example(readings[0])
        return Outcome(readings, self._read, self._odd, self._unlisted, example, row)

    def _example(self, reading: Reading) -> tuple[str, int | None]:
        """A cell that shows how the column is written: one that is no plain number or date, if any is."""
        cells = pa.array(list(self._kept), pa.string())
        plain = Reading(reading.type, Conventions(), plain=True).reads(cells).to_pylist()
        read = reading.reads(cells).to_pylist()
        shown = [
            cell for cell, is_plain, ok in zip(self._kept, plain, read, strict=True) if ok and not is_plain
        ]
        cell = next(iter(shown), next(iter(self._kept), ""))
        return cell, self._kept.get(cell)
