"""Which numbers or dates are written cells, if they are that in another form?"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

import pyarrow as pa
import pyarrow.compute as pc

from app.datasets.reading.cells import ISO
from app.datasets.reading.conventions import Conventions
from app.datasets.reading.dates import pattern_of, to_iso
from app.datasets.reading.numbers import PLAIN, are_numbers, plainly

_SIGNS: tuple[tuple[str, str | None], ...] = (
    (".", None), (".", ","), (",", None), (",", "."), (".", " "), (",", " "), (".", "'"),
)  # fmt: skip
_DATES = (
    "%Y-%m-%d", "%Y/%m/%d", "%Y.%m.%d", "%Y%m%d", "%d.%m.%Y", "%d/%m/%Y", "%m/%d/%Y", "%d-%m-%Y", "%m-%d-%Y",
    "%d.%m.%y", "%d/%m/%y", "%m/%d/%y", "%Y-%m", "%Y/%m", "%m/%Y", "%b %d %Y", "%b %d, %Y", "%B %d %Y",
    "%B %d, %Y", "%d %b %Y", "%d %B %Y", "%d-%b-%Y", "%d-%b-%y", "%d. %B %Y", "%b %Y", "%B %Y",
    "%b-%Y", "%b-%y", "%a %b %d %Y", "%a, %d %b %Y", "%A, %B %d, %Y", "%A, %d %B %Y", "%a %b %d %H:%M:%S %Y",
    "%Y%m%dT%H%M%S", "%Y%m%dT%H%M%S%z",
)  # fmt: skip
_DAY = (  # that the calendar has, but for 29 February in 1900 and the like, and a time that the clock has
    r"^(\d{4}-(0[13578]|1[02])-(0[1-9]|[12]\d|3[01])|\d{4}-(0[469]|11)-(0[1-9]|[12]\d|30)"
    r"|\d{4}-02-(0[1-9]|1\d|2[0-8])|\d\d(0[48]|[2468][048]|[13579][26]|00)-02-29)"
    r"([T ]([01]\d|2[0-3]):[0-5]\d|$)"
)
_TIME = re.compile(
    r"(?P<before>,? |T)(?P<hour>\d{1,2}):\d\d(?P<second>:\d\d)?(?P<fraction>[.,]\d+)?"
    r"(?P<half> ?[AaPp]\.?[Mm]\.?)?(?P<zone> ?(UTC|GMT|Z|[+-]\d\d:?\d\d))?$"
)
_PREFIX = re.compile(
    r"^\(?[+\-\u2212\u2013]?\s*(?P<unit>[^\d\s.,()+\-\u2212\u2013]{1,4})\s*[+\-\u2212\u2013]?[\d.,]"
)
_SUFFIX = re.compile(r"[\d.,](?P<blank>\s*)(?P<unit>[^\d\s.,()][^\d()]{0,15}?)\)?$")
_CURRENCIES = (
    "USD", "EUR", "GBP", "CHF", "JPY", "CNY", "INR", "AUD", "CAD", "SEK", "NOK", "DKK", "PLN", "CZK", "BRL",
    "KRW", "MXN", "ZAR", "Rs", "Fr", "kr", "R$", "US$", "A$", "C$",
)  # fmt: skip
_MULTIPLE = ("k", "m", "b", "g", "t", "mn", "mio", "mrd", "bn", "tsd", "thousand", "million", "billion")
_NO_UNIT = frozenset("<>≤≥~≈±#/:*=?!'\"_+-\u2212\u2012\u2013\u2014")
_UNITS_TRIED = 2
_EVIDENCE = 50


@dataclass(frozen=True)
class Reading:
    """One way to read a column's cells; `plain` is that of a column nobody said anything about."""

    type: Literal["number", "date"]
    conventions: Conventions
    plain: bool = False

    def reads(self, cells: pa.Array) -> pa.Array:
        """Which of the trimmed cells are of the type, null for null."""
        if self.type == "number":
            if self.plain:
                return pc.match_substring_regex(cells, PLAIN)
            return are_numbers(cells, self.conventions)
        if self.conventions.date_format is not None:
            cells = to_iso(cells, self.conventions.date_format)
        return pc.and_(pc.match_substring_regex(cells, ISO), pc.match_substring_regex(cells, _DAY))

    def options(self, usual: Conventions) -> dict[str, Any]:
        """What must be declared for it, beside a column's name."""
        names = ("decimal", "thousands", "unit", "date_format")
        return {
            name: getattr(self.conventions, name)
            for name in names
            if getattr(self.conventions, name) != getattr(usual, name)
        }


