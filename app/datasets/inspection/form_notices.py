"""What should the uploader know of how cells are written: as numbers, dates, codes, words for missing?"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from app.datasets.inspection.advice import as_sent, fields
from app.datasets.inspection.columns import ColumnScan
from app.datasets.inspection.odd_cells import SHOWN, Odd, Outcome
from app.datasets.inspection.readings import Reading, best
from app.datasets.reading.cells import text_of
from app.datasets.reading.conventions import Conventions
from app.datasets.reading.dates import to_iso
from app.datasets.reading.numbers import plainly
from app.datasets.reading.profile import Notice
from app.datasets.reading.words import ColumnType

_SENT_WORDS = 20
_DAY = r"^(19|20)\d\d(0[1-9]|1[0-2])(0[1-9]|[12]\d|3[01])$"
_DAYS = 10
_LEADING_ZERO = r"^[+-]?0\d+$"
_CODE = re.compile(r"[+-]?0\d|\d{16}")
_EXPONENT = r"^[1-9]\d*[eE]\d+$"


def written_otherwise(column: ColumnScan, conventions: Conventions) -> Notice | None:
    """A column of text that is numbers or dates but for a few cells, or in another form."""
    outcome = column.odd.outcome() if column.odd and column.type == "category" else None
    if outcome is None:
        return None
    name = column.name
    if not outcome.readings:
        message = (
            f"The column {name} looks like times of day ({outcome.example}): it was read as text. Write "
            f"them as numbers, such as hours, or with their date. {as_names(name)}"
        )
        return Notice(code="mostly_dates", column=name, rows=_rows(outcome), message=message)
    reading = outcome.readings[0]
    options = reading.options(conventions)
    if reading.plain and not outcome.odd and conventions.numbers:
        return None  # such as numbers that are the names of classes
    if reading.plain and not outcome.odd and any(map(_CODE.match, column.tally.counts or [outcome.example])):
        return None  # a format that has numbers has these as texts, since they are codes
    send = _to_send(column, outcome, reading, options)
    but_for = f", but for {_listed(outcome)}" if outcome.odd else ""
    shown = "" if reading.plain and outcome.odd else f" ({outcome.example})"
    message = (
        f"The column {name} looks like {_described(reading, options)}{shown}{but_for}: it was read as text."
    )
    is_comma = options.get("decimal") == ","
    all_plain = reading.plain and not outcome.odd
    return Notice(
        code="mostly_dates"
        if reading.type == "date"
        else "decimal_comma"
        if is_comma
        else "numbers_as_text"
        if all_plain
        else "mostly_numbers",
        column=name,
        rows=_rows(outcome),
        message=f"{message} {_advice(outcome, send, column, conventions)} {as_names(name)}",
        send=send or None,
    )


def _described(reading: Reading, options: dict[str, Any]) -> str:
    if reading.type == "date":
        form = options.get("date_format")
        return f"dates of the form {form}" if form else "dates"
    parts = []
    if options.get("decimal") == ",":
        parts.append("a decimal comma")
    if "thousands" in options:
        parts.append(f"thousands separated by {options['thousands']!r}")
    if "unit" in options:
        parts.append(f"the unit {options['unit']}")
    if not parts and not reading.plain:
        return "numbers with signs or blanks of a word processor, or in parentheses"
    return "numbers" + (f" with {' and '.join(parts)}" if parts else "")


def _to_send(
    column: ColumnScan, outcome: Outcome, reading: Reading, options: dict[str, Any]
) -> dict[str, str]:
    """The fields that make the column be read; none where too many cells are odd."""
    if outcome.unlisted or len(outcome.odd) > _SENT_WORDS:
        return {}
    values: dict[str, Any] = {option: {column.name: value} for option, value in options.items()}
    if not options and (not reading.plain or not outcome.odd):
        values["types"] = {column.name: reading.type}
    if outcome.odd:
        values["missing"] = {column.name: [*column.words, *outcome.odd]}
        values.setdefault("types", {column.name: reading.type})
    return fields(**values)


def _advice(outcome: Outcome, send: dict[str, str], column: ColumnScan, conventions: Conventions) -> str:
    kind = f"{outcome.readings[0].type}s"
    if not send:
        return f"Correct these cells, and it is read as {kind}."
    if outcome.odd:
        words = "that means" if len(outcome.odd) == 1 else "these mean"
        text = f"If {words} missing, send {as_sent(send)}; if the row is one of totals or units, delete it."
    else:
        text = f"Send {as_sent(send)} to read it as {kind}."
    for other in outcome.readings[1:2]:
        instead = as_sent(_to_send(column, outcome, other, other.options(conventions)))
        text += f" That makes {_value(outcome.example, outcome.readings[0])} of {outcome.example}; "
        text += f"if it is {_value(outcome.example, other)}, send {instead} instead."
    return text


def _value(cell: str, reading: Reading) -> str:
    cells = pa.array([cell])
    if reading.type == "number":
        return str(plainly(cells, reading.conventions)[0].as_py())
    return str(to_iso(cells, reading.conventions.date_format or "%Y-%m-%d")[0].as_py())


def as_names(column: str) -> str:
    """What to send where values that look like numbers or dates are names."""
    return f"If its values are names, send {as_sent(fields(types={column: 'category'}))}."


def _listed(outcome: Outcome) -> str:
    shown = [f"{cell[:40]!r} ({_places(odd)})" for cell, odd in list(outcome.odd.items())[:SHOWN]]
    more = len(outcome.odd) - len(shown)
    return ", ".join(shown) + (f" and {more}{' or more' if outcome.unlisted else ''} others" if more else "")


def _places(odd: Odd) -> str:
    rows = ", ".join(map(str, odd.rows))
    more = odd.count - len(odd.rows)
    return f"row{'s' if odd.count > 1 else ''} {rows}" + (f" and {more} more" if more else "")


def _rows(outcome: Outcome) -> list[int] | None:
    rows = sorted({row for odd in outcome.odd.values() for row in odd.rows})
    return rows[:SHOWN] or ([outcome.example_row] if outcome.example_row else None)


def hint_for(cell: str, name: str, column_type: ColumnType, conventions: Conventions) -> str | None:
    """What to send so that a cell is read as the type, where another form is all that keeps it from that."""
    readings, _ = best([cell], [1], conventions)
    options = readings[0].options(conventions) if readings and readings[0].type == column_type else {}
    options = {option: value for option, value in options.items() if value is not None}
    changed = conventions.model_copy(update=options)
    if not options or not Reading(readings[0].type, changed).reads(pa.array([cell]))[0].as_py():
        return None
    return f"Send {as_sent(fields(**{option: {name: value} for option, value in options.items()}))}."


def hint_for_missing(cell: str, name: str, conventions: Conventions) -> str:
    """What to send so that a cell is missing, beside the words that are."""
    words = [word for word in conventions.missing if word]
    return f"If it means missing, send {as_sent(fields(missing={name: [*words, cell]}))}."


def missing_words(column: ColumnScan, *, is_label: bool) -> Notice | None:
    """Words of a column of text that were read as missing, and may be values."""
    if not column.words or column.type != "category":
        return None
    listed = ", ".join(f"{word!r} ({_places(odd)})" for word, odd in column.words.items())
    rows = sorted({row for odd in column.words.values() for row in odd.rows})[:SHOWN]
    lost = "; these rows have no label" if is_label else ""
    send = fields(missing={column.name: []})
    message = (
        f"Cells of the column {column.name} were read as missing: {listed}{lost}. If these are "
        f"values, send {as_sent(send)}: then only its empty cells are missing."
    )
    return Notice(code="missing_words", column=column.name, rows=rows, message=message, send=send)


@dataclass
class Codes:
    """Cells that are numbers and may be codes, since a number is written otherwise; counted at the head."""

    zeros: Odd = field(default_factory=Odd)
    exponents: Odd = field(default_factory=Odd)
    cells: dict[str, str] = field(default_factory=dict)  # an example of each


def find_codes(cells: pa.Array) -> Codes | None:
    """The cells of a column of numbers, as text, that are codes perhaps."""
    trimmed = pc.ascii_trim_whitespace(cells)
    if not pc.any(pc.match_substring_regex(trimmed, f"{_LEADING_ZERO}|{_EXPONENT}")).as_py():
        return None
    codes = Codes()
    for name, pattern in (("zeros", _LEADING_ZERO), ("exponents", _EXPONENT)):
        where = pc.indices_nonzero(pc.match_substring_regex(trimmed, pattern))
        if len(where):
            odd: Odd = getattr(codes, name)
            odd.count, odd.rows = len(where), [row + 1 for row in where[:SHOWN].to_pylist()]
            codes.cells[name] = trimmed[odd.rows[0] - 1].as_py()
    return codes


def codes_as_numbers(name: str, codes: Codes) -> list[Notice]:
    """What was lost of them."""
    found = []
    send = fields(types={name: "category"})
    for kind, cell in codes.cells.items():
        odd: Odd = getattr(codes, kind)
        number = text_of(pc.cast(pa.array([cell]), pa.float64()))[0].as_py()
        message = (
            f"The column {name} was read as numbers: {cell} became {number} ({_places(odd)}). If these are "
            f"codes or names, send {as_sent(send)}."
        )
        zeros = kind == "zeros"
        found.append(
            Notice(
                code="leading_zeros" if zeros else "exponents",
                column=name,
                rows=odd.rows,
                message=message,
                send=send,
            )
        )
    return found


def days_as_numbers(column: ColumnScan, values: pa.Array) -> Notice | None:
    """Numbers such as 20240131 that are days in every row."""
    low, high = column.moments.low, column.moments.high
    if column.type != "number" or not column.moments.whole or not 19000101 <= low <= high <= 20991231:
        return None
    texts = text_of(values.drop_null())
    is_day = re.compile(_DAY).match
    if pc.count_distinct(texts).as_py() < _DAYS or not all(map(is_day, texts.to_pylist())):
        return None
    send = fields(date_format={column.name: "%Y%m%d"})
    message = (
        f"The column {column.name} looks like dates ({texts[0].as_py()}): it was read as numbers. Send "
        f"{as_sent(send)} to read it as dates."
    )
    return Notice(code="mostly_dates", column=column.name, rows=[1], message=message, send=send)
