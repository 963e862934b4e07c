"""The delimiter, quote and header of a CSV file, from its first 256 KB.

The decimal comma and thousands separators are not guessed: `1,5` in a file of semicolons is text, and a
notice says so.
"""

from __future__ import annotations

import codecs
import csv
import re
from collections.abc import Iterable
from io import StringIO
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

from ..conventions import MISSING
from ..errors import DatasetError, is_text
from .preamble import check_title, without
from .stream import open_stream

if TYPE_CHECKING:
    from _csv import Reader

SAMPLE = 1 << 18
DELIMITERS = ",;\t|"
MAX_COLUMNS = 10_000
MAX_NAME = 1000  # characters
_TITLE = 3  # lines
_EVEN = 0.9
MAX_LINE = 32 << 20  # bytes of the header


def read_sample(path: Path, encoding: str) -> str:
    """The first whole lines as text, more of them where the header alone is as long.

    Raises:
        DatasetError: for a first line that is longer than a row may be.
    """
    with open_stream(path) as stream:
        data, size = stream.read(SAMPLE), SAMPLE
        while len(data) == size and len(_lines(data, encoding, cut=True).splitlines()) < 2:
            if size >= MAX_LINE:
                received = f"a first line of more than {MAX_LINE >> 20} MB"
                message = f"Expected lines of at most {MAX_LINE >> 20} MB. Received: {received}."
                raise DatasetError("line_too_long", message, "Put each row on a line of its own.")
            data += stream.read(size)
            size *= 2
    return _lines(data, encoding, cut=len(data) == size)


def _lines(data: bytes, encoding: str, *, cut: bool) -> str:
    text = codecs.getincrementaldecoder(encoding)("replace").decode(data, final=not cut)
    text = text.removeprefix("\ufeff")
    end = max(text.rfind("\n"), text.rfind("\r"))
    return text[: end + 1] if cut and end > 0 else text


def find_delimiter(sample: str, quote: str | None) -> str:
    """The delimiter that cuts most rows into as many cells as the header, at least two.

    Where none cuts the first line, which may be a title, it is one that cuts the lines after it.
    """
    for above in range(_TITLE + 1):
        found, (even, _) = _fitting(without(sample, above), quote)
        if even > (_EVEN if above else 0.0):
            return found
    return DELIMITERS[0]


def _fitting(sample: str, quote: str | None) -> tuple[str, tuple[float, int]]:
    """The delimiter that fits best, the share of rows that are as wide as the first, and how wide that is."""

    def fit(delimiter: str) -> tuple[float, int]:
        widths = [len(row) for row in rows_of(sample, delimiter, quote)][:1000]
        header = widths[0] if widths else 0
        even = sum(width == header for width in widths) / max(len(widths), 1)
        return (even, header) if header > 1 else (0.0, 0)

    best = max(DELIMITERS, key=fit)
    return best, fit(best)


def find_quote(sample: str) -> str:
    """The single quote if cells begin and end with it and no double quote is about."""
    if '"' in sample:
        return '"'
    quoted = len(re.findall(r"(?m)(?:^|[,;\t|])'[^'\n]*'(?=[,;\t|\r]|$)", sample))
    return "'" if quoted > sample.count("\n") / 2 else '"'


def rows_of(lines: str | Iterable[str], delimiter: str, quote: str | None) -> Reader:
    """A reader of non-empty and empty rows as Python's csv module cuts them."""
    csv.field_size_limit(1 << 26)
    return csv.reader(
        StringIO(lines, newline="") if isinstance(lines, str) else lines,
        delimiter=delimiter,
        quotechar=quote,
        quoting=csv.QUOTE_MINIMAL if quote else csv.QUOTE_NONE,
    )


def read_header(
    sample: str, delimiter: str, quote: str | None, lines_before: int = 0
) -> tuple[list[str], list[str]]:
    """The column names, and which of them the header lacks: they are called `Unnamed: 0`, as pandas does.

    A name may lack where a program left it out: of the first column, which may be the index of the rows, and
    of the last ones, which delimiters at the ends of lines make. Their cells show whether they are that.

    Raises:
        DatasetError: for other blank names, repeated names, a first line of numbers only, and a title.
    """
    rows = (row for row in rows_of(sample, delimiter, quote) if row)
    header = next(rows, [])
    names = [name.strip() for name in header]
    first = list(islice(rows, 100))
    check_title(names, first, delimiter, lines_before)
    if names and all(_is_number(name) for name in names):
        message = (
            f"Expected column names in the first line. Received: only numbers ({_short(header, delimiter)})."
        )
        raise DatasetError("no_header", message, "Add a header line with the names of the columns.")
    if first and all(len(row) == len(names) + 1 and not row[-1].strip() for row in first):
        names.append("")  # delimiters at the ends of the rows alone
    places = _without_name(names)
    for place in places:
        names[place] = f"Unnamed: {place}"
    check_names(names)
    return names, [names[place] for place in places]


def _without_name(names: list[str]) -> list[int]:
    """The positions of blank names at the beginning and the end."""
    last = max((place for place, name in enumerate(names) if name), default=-1)
    if last < 0:
        return []
    return [*([0] if not names[0] else []), *range(last + 1, len(names))]


def check_names(names: list[str]) -> None:
    """Refuse names that are blank, repeated, too long, no text, or too many."""
    if len(names) > MAX_COLUMNS:
        raise DatasetError(
            "too_many_columns", f"Expected at most {MAX_COLUMNS} columns. Received: {len(names)}.", None
        )
    first: dict[str, int] = {}
    for position, name in enumerate(names, start=1):
        if not is_text(name) or len(name) > MAX_NAME:
            expected = f"a name of at most {MAX_NAME} characters, without NUL and halves of surrogate pairs"
            received = f"{name[:80]!r} ({len(name)} characters) for column {position}"
            error = {"row": None, "column": str(position), "expected": expected, "received": received}
            message = f"Expected {expected}, for every column. Received: {received}."
            raise DatasetError("unusable_column_name", message, "Rename the column.", [error])
        if not name.strip():
            message = f"Expected a name for every column. Received: none for column {position}."
            error = {"row": None, "column": str(position), "expected": "a name", "received": ""}
            raise DatasetError("blank_column_name", message, "Name the column in the header.", [error])
        if name in first:
            message = (
                f"Expected each column name once. Received: {name} for columns {first[name]} and {position}."
            )
            error = {"row": None, "column": name, "expected": "a name of its own", "received": name}
            raise DatasetError("duplicate_column_name", message, "Rename one of them.", [error])
        first[name] = position


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return cell not in MISSING


def _short(cells: list[str], delimiter: str) -> str:
    text = delimiter.join(cells)
    return text if len(text) <= 80 else text[:80] + "…"
