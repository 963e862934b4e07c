"""CSV in any sane dialect: delimiters `, ; tab |`, quotes, newlines in quotes, UTF-8, UTF-16 and others.

Cells come as the text they are, the empty cell as the empty text. Empty lines are skipped.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Collection, Generator, Iterator
from contextlib import closing
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import pyarrow as pa

from ..conventions import Conventions
from ..declaration import Declaration
from ..description import ReadOptions
from ..errors import DatasetError
from ..limits import Limits
from .dialect import check_names, find_delimiter, find_quote, read_header, read_sample, rows_of
from .parsing import Parser, Ragged, Stream
from .preamble import are_header, find_preamble, title_line, without
from .quotes import Quotes
from .stream import (
    Watched,
    find_compression,
    find_encoding,
    has_byte,
    may_be_utf8,
    open_stream,
)

BLOCK = 4 << 20
_COLUMN_BLOCK = 1 << 13  # each column costs some time a batch
_MAX_BLOCK = 32 << 20
_COMMENTS = ("#", "//", "%", "--")
_QUOTES = {"double": '"', "single": "'", "none": None}
_SEARCHED = 1_000_000  # rows: to find a line, Python reads the file again


def recognise(path: Path, declaration: Declaration, limits: Limits | None = None) -> ReadOptions:
    """How to read the file: encoding, delimiter, quote and names, found or as declared."""
    encoding = find_encoding(path, declaration.encoding, limits)
    sample = read_sample(path, encoding)
    quote = _quote(sample, declaration)
    quote = quote if quote and has_byte(path, quote.encode()) else None
    return _options(path, declaration, sample, encoding, quote)


@dataclass(frozen=True)
class Glance:
    """How to read the file, by its head alone; reading it shows whether its other bytes are of the kind."""

    options: ReadOptions
    absent: bytes | None  # the quote, where the head has none

    def watch(self, stream: Stream) -> Stream:
        """The stream, which raises `Misjudged` where it is no UTF-8, or has the quote."""
        return Watched(stream, self.absent)


def glance(path: Path, declaration: Declaration) -> Glance | None:
    """What `recognise` will say, most likely, by the file's head alone; None where that is hard to tell."""
    if not may_be_utf8(path, declaration.encoding):
        return None
    sample = read_sample(path, "utf-8")
    quote = _quote(sample, declaration)
    found = quote if quote and quote in sample else None
    absent = quote.encode() if quote and not found else None
    return Glance(_options(path, declaration, sample, "utf-8", found), absent)


def _quote(sample: str, declaration: Declaration) -> str | None:
    return find_quote(sample) if declaration.quote is None else _QUOTES[declaration.quote]


def _options(
    path: Path, declaration: Declaration, sample: str, encoding: str, quote: str | None
) -> ReadOptions:
    if declaration.columns:
        return _headless(path, declaration, sample, encoding, quote)
    before, named = find_preamble(sample)
    sample = without(sample, len(before))
    delimiter = declaration.delimiter or named or find_delimiter(sample, quote)
    columns, unnamed = read_header(sample, delimiter, quote, len(before))
    if sum(bool(row) for row in islice(rows_of(sample, delimiter, quote), 1000)) == 1:
        raise DatasetError(
            "no_rows", "Expected a header and at least one row. Received: no row.", "Upload a file with rows."
        )
    return ReadOptions(
        columns=columns,
        unnamed=unnamed,
        before=before,
        compression=find_compression(path),
        encoding=encoding,
        delimiter=delimiter,
        quote=quote,
    )


def _headless(
    path: Path, declaration: Declaration, sample: str, encoding: str, quote: str | None
) -> ReadOptions:
    """Of a file whose first line is a row already."""
    delimiter = declaration.delimiter or find_delimiter(sample, quote)
    columns = [name.strip() for name in declaration.columns]
    check_names(columns)
    first = next((row for row in rows_of(sample, delimiter, quote) if row), [])
    if len(first) != len(columns):
        expected = f"{len(columns)} cells in the first line, as `columns` names"
        received = f"{len(first)}: {delimiter.join(first)[:80]}"
        error = {"row": 1, "line": 1, "column": None, "expected": expected, "received": received}
        message = f"Expected {expected}. Received: {received}."
        hint = "Name all columns in their order (those that are not needed, too), or declare the `delimiter`."
        raise DatasetError("ragged_row", message, hint, [error])
    return ReadOptions(
        columns=columns,
        headless=True,
        compression=find_compression(path),
        encoding=encoding,
        delimiter=delimiter,
        quote=quote,
    )


