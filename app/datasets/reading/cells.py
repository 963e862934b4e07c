"""A column's cells as values of one type, or the first cell that is not of it.

Values: number float64, boolean bool, date timestamp[s] (UTC where a zone is given; the first or last second
of the years 1 to 9999 for what is beyond them), category string; null where missing. Cells come as text
(string), or typed: int64, float64, bool, timestamp[s], null.
"""

from __future__ import annotations

import ast
import json
import math
import re
from collections.abc import Callable
from contextlib import suppress
from itertools import accumulate

import pyarrow as pa
import pyarrow.compute as pc

from .conventions import Conventions
from .dates import to_iso
from .errors import DatasetError
from .levels import scaled
from .numbers import plainly
from .words import BETWEEN, LISTS, ColumnType

TYPES: tuple[ColumnType, ...] = ("number", "boolean", "date", "category")
EXPECTED: dict[ColumnType, str] = {
    "number": "a finite number, such as 3 or -0.5e3",
    "boolean": "true, false, yes, no, t, f, 1 or 0",
    "date": "an ISO 8601 date or timestamp, such as 2024-12-31 or 2024-12-31T23:59:00",
    "category": "text",
    "text": "text",
    "image": "an image",
    "nucleotide": "letters of DNA or RNA",
    "protein": "letters of amino acids",
}
_TRUE, _FALSE = pa.array(["true", "yes", "t"]), pa.array(["false", "no", "f"])
ISO = r"^\d{4}-\d\d-\d\d([T ]\d\d:\d\d(:\d\d([.,]\d+)?)?( ?(Z|[+-]\d\d(:?\d\d)?))?)?$"
_QUOTED_ITEM = re.compile(r"""'(?:[^'\\\n]|\\.)*'|"(?:[^"\\\n]|\\.)*\"""")
_QUOTED_ITEMS = re.compile(rf"(?:{_QUOTED_ITEM.pattern})(?:\s+(?:{_QUOTED_ITEM.pattern}))+")
_NUMBERS = re.compile(r"[-+.\deE\s]+")
_EXACT_INTEGERS = 2.0**53
_HEAD = 100
_YEARS = (-62135596800, 253402300799)
"""The first and the last second of the years that are written with four digits, since 1970."""


class BadCell(Exception):
    """The cell at `index` is not of the type. `infinite`: it is a number, but not a finite one."""

    def __init__(self, index: int, infinite: bool = False) -> None:
        super().__init__(f"cell {index}")
        self.index = index
        self.infinite = infinite


def convert(
    cells: pa.Array, column_type: ColumnType, conventions: Conventions, *, strict: bool = False
) -> pa.Array:
    """The cells as values of `column_type`, text as `conventions` say.

    Args:
        strict: numbers are those of keyboards alone, since the column was found to hold them; where it was
            said to, `−5` and `(5)` are numbers as well.

    Raises:
        BadCell: for the first cell that is not of the type.
    """
    if pa.types.is_string(cells.type):
        if column_type == "number":
            return _parse_numbers(cells, conventions, strict)
        return _PARSERS[column_type](cells, conventions)
    if column_type == "date" and conventions.date_format is not None and _is_number(cells.type):
        return _parse_dates(text_of(cells), conventions)
    if column_type == "category":
        return text_of(cells)
    if column_type == "number" and not pa.types.is_timestamp(cells.type):
        return _finite(pc.cast(cells, pa.float64(), safe=False))
    if column_type == "boolean" and _is_number(cells.type):
        return _zero_or_one(cells)
    if cells.null_count == len(cells):
        return pa.nulls(len(cells), pa.bool_() if column_type == "boolean" else pa.timestamp("s"))
    if (column_type == "boolean") != pa.types.is_boolean(cells.type) or _is_number(cells.type):
        raise BadCell(_first(pc.is_valid(cells)))
    return _of_four_digits(cells) if column_type == "date" else cells


def feature(cells: pa.Array, column_type: ColumnType, conventions: Conventions) -> pa.Array:
    """Cells as a network reads them: number float64, boolean bool, image binary, all else string.

    Null is missing.

    Raises:
        BadCell: for the first cell that is not of the type.
    """
    if column_type == "image":
        return cells if conventions.levels is None else scaled(cells, conventions.levels)
    if column_type == "text":
        return texts(cells)
    if column_type in ("nucleotide", "protein"):
        return sequences(cells)
    values = convert(cells, column_type, conventions)
    return text_of(values) if column_type in ("category", "date") else values


