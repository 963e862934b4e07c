"""CSV cut into rows by Arrow: blocks side by side as long as no cell is quoted, then one after the other."""

from __future__ import annotations

import codecs
from collections import deque
from collections.abc import Collection, Generator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Protocol

import pyarrow as pa
import pyarrow.csv

from ..conventions import Conventions
from ..description import ReadOptions
from .dialect import rows_of
from .quotes import Quotes

_THREADS = 2
_REPORTED = 5


class Stream(Protocol):
    """What bytes are read from; fewer than asked for are the last."""

    def read(self, size: int, /) -> bytes:
        """The next bytes."""


class Ragged(Exception):
    """Rows of fewer or more cells than the header, as Arrow reports them: one at least, not all."""

    def __init__(self, rows: list[Any]) -> None:
        super().__init__(f"{len(rows)} rows")
        self.rows = rows


@dataclass(frozen=True)
class Parser:
    """How cells are read: all as text, but `numbers` as float64, as `conventions` say."""

    options: ReadOptions
    numbers: Collection[str]
    conventions: Conventions
    block: int
    quotes: Quotes | None = None

    def batches(self, stream: Stream) -> Generator[pa.RecordBatch]:
        """The rows in their order.

        Raises:
            Ragged: before the batch that such a row stands in.
            pyarrow.ArrowInvalid: for a cell of `numbers` that is none, and what cannot be cut into cells.
        """
        block = stream.read(self.block)
        header = self._header_bytes(block)
        if self.options.headless and _codec(self.options.encoding) == "utf8":
            header, block = 0, block.removeprefix(codecs.BOM_UTF8)
        elif not header:
            yield from self._one_by_one(_Joined(block, stream), skipped=int(not self.options.headless))
            return
        left = yield from self._side_by_side(block[header:], stream)
        if left:
            yield from self._one_by_one(_Joined(left, stream), skipped=0)

    def _side_by_side(self, block: bytes, stream: Stream) -> Generator[pa.RecordBatch, None, bytes]:
        """Whole lines, up to the block that has a quote or no line's end; returns what was read beyond.

        Without quotes each newline ends a row, so that a block's rows need not be known for the next one's.
        """
        left = b""
        waiting: deque[Future[list[pa.RecordBatch]]] = deque()
        pool = ThreadPoolExecutor(_THREADS)
        try:
            while (end := block.rfind(b"\n") + 1) and not self._has_quote(block):
                waiting.append(pool.submit(self._parse, b"".join((left, memoryview(block)[:end]))))
                left = block[end:]
                if len(waiting) > _THREADS:
                    yield from waiting.popleft().result()
                block = stream.read(self.block)
            for parsed in waiting:
                yield from parsed.result()
        finally:
            pool.shutdown(wait=False, cancel_futures=True)
        return left + block

    def _parse(self, lines: bytes) -> list[pa.RecordBatch]:
        ragged: list[Any] = []
        try:
            table = pa.csv.read_csv(
                pa.BufferReader(lines),
                read_options=pa.csv.ReadOptions(
                    block_size=len(lines) + 1, use_threads=False, column_names=self.options.columns
                ),
                parse_options=self._parse_options(ragged, quote=None),
                convert_options=self._convert_options(),
            )
        except pa.ArrowInvalid:
            if not ragged:
                raise
        if ragged:
            raise Ragged(ragged)
        batches: list[pa.RecordBatch] = table.to_batches()
        return batches

    def _one_by_one(self, stream: _Joined, skipped: int) -> Generator[pa.RecordBatch]:
        ragged: list[Any] = []
        try:
            reader = pa.csv.open_csv(
                pa.PythonFile(_Seen(stream, self.quotes) if self.quotes else stream, mode="r"),
                read_options=pa.csv.ReadOptions(
                    block_size=self.block,
                    use_threads=False,
                    skip_rows=len(self.options.before) if skipped else 0,
                    column_names=self.options.columns,
                    skip_rows_after_names=skipped,
                    encoding=_codec(self.options.encoding),
                ),
                parse_options=self._parse_options(ragged, self.options.quote),
                convert_options=self._convert_options(),
            )
            with reader:
                for batch in reader:
                    if ragged:
                        break
                    if self.quotes:
                        self.quotes.see_cells(batch.columns)
                    yield batch
        except pa.ArrowInvalid:
            if not ragged:
                raise
        if ragged:
            raise Ragged(ragged)

    def _parse_options(self, ragged: list[Any], quote: str | None) -> pa.csv.ParseOptions:
        def keep(row: Any) -> str:
            ragged.append(row)
            return "skip" if len(ragged) < _REPORTED else "error"

        return pa.csv.ParseOptions(
            delimiter=self.options.delimiter,
            quote_char=quote or False,
            newlines_in_values=quote is not None,
            invalid_row_handler=keep,
        )

    def _convert_options(self) -> pa.csv.ConvertOptions:
        return pa.csv.ConvertOptions(
            column_types={
                name: pa.float64() if name in self.numbers else pa.string() for name in self.options.columns
            },
            include_columns=self._wanted,
            null_values=self.conventions.missing,
            decimal_point=self.conventions.decimal,
            quoted_strings_can_be_null=True,
        )

    @property
    def _wanted(self) -> list[str]:
        """The columns that are read; the last always is, which shows where a quote does not close."""
        *names, last = self.options.columns
        return [*(name for name in names if name not in self.options.ignored), last]

    def _header_bytes(self, block: bytes) -> int:
        """The length of the first line where that is the header; 0 where it is not, or hard to tell."""
        start = end = 0
        if self.options.headless:
            return 0
        for _ in range(len(self.options.before) + 1):
            start, end = end, block.find(b"\n", end) + 1
            if not end:
                return 0
        if _codec(self.options.encoding) != "utf8":
            return 0
        line = block[start:end].decode("utf-8-sig", "replace")
        quote = self.options.quote
        if quote and line.count(quote) % 2:
            return 0
        rows = [row for row in rows_of(line, self.options.delimiter or ",", quote) if row]
        if len(rows) != 1 or not rows[0]:
            return 0
        names = self.options.columns
        # Columns that the header does not name have names of ours.
        named = [name for name in names if name not in self.options.unnamed]
        return end if [name.strip() for name in rows[0] if name.strip()] == named else 0

    def _has_quote(self, block: bytes) -> bool:
        return self.options.quote is not None and self.options.quote.encode() in block


class _Joined:
    """Bytes that were read already, and what follows, as a file for Arrow."""

    closed = False

    def __init__(self, head: bytes, stream: Stream) -> None:
        self._head = head
        self._stream = stream

    def read(self, size: int) -> bytes:
        """The next bytes."""
        piece, self._head = self._head[:size], self._head[size:]
        return piece if len(piece) == size else piece + self._stream.read(size - len(piece))

    def close(self) -> None:
        """The stream is closed by whoever opened it."""


class _Seen:
    """A stream whose bytes are searched for stray quotes as they are read."""

    closed = False

    def __init__(self, stream: _Joined, quotes: Quotes) -> None:
        self._stream = stream
        self._quotes = quotes

    def read(self, size: int) -> bytes:
        """The next bytes."""
        block = self._stream.read(size)
        self._quotes.see(block)
        return block

    def close(self) -> None:
        """The stream is closed by whoever opened it."""


def _codec(encoding: str | None) -> str:
    return "utf8" if encoding in (None, "utf-8", "utf-8-sig", "ascii") else str(encoding)