class NotNumbers(Exception):
    """A column that was to be read as numbers holds something else."""


def open_batches(
    path: Path,
    options: ReadOptions,
    numbers: Collection[str] = (),
    conventions: Conventions | None = None,
    *,
    trusted: bool = True,
    glance: Glance | None = None,
) -> Generator[pa.RecordBatch]:
    """Batches of text columns of about 4 MB, more for more than 512 columns.

    Close it where it is not read to its end: left to the garbage collector, threads end at any odd moment.

    Args:
        numbers: columns to read as float64 at once, much faster than by way of text.
        conventions: how `numbers` are written, which words among them are null.
        trusted: the file was inspected before, or its quotes were declared; else stray ones are refused.
        glance: where `options` come of, if the file was not yet read as a whole.

    Raises:
        NotNumbers: if one of `numbers` is none.
        Misjudged: if the file is not what `glance` took it for.
        DatasetError: for rows that are too short or too long, a quote that never closes, and stray ones.
    """
    block = min(max(BLOCK, _COLUMN_BLOCK * len(options.columns)), _MAX_BLOCK)
    quotes = None if trusted or options.quote is None else Quotes(path, options)
    parser = Parser(options, numbers, conventions or Conventions(), block, quotes)
    last, checked = None, False
    try:
        with open_stream(path) as stream:
            source = glance.watch(stream) if glance else stream
            with closing(parser.batches(source)) as batches:
                for batch in batches:
                    last = batch[-1][-1].as_py() if batch.num_rows else last
                    if quotes and quotes.suspect and not checked:
                        quotes.check()
                        checked = True
                    yield _wanted(batch, options)
    except Ragged as error:
        raise _ragged(path, options, error.rows) from None
    except (pa.ArrowInvalid, UnicodeError, OSError) as error:
        if numbers:
            raise NotNumbers from error
        raise _unreadable(path, options, error) from error
    finally:
        if quotes:
            quotes.close()
    if isinstance(last, str) and "\n" in last and not _ends_with_quote(path, options):
        raise _never_closed(*_last_row(path, options))


def _wanted(batch: pa.RecordBatch, options: ReadOptions) -> pa.RecordBatch:
    """The batch without the last column, which is always read, where that is ignored."""
    names = batch.schema.names
    return batch.select(names[:-1]) if names[-1] in options.ignored else batch


def _unreadable(path: Path, options: ReadOptions, error: Exception) -> DatasetError:
    if "straddling" in str(error):
        line = _long_line(path, options)
        return _never_closed(line) if line else _never_closed(*_longest_row(path, options))
    message = f"Expected rows of delimited cells. Received: {error}."
    return DatasetError("unreadable_csv", message, "Check the file's delimiter, quotes and encoding.")


def _last_row(path: Path, options: ReadOptions) -> tuple[int | None, int | None]:
    """The line on which the last row starts, and its number."""
    row = line = None
    for row, line, _ in islice(_numbered(path, options), _SEARCHED):  # noqa: B007
        pass
    return line, row


def _longest_row(path: Path, options: ReadOptions) -> tuple[int | None, int | None]:
    """The line on which the longest row starts, and its number; nothing where Python cannot cut it either."""
    rows = islice(_numbered(path, options), _SEARCHED)
    try:
        row, line, _ = max(rows, key=lambda found: sum(map(len, found[2])), default=(None, None, []))
    except csv.Error:
        return None, None
    return line, row


def _opens(text: str, delimiter: str, quote: str) -> bool:
    """Whether a row has a quote that opens a cell and is not closed."""
    begins = text.startswith(quote) or f"{delimiter}{quote}" in text
    return begins and text.count(quote) % 2 == 1


def _never_closed(line: int | None = None, row: int | None = None) -> DatasetError:
    """`line` is that of a row that is too long by itself, or that of `row`, the last."""
    received = "a quote that opens and does not close, or a longer row"
    if row is not None:
        received = f"a quote that opens and does not close, in row {row}, which begins on line {line}"
    elif line is not None:
        received = f"more in line {line}"
    message = f"Expected rows of at most 4 MB whose quotes close. Received: {received}."
    hint = (
        "Double each quote inside a quoted cell, and close the cell; send `-F quote=none` if quotes are "
        "ordinary characters of the texts."
    )
    error = {"row": row, "line": line, "column": None, "expected": "at most 4 MB", "received": received}
    return DatasetError("unclosed_quote", message, hint, [error] if line else [])


