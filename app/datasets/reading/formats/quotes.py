"""Quotes that are none: `"Great" phone` loses them, and a cell that begins with one swallows lines.

Both are read by every CSV reader, and as nobody meant them. The bytes of a file with quotes are searched as
they are parsed; only where something is found, Python reads the file again and says where.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from ..description import ReadOptions
from ..errors import DatasetError
from .stream import open_stream

_BLOCK = 4 << 20  # bytes of the file that are searched for a cell at once
_FURTHER = 64 << 20  # and how far behind the one before
_ALL, _EACH = 16 << 20, 4  # bytes that are all searched for text behind quotes; beyond them each fourth block
_CELLS = 50  # of a batch: who writes more cells of several lines quotes them as one should
_LINES = 4  # that a cell holds, each with the header's delimiters, before it is taken to have swallowed them
_HEAD = 1 << 10
_SHOWN = 80


class Quotes:
    """Watches the bytes and the cells of one file."""

    def __init__(self, path: Path, options: ReadOptions) -> None:
        self.suspect = False
        self._options = options
        quote, delimiter = options.quote or '"', options.delimiter or ","
        q, d = re.escape(quote), re.escape(delimiter)
        self._behind = rf"(^|[{d}\n\r]){q}[^{q}\r\n]+{q}[^{d}\r\n{q}]"
        self._tail = b""
        self._path = path
        self._stream: Any = None  # the file once more, as far as a cell was found in it
        self._block, self._at = b"", 0
        self._seen = self._number = 0
        self._ascii = options.encoding is None or not options.encoding.startswith(
            ("utf-16", "utf-32", "utf_")
        )

    def see(self, block: bytes) -> None:
        """Search a block of the file's bytes for text behind a closing quote."""
        if self.suspect or not self._ascii:
            return
        self._seen, self._number = self._seen + len(block), self._number + 1
        is_searched = self._seen <= _ALL or self._number % _EACH == 0
        if not is_searched or (self._options.quote or '"').encode() not in block:
            self._tail = b""
            return
        searched = pa.array([self._tail + block], pa.binary())
        self.suspect = bool(pc.match_substring_regex(searched, self._behind)[0].as_py())
        self._tail = block[-_HEAD:]
        self._tail = self._tail[self._tail.rfind(b"\n") + 1 :]

    def see_cells(self, columns: Iterable[pa.Array]) -> None:
        """Search cells for lines that were swallowed: the file has not the same between two quotes."""
        if self.suspect:
            return
        found: list[tuple[int, int, str]] = []
        for place, cells in enumerate(columns):
            if pa.types.is_string(cells.type):
                rows = pc.indices_nonzero(pc.match_substring(cells, "\n"))
                if len(rows) > _CELLS:
                    rows = rows.take(pa.array(range(0, len(rows), -(-len(rows) // _CELLS))))
                texts = cells.take(rows).to_pylist()
                found += [(row, place, text) for row, text in zip(rows.to_pylist(), texts, strict=True)]
        if found:
            texts = [text for _, _, text in sorted(found)]
            self.suspect = any(map(self._swallowed, texts)) or (self._ascii and not self._stand_so(texts))

    def _stand_so(self, cells: list[str]) -> bool:
        """Whether the bytes have each cell, in this order, from quote to quote."""
        quote, encoding = self._options.quote or '"', self._options.encoding or "utf-8"
        if self._stream is None:
            self._stream = open_stream(self._path)
        return all(
            self._find(f"{quote}{cell.replace(quote, quote * 2)}{quote}".encode(encoding)) for cell in cells
        )

    def _find(self, written: bytes) -> bool:
        """Go behind the next place where the file has these bytes."""
        for _ in range(_FURTHER // _BLOCK):
            found = self._block.find(written, self._at)
            if found >= 0:
                self._at = found + len(written)
                return True
            block = self._stream.read(_BLOCK)
            if not block:
                return False
            self._block = self._block[max(self._at, len(self._block) - len(written)) :] + block
            self._at = 0
        return False

    def _swallowed(self, cell: str) -> bool:
        """Whether each line within the cell has as many delimiters as the header."""
        delimiters = len(self._options.columns) - 1
        inner = cell.split("\n")[1:-1]
        if len(inner) < _LINES:
            return False
        delimiter = self._options.delimiter or ","
        return delimiters > 0 and all(line.count(delimiter) == delimiters for line in inner)

    def close(self) -> None:
        """Close the file that cells were looked for in."""
        if self._stream is not None:
            self._stream.close()

    def check(self) -> None:
        """Read the file once more, as far as what was suspected.

        Raises:
            DatasetError: with the row and the line where the quote stands.
        """
        if not self.suspect:
            return
        try:
            for row, began, cells in self._rows(self._path):
                swallowed = next(filter(self._swallowed, cells), None)
                if swallowed is not None:
                    received = f"a cell of {swallowed.count(chr(10)) + 1} lines, {swallowed[:_SHOWN]!r}"
                    raise _refused(row, began, received)
        except _Behind as found:
            raise _refused(found.row, found.line, "text behind a closing quote") from None

    def _rows(self, path: Path) -> Iterator[tuple[int, int, list[str]]]:
        with (
            open_stream(path) as stream,
            io.TextIOWrapper(stream, self._options.encoding, newline="") as text,
        ):
            for _ in self._options.before:
                text.readline()
            before = len(self._options.before)
            reader = csv.reader(
                text,
                delimiter=self._options.delimiter or ",",
                quotechar=self._options.quote or '"',
                strict=True,
            )
            row, line = int(self._options.headless), 1 + before
            while True:
                try:
                    cells = next(reader)
                except StopIteration:
                    return
                except csv.Error as error:
                    if "expected after" not in str(error):
                        return
                    raise _Behind(row, line) from None
                if cells and row:
                    yield row, line, cells
                row += bool(cells)
                line = reader.line_num + 1 + before


class _Behind(Exception):
    """Text behind a closing quote, in a row that begins on a line."""

    def __init__(self, row: int, line: int) -> None:
        super().__init__(f"row {row}")
        self.row = row
        self.line = line


def _refused(row: int, line: int, received: str) -> DatasetError:
    error: dict[str, Any] = {
        "row": row,
        "line": line,
        "column": None,
        "expected": "cells that are quoted as a whole, quotes inside doubled",
        "received": received,
    }
    message = (
        "Expected cells that are quoted as a whole, with the quotes inside doubled. "
        f"Received: {received}, in row {row}, which begins on line {line}."
    )
    hint = (
        "Send `-F quote=none` if quotes are ordinary characters of this file; else double the quotes inside "
        "of the cell, and quote all of it. `-F quote=double` reads it as it is."
    )
    return DatasetError("stray_quote", message, hint, [error])