def infer(cells: pa.Array, conventions: Conventions) -> ColumnType | None:
    """The narrowest type that all cells are of; None if none is there.

    Raises:
        BadCell: for a number that is not finite.
    """
    if not pa.types.is_string(cells.type):
        return _typed(cells)
    cells = trim(cells, conventions)
    if cells.null_count == len(cells):
        return None
    if conventions.date_format is not None and _misfit(cells, "date", conventions) is None:
        return "date"  # 20240102 is a number as well
    for candidate in TYPES if conventions.numbers else TYPES[1:]:
        bad = _misfit(cells[:_HEAD], candidate, conventions)
        if bad is None or bad.infinite:  # it may be: columns that are not mostly show it in their first cells
            bad = _misfit(cells, candidate, conventions)
        if bad is None:
            return candidate
        if bad.infinite:
            raise bad
    raise AssertionError("every text is a category")


def _misfit(cells: pa.Array, candidate: ColumnType, conventions: Conventions) -> BadCell | None:
    """A cell that is not of the type, unless all are."""
    if candidate == "boolean" and not only_words(cells, conventions):
        return BadCell(0)
    try:
        convert(cells, candidate, conventions, strict=True)
    except BadCell as bad:
        return bad
    return None


def _typed(cells: pa.Array) -> ColumnType | None:
    if cells.null_count == len(cells):
        return None
    if pa.types.is_boolean(cells.type):
        return "boolean"
    return "date" if pa.types.is_timestamp(cells.type) else "number"


def trim(cells: pa.Array, conventions: Conventions) -> pa.Array:
    """Text without surrounding blanks, null where it means missing."""
    cells = pc.ascii_trim_whitespace(cells)
    absent = pc.is_in(cells, pa.array(conventions.missing, pa.string()))
    return pc.if_else(absent, pa.scalar(None, pa.string()), cells) if pc.any(absent).as_py() else cells


def text_of(values: pa.Array) -> pa.Array:
    """Values as text: whole numbers without a point, true and false, dates as ISO 8601 to the second."""
    if pa.types.is_floating(values.type):
        return _number_text(values)
    if pa.types.is_timestamp(values.type):
        return _date_text(values)
    return pc.cast(values, pa.string())


def _number_text(values: pa.Array) -> pa.Array:
    whole = pc.and_(pc.equal(values, pc.floor(values)), pc.less(pc.abs(values), _EXACT_INTEGERS))
    integers = pc.cast(pc.if_else(whole, values, 0.0), pa.int64())
    return pc.if_else(whole, pc.cast(integers, pa.string()), pc.cast(values, pa.string()))


def _date_text(values: pa.Array) -> pa.Array:
    text = pc.replace_substring(pc.cast(values, pa.string()), " ", "T")
    midnight = pc.ends_with(text, "T00:00:00")
    return pc.if_else(midnight, pc.utf8_slice_codeunits(text, 0, 10), text)


def _parse_numbers(cells: pa.Array, conventions: Conventions, strict: bool) -> pa.Array:
    as_arrow = conventions.decimal == "." and conventions.thousands is None and conventions.unit is None
    if as_arrow and conventions.plain_numbers:
        with suppress(pa.ArrowInvalid):
            return _finite(pc.cast(cells, pa.float64()))
    cells = trim(cells, conventions)
    if as_arrow:
        with suppress(pa.ArrowInvalid):
            return _finite(pc.cast(cells, pa.float64()))
    if not as_arrow or not strict:
        cells = plainly(cells, conventions)
    try:
        return _finite(pc.cast(cells, pa.float64()))
    except pa.ArrowInvalid:
        raise BadCell(_first_failing(cells, lambda part: pc.cast(part, pa.float64()))) from None


def _finite(values: pa.Array) -> pa.Array:
    total = pc.sum(values).as_py()
    if total is None or math.isfinite(total):
        return values
    values = pc.if_else(pc.is_nan(values), pa.scalar(None, pa.float64()), values)
    infinite = pc.is_inf(values)
    if pc.any(infinite).as_py():
        raise BadCell(_first(infinite), infinite=True)
    return values


def _parse_booleans(cells: pa.Array, conventions: Conventions) -> pa.Array:
    words = pc.ascii_lower(trim(cells, conventions))
    yes = pc.or_(pc.is_in(words, _TRUE), pc.equal(words, "1"))
    no = pc.or_(pc.is_in(words, _FALSE), pc.equal(words, "0"))
    bad = pc.and_(pc.is_valid(words), pc.invert(pc.fill_null(pc.or_(yes, no), False)))
    if pc.any(bad).as_py():
        raise BadCell(_first(bad))
    return pc.if_else(pc.is_valid(words), yes, pa.scalar(None, pa.bool_()))