def _long_line(path: Path, options: ReadOptions) -> int | None:
    """The first line of the file that is longer than a row may be."""
    with open_stream(path) as stream:
        number, length = 1, 0
        while chunk := stream.read(1 << 20):
            first, *others = chunk.split(b"\n")
            if length + len(first) > BLOCK:
                return number
            length = len(others[-1]) if others else length + len(first)
            number += len(others)
    return None


def _ends_with_quote(path: Path, options: ReadOptions) -> bool:
    """Arrow takes the end of the file for the end of a quoted cell; a cell with newlines shows it."""
    tail = b""
    with open_stream(path) as stream:
        if options.compression is None:
            stream.seek(max(stream.size() // 4 * 4 - 4096, 0))
        while chunk := stream.read(1 << 20):
            tail = (tail + chunk)[-4096:]
    text = tail.decode(options.encoding or "utf-8", errors="ignore")
    return text.rstrip().endswith(options.quote or '"')


def _ragged(path: Path, options: ReadOptions, rows: list[Any]) -> DatasetError:
    if options.quote and _opens(rows[-1].text, options.delimiter or ",", options.quote):
        return _never_closed(*_last_row(path, options))
    width = len(options.columns)
    uneven = ((row, line, cells) for row, line, cells in _numbered(path, options) if len(cells) != width)
    errors = [
        {
            "row": row,
            "line": line,
            "column": None,
            "expected": f"{width} cells",
            "received": f"{len(cells)} {'cell' if len(cells) == 1 else 'cells'}: "
            + (options.delimiter or ",").join(cells)[:80],
        }
        for row, line, cells in islice(uneven, len(rows))
    ]
    where = f"row {errors[0]['row']} (line {errors[0]['line']})" if errors else f"`{rows[0].text[:80]}`"
    message = (
        f"Expected {width} cells in every row, as in the header. "
        f"Received: {rows[0].actual_columns} in {where}."
    )
    hint = f"Correct the row, quote cells that contain `{options.delimiter}`, or declare the `delimiter`."
    received = str(errors[0]["received"]) if errors else ""
    if received.partition(": ")[2].lstrip().startswith(_COMMENTS):
        hint = (
            f"Line {errors[0]['line']} looks like a comment: delete it. Comments may stand above the header."
        )
    elif received.startswith("1 cell:"):
        hint += f" If line {errors[0]['line']} is no row of the table, delete it."
    return DatasetError("ragged_row", message, hint, errors)


def check_header(path: Path, options: ReadOptions, may_be_label: Callable[[str], bool]) -> None:
    """Refuse a file whose header stands below a title: one of its first lines names the label.

    Raises:
        DatasetError: where it does.
    """
    lines = [
        (line, [cell.strip() for cell in cells]) for _, line, cells in islice(_numbered(path, options), 25)
    ]
    for n, (line, cells) in enumerate(lines[:5]):
        below = [row for _, row in lines[n + 1 :]]
        if any(map(may_be_label, cells)) and are_header(cells, below):
            raise title_line(options.columns, cells, options.delimiter or ",", len(options.before) + 1, line)


def line_of(path: Path, options: ReadOptions, row: int) -> int | None:
    """The line of the file on which a row starts; None beyond the first million rows."""
    if row > _SEARCHED:
        return None
    return next((line for number, line, _ in _numbered(path, options) if number == row), None)


def _numbered(path: Path, options: ReadOptions) -> Iterator[tuple[int, int, list[str]]]:
    """Row, line it starts on, cells: as Python reads them, for a refusal's words.

    What is no text in the encoding is replaced: it is refused elsewhere, and moves no line.
    """
    with (
        open_stream(path) as stream,
        io.TextIOWrapper(stream, options.encoding, errors="replace", newline="") as text,
    ):
        for _ in options.before:
            text.readline()
        reader = rows_of(text, options.delimiter or ",", options.quote)
        row, line = int(options.headless), 1 + len(options.before)
        for cells in reader:
            if cells and row:
                yield row, line, cells
            row += bool(cells)
            line = reader.line_num + 1 + len(options.before)
