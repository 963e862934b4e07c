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
from pathlib import Path
from typing import TYPE_CHECKING

from ..schema import MISSING, DatasetError, is_text
from .stream import open_stream

if TYPE_CHECKING:
    from _csv import Reader

SAMPLE = 1 << 18
DELIMITERS = ",;\t|"
MAX_COLUMNS = 10_000
MAX_NAME = 1000  # characters


def read_sample(path: Path, encoding: str) -> str:
    """The first whole lines as text."""
    with open_stream(path) as stream:
        data = stream.read(SAMPLE)
    text = codecs.getincrementaldecoder(encoding)("replace").decode(data, final=len(data) < SAMPLE)
    text = text.removeprefix("\ufeff")
    end = max(text.rfind("\n"), text.rfind("\r"))
    return text[: end + 1] if len(data) == SAMPLE and end > 0 else text


def find_delimiter(sample: str, quote: str | None) -> str:
    """The delimiter that cuts most rows into as many cells as the header, at least two."""

    def fit(delimiter: str) -> tuple[float, int]:
        widths = [len(row) for row in rows_of(sample, delimiter, quote)][:1000]
        header = widths[0] if widths else 0
        even = sum(width == header for width in widths) / max(len(widths), 1)
        return (even, header) if header > 1 else (0.0, 0)

    return max(DELIMITERS, key=fit)


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


def read_header(sample: str, delimiter: str, quote: str | None) -> list[str]:
    """The column names.

    Raises:
        DatasetError: for blank or repeated names, and for a first line of numbers only.
    """
    header = next((row for row in rows_of(sample, delimiter, quote) if row), [])
    names = [name.strip() for name in header]
    if names and all(_is_number(name) for name in names):
        message = (
            f"Expected column names in the first line. Received: only numbers ({_short(header, delimiter)})."
        )
        raise DatasetError("no_header", message, "Add a header line with the names of the columns.")
    check_names(names)
    return names


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