def only_words(cells: pa.Array, conventions: Conventions) -> bool:
    """Whether booleans are written as words: 1 and 0 are read as booleans only where they are declared so."""
    if not pa.types.is_string(cells.type):
        return True
    words = pc.ascii_lower(trim(cells, conventions))
    known = pc.or_(pc.or_(pc.is_in(words, _TRUE), pc.is_in(words, _FALSE)), pc.is_null(words))
    return bool(pc.all(known, min_count=0).as_py())


def _zero_or_one(cells: pa.Array) -> pa.Array:
    bad = pc.invert(pc.is_in(cells, pa.array([0, 1, None], cells.type)))
    if pc.any(bad).as_py():
        raise BadCell(_first(bad))
    return pc.equal(cells, pa.scalar(1, cells.type))


def _parse_dates(cells: pa.Array, conventions: Conventions) -> pa.Array:
    # Days repeat, and each costs as much as twenty numbers.
    known = pc.dictionary_encode(cells)
    if 2 * len(known.dictionary) > len(cells):
        return _parse_different_dates(cells, conventions)
    try:
        return _parse_different_dates(known.dictionary, conventions).take(known.indices)
    except (
        BadCell
    ) as bad:  # the dictionary is in the order of the cells: the first bad one is the first in both
        raise BadCell(int(pc.index(known.indices, bad.index).as_py())) from None


def _parse_different_dates(cells: pa.Array, conventions: Conventions) -> pa.Array:
    cells = trim(cells, conventions)
    if conventions.date_format is not None:
        cells = to_iso(cells, conventions.date_format)
    bad = pc.invert(pc.match_substring_regex(cells, ISO))
    if pc.any(bad).as_py():
        raise BadCell(_first(bad))
    try:
        return _timestamps(cells)
    except pa.ArrowInvalid:  # the form is right, the day does not exist: 2024-02-30
        raise BadCell(_first_failing(cells, _timestamps)) from None


def _timestamps(cells: pa.Array) -> pa.Array:
    cells = pc.replace_substring_regex(cells, r"[.,]\d+", "")
    cells = pc.replace_substring_regex(cells, r" ?(Z|[+-]\d\d(:?\d\d)?)$", r"\1")
    zoned = pc.match_substring_regex(cells, r":\d\d(Z|[+-]\d\d(:?\d\d)?)$")
    nothing = pa.scalar(None, pa.string())
    local = pc.cast(pc.if_else(zoned, nothing, cells), pa.timestamp("s"))
    if not pc.any(zoned).as_py():
        return _of_four_digits(local)
    universal = pc.cast(pc.if_else(zoned, cells, nothing), pa.timestamp("s", "UTC"))
    return _of_four_digits(pc.coalesce(local, pc.cast(universal, pa.timestamp("s"))))


def _of_four_digits(values: pa.Array) -> pa.Array:
    """Dates of no other years than 1 to 9999: 9999-12-31T23:00:00-05:00 is in the year 10000 in UTC."""
    seconds = pc.cast(values, pa.int64())
    ends = pc.min_max(seconds).as_py()
    first, last = _YEARS
    if ends["min"] is None or (ends["min"] >= first and ends["max"] <= last):
        return values
    kept = pc.min_element_wise(pc.max_element_wise(seconds, first, skip_nulls=False), last, skip_nulls=False)
    return pc.cast(kept, values.type)


def _parse_categories(cells: pa.Array, conventions: Conventions) -> pa.Array:
    return trim(cells, conventions)


def _is_number(data_type: pa.DataType) -> bool:
    return bool(pa.types.is_floating(data_type) or pa.types.is_integer(data_type))


def _first(mask: pa.Array) -> int:
    return int(pc.index(mask, True).as_py())


def _first_failing(cells: pa.Array, parse: Callable[[pa.Array], pa.Array]) -> int:
    """By halving: `parse` fails on `cells[low:high]` throughout, and on nothing before `low`."""
    low, high = 0, len(cells)
    while high - low > 1:
        middle = (low + high) // 2
        try:
            parse(cells.slice(low, middle - low))
            low = middle
        except pa.ArrowInvalid:
            high = middle
    return low


_PARSERS: dict[ColumnType, Callable[[pa.Array, Conventions], pa.Array]] = {
    "boolean": _parse_booleans,
    "date": _parse_dates,
    "category": _parse_categories,
}


