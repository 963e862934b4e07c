"""Dates of a declared form, such as `%d.%m.%Y`, as ISO 8601."""

from __future__ import annotations

import re

import pyarrow as pa
import pyarrow.compute as pc

from .date_formats import MONTHS, PARTS

_TWO_DIGITS = 69  # POSIX: 69 to 99 are of the last century


def to_iso(cells: pa.Array, date_format: str) -> pa.Array:
    """The cells of the form as ISO 8601 to the second, others as they are. A part left out is its first.

    `%f` is dropped, as fractions of seconds are everywhere. ISO 8601 is left unread where the form is that
    with day and month changed.
    """
    found = pc.extract_regex(cells, pattern_of(date_format))
    names = [field.name for field in found.type]

    def part(name: str, default: str) -> pa.Array:
        return pc.utf8_lpad(pc.struct_field(found, name), 2, "0") if name in names else pa.scalar(default)

    year = pc.struct_field(found, "Y") if "Y" in names else _year(pc.struct_field(found, "y"))
    month = _month(pc.struct_field(found, "b")) if "b" in names else part("m", "01")
    day, hour, minute, second = part("d", "01"), part("H", "00"), part("M", "00"), part("S", "00")
    if "I" in names:
        hour = _hour(pc.struct_field(found, "I"), pc.struct_field(found, "p"))
    date = pc.binary_join_element_wise(year, month, day, "-")
    if {"H", "I"} & set(names):
        date = pc.binary_join_element_wise(date, pc.binary_join_element_wise(hour, minute, second, ":"), "T")
    if "z" in names:
        date = pc.binary_join_element_wise(date, pc.struct_field(found, "z"), "")
    others = pc.replace_substring(cells, "-", "/") if date_format.startswith("%Y-%d") else cells
    return pc.if_else(pc.is_valid(found), date, others)


def pattern_of(date_format: str) -> str:
    """The regular expression of a form, each part a group called by its letter."""
    pieces = re.split(r"%(.)", date_format)
    return (
        "^"
        + "".join(PARTS[piece] if position % 2 else re.escape(piece) for position, piece in enumerate(pieces))
        + "$"
    )


def _year(two: pa.Array) -> pa.Array:
    late = pc.greater_equal(pc.cast(two, pa.int32()), _TWO_DIGITS)
    return pc.binary_join_element_wise(pc.if_else(late, "19", "20"), two, "")


def _month(names: pa.Array) -> pa.Array:
    short = pc.utf8_slice_codeunits(pc.ascii_lower(names), 0, 3)
    number = pc.add(pc.index_in(short, pa.array(MONTHS)), 1)
    return pc.utf8_lpad(pc.cast(number, pa.string()), 2, "0")


def _hour(twelve: pa.Array, half: pa.Array) -> pa.Array:
    hour = pc.cast(twelve, pa.int32())
    hour = pc.if_else(pc.equal(hour, 12), 0, hour)
    late = pc.starts_with(pc.ascii_lower(half), "p")
    return pc.utf8_lpad(pc.cast(pc.if_else(late, pc.add(hour, 12), hour), pa.string()), 2, "0")