def best(
    cells: list[str], weights: list[int], usual: Conventions, *, required: int = 0
) -> tuple[list[Reading], int]:
    """The readings that read most of the cells, the simplest first, and how many that is.

    Of equal ones the first is the most likely; the others would read the same cells as other values. All read
    the first `required` cells.
    """
    array, counts = pa.array(cells, pa.string()), pa.array(weights, pa.int64())
    found: list[Reading] = []
    most, same = 0, array
    for reading in _candidates(cells, usual):
        reads = pc.fill_null(reading.reads(array), False)
        if not pc.all(reads[:required], min_count=0).as_py():
            continue
        read = pc.sum(pc.if_else(reads, counts, 0)).as_py() or 0
        if read > most:
            found, most, same = [reading], read, reads
        elif found and reads.equals(same) and not found[0].plain and _is_new(reading, found, array):
            found.append(reading)
    return found, most


def _is_new(reading: Reading, found: list[Reading], cells: pa.Array) -> bool:
    """Whether it makes other values of the cells than each that was found."""
    return all(_differs(known, reading, cells) for known in found)


def _differs(one: Reading, other: Reading, cells: pa.Array) -> bool:
    """Whether two readings make other values of the same cells."""
    if one.type != other.type:
        return False
    if one.type == "date":
        first, second = one.conventions.date_format or "%Y-%m-%d", other.conventions.date_format or "%Y-%m-%d"
        return not to_iso(cells, first).equals(to_iso(cells, second))
    return not plainly(cells, one.conventions).equals(plainly(cells, other.conventions))


def _candidates(cells: list[str], usual: Conventions) -> Iterator[Reading]:
    yield Reading("number", usual, plain=True)
    yield Reading("date", usual, plain=True)
    for decimal, thousands in _SIGNS:
        yield _number(usual, decimal, thousands, None)
    for unit in _units(cells):
        for decimal, thousands in _SIGNS:
            yield _number(usual, decimal, thousands, unit)
    shown = cells[:_EVIDENCE] + cells[-_EVIDENCE:]
    for time in _times(cells):
        for date in _DATES:
            if time and "%H" in date:
                continue
            form = re.compile(pattern_of(date + time))
            if any(map(form.match, shown)):
                yield Reading("date", usual.model_copy(update={"date_format": date + time}))


def _number(usual: Conventions, decimal: str, thousands: str | None, unit: str | None) -> Reading:
    changed = {"decimal": decimal, "thousands": thousands, "unit": unit}
    return Reading("number", usual.model_copy(update=changed))


def _units(cells: list[str]) -> list[str]:
    """What stands beside the digits of most cells that have anything there."""
    found: Counter[str] = Counter()
    for cell in cells[:_EVIDENCE] + cells[-_EVIDENCE:]:
        if (before := _PREFIX.match(cell)) and _may_lead(before["unit"]):
            found[before["unit"]] += 1
        elif (behind := _SUFFIX.search(cell)) and _may_follow(behind["unit"], behind["blank"]):
            found[behind["unit"]] += 1
    return [unit for unit, _ in found.most_common(_UNITS_TRIED)]


def _may_lead(unit: str) -> bool:
    """Letters before digits are codes, but for a few currencies."""
    if _NO_UNIT & set(unit):
        return False
    return unit in _CURRENCIES or not any(map(str.isalpha, unit))


def _may_follow(unit: str, blank: str) -> bool:
    """`12a` is a code, and `5 k` is five thousand."""
    if _NO_UNIT - {"/"} & set(unit) or unit.lower().rstrip(".s") in _MULTIPLE:
        return False
    return bool(blank) or len(unit) > 1 or not unit.isalpha()


def _times(cells: list[str]) -> list[str]:
    """The forms of the times of day at the end of some cells, first that of none."""
    forms: dict[str, None] = {"": None}
    for cell in cells[:_EVIDENCE]:
        if found := _TIME.search(cell):
            zone = (found["zone"] or "").strip()
            form = found["before"] + ("%I" if found["half"] else "%H") + ":%M"
            form += ":%S" if found["second"] else ""
            form += found["fraction"][0] + "%f" if found["fraction"] else ""
            form += (" %p" if found["half"].startswith(" ") else "%p") if found["half"] else ""
            if zone:
                blank = " " if found["zone"].startswith(" ") else ""
                form += blank + (zone if zone.isalpha() and zone != "Z" else "%z")
            forms[form] = None
    return list(forms)[:4]