def joined(lists: pa.Array, name: str) -> pa.Array:
    """Lists of single values as one text each, the items behind `BETWEEN`; null for null.

    An empty list is `BETWEEN` alone, a row with none of the labels. Items that are null count as none.

    Raises:
        DatasetError: an item holds `BETWEEN`.
    """
    items = pc.fill_null(text_of(pc.list_flatten(lists)), "")
    if pc.any(pc.match_substring(items, BETWEEN)).as_py():
        message = f"Expected labels without the character U+FDD0, which is no text. Received: one, in {name}."
        raise DatasetError("unsupported_label", message, "Leave the character out.")
    lengths = pc.cast(pc.fill_null(pc.list_value_length(lists), 0), pa.int32())
    ends = pa.concat_arrays([pa.array([0], pa.int32()), pc.cumulative_sum(lengths)])
    texts = pc.binary_join(pa.ListArray.from_arrays(ends, items), BETWEEN)
    marked = pc.binary_join_element_wise(pa.scalar(BETWEEN), texts, "")
    return pc.if_else(pc.is_valid(lists), marked, pa.scalar(None, pa.string()))


def as_lists(cells: pa.Array) -> list[list[str] | None]:
    """The lists that `joined` made texts of, for people to see."""
    return [
        None if cell is None else [item for item in cell.split(BETWEEN) if item] for cell in cells.to_pylist()
    ]


def several(cells: pa.Array, separator: str) -> pa.Array:
    """The labels of each row, as lists of strings: stripped, none empty; null for an empty cell."""
    marks, rows = marks_of(cells, separator)
    counts = pc.value_counts(rows)
    sizes = [0] * len(cells)
    for row, count in zip(counts.field(0).to_pylist(), counts.field(1).to_pylist(), strict=True):
        sizes[row] = count
    ends = list(accumulate(sizes, initial=0))
    missing = pc.is_null(cells).to_pylist()
    offsets = pa.array([None if none else end for none, end in zip(missing, ends, strict=False)] + ends[-1:])
    return pa.ListArray.from_arrays(offsets.cast(pa.int32()), marks)


def marks_of(cells: pa.Array, separator: str) -> tuple[pa.Array, pa.Array]:
    """The single labels of all rows, one after the other, and the row of each."""
    if separator == LISTS:
        cells, separator = _listed(cells), BETWEEN
    pieces = pc.split_pattern(pc.cast(cells, pa.string()), separator)
    rows, marks = pc.list_parent_indices(pieces), pc.utf8_trim_whitespace(pc.list_flatten(pieces))
    there = pc.not_equal(marks, "")
    return marks.filter(there), rows.filter(there)


def _listed(cells: pa.Array) -> pa.Array:
    """Lists that were written as text, `['a', 'b']` or `["a", "b"]`, as `joined` has them."""
    known = pc.dictionary_encode(pc.cast(cells, pa.string()))
    found = pa.array([BETWEEN.join(_items(cell)) for cell in known.dictionary.to_pylist()], pa.string())
    return found.take(known.indices)


def _items(cell: str) -> list[str]:
    """As JSON, Python, NumPy (blanks between quoted items) and PostgreSQL (braces, no quotes) write lists."""
    cell = cell.strip()
    inner = cell[1:-1].strip()
    if _QUOTED_ITEMS.fullmatch(inner):
        return [str(ast.literal_eval(item)) for item in _QUOTED_ITEM.findall(inner)]
    for read in (json.loads, ast.literal_eval):
        with suppress(ValueError, SyntaxError, MemoryError, RecursionError):
            items = read(cell)
            if isinstance(items, list | tuple | set):
                return [str(item) for item in items if item is not None]
    if (cell[:1], cell[-1:]) not in (("[", "]"), ("{", "}")):
        return [cell]
    apart = inner.split(",") if "," in inner or not _NUMBERS.fullmatch(inner) else inner.split()
    return [item.strip().strip("'\"") for item in apart]


def texts(cells: pa.Array) -> pa.Array:
    """Cells as text, null where nothing but blanks is there."""
    values = pc.cast(cells, pa.string())
    blank = pc.equal(pc.utf8_trim_whitespace(values), "")
    return pc.if_else(pc.fill_null(blank, True), pa.scalar(None, pa.string()), values)


def sequences(cells: pa.Array) -> pa.Array:
    """Cells as upper-case letters without blanks, null where nothing is there."""
    values = pc.utf8_upper(pc.replace_substring_regex(pc.cast(cells, pa.string()), r"\s+", ""))
    return pc.if_else(pc.equal(values, ""), pa.scalar(None, pa.string()), values)
