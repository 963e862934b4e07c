"""Numbers as people write them: another decimal sign, thousands separated, beside a unit, in parentheses."""

from __future__ import annotations

import re

import pyarrow as pa
import pyarrow.compute as pc

from .conventions import Conventions

PLAIN = r"^[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?$"
_MINUS = "\u2212|\u2012|\u2013"  # the signs that typesetters and word processors write
_BLANKS = " \u00a0\u2007\u2009\u202f"
_APOSTROPHES = "'\u2019"


def plainly(cells: pa.Array, conventions: Conventions) -> pa.Array:
    """The cells with each number as Arrow reads it: `−1.234,5 €` becomes `-1234.5`.

    What is no number remains none: a comma where the point is the decimal sign, groups that are not of three
    digits, another unit.
    """
    cells = pc.utf8_trim_whitespace(cells)
    cells = pc.replace_substring_regex(cells, rf"({_MINUS})", "-")
    cells = pc.replace_substring_regex(cells, r"^\(([^()+-]*)\)$", r"-\1")
    if conventions.unit is not None:
        cells = _without_unit(cells, conventions.unit)
    if conventions.thousands is not None:
        cells = _joined(cells, conventions.thousands, conventions.decimal)
    if conventions.decimal == ",":  # the two change places: a point is no decimal sign then
        cells = pc.replace_substring(cells, ".", "\0")
        cells = pc.replace_substring(pc.replace_substring(cells, ",", "."), "\0", ",")
    return cells


def are_numbers(cells: pa.Array, conventions: Conventions) -> pa.Array:
    """Which cells are numbers; null for null."""
    return pc.match_substring_regex(plainly(cells, conventions), PLAIN)


def _without_unit(cells: pa.Array, unit: str) -> pa.Array:
    unit = re.escape(unit)
    cells = pc.replace_substring_regex(cells, rf"^([+-]?)\s*{unit}[\s{_BLANKS}]*([+-]?)([\d.,])", r"\1\2\3")
    return pc.replace_substring_regex(cells, rf"([\d.,])[\s{_BLANKS}]*{unit}$", r"\1")


def _joined(cells: pa.Array, thousands: str, decimal: str) -> pa.Array:
    """Groups of digits without what stands between them."""
    signs = next((alike for alike in (_BLANKS, _APOSTROPHES) if thousands in alike), thousands)
    separator = f"[{re.escape(signs)}]"
    fraction = rf"({re.escape(decimal)}\d*)?$"
    grouped = rf"^[+-]?[1-9]\d{{0,2}}({separator}\d{{3}})+{fraction}"
    grouped += rf"|^[+-]?[1-9]\d?({separator}\d\d)+{separator}\d{{3}}{fraction}"  # 12,34,567 in India
    joined = pc.replace_substring_regex(cells, separator, "")
    return pc.if_else(pc.match_substring_regex(cells, grouped), joined, cells)
