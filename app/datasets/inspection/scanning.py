"""The pass over all rows: every column's type and statistics, duplicates, splits and a sample of the head."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Collection, Generator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from app.datasets.inspection.columns import ALL_DISTINCT, DISTINCT, ColumnScan, Tally
from app.datasets.inspection.date_splits import Dates
from app.datasets.inspection.duplicates import Duplicates
from app.datasets.inspection.form_notices import Codes, find_codes, hint_for, hint_for_missing
from app.datasets.inspection.kinds.examples import RefusedExample, Repeats
from app.datasets.inspection.kinds.registry import new_scan
from app.datasets.inspection.odd_cells import Searches
from app.datasets.reading.cells import EXPECTED, BadCell, infer, marks_of, text_of
from app.datasets.reading.conventions import Conventions
from app.datasets.reading.description import DateSplit, ReadOptions
from app.datasets.reading.errors import DatasetError
from app.datasets.reading.formats import csv
from app.datasets.reading.formats.contents import FILES, MODULES
from app.datasets.reading.formats.decoding import decoded, decoding
from app.datasets.reading.formats.stream import too_much_unpacked
from app.datasets.reading.limits import Limits
from app.datasets.reading.table import split_words
from app.datasets.reading.words import BETWEEN, ColumnType, Format, Kind

SAMPLE_ROWS = 50_000
SAMPLE_BYTES = 48 << 20
INDEX_NAME = re.compile(r"Unnamed: \d+(\.\d+)*|__index_level_\d+__")
_RECEIVED = 80  # characters of a cell that are shown
_JOIN = "\x1f"
_SEARCHED = 500  # columns for numbers and dates that are written otherwise


@dataclass
class Layout:
    """What is known of a file before its rows are read."""

    path: Path
    format: Format
    options: ReadOptions
    label: str
    split: str | None
    declared: dict[str, ColumnType]
    conventions: Conventions
    kind: Kind = "tabular"
    input: str | None = None
    separator: str | None = None
    exceptions: dict[str, Conventions] = field(default_factory=dict)
    limits: Limits = field(default_factory=Limits)
    glance: csv.Glance | None = None
    trusted: bool = False
    dates: DateSplit | None = None

    def is_index(self, name: str) -> bool:
        """Whether the column is called as pandas calls the index of rows, or not at all."""
        return name in self.options.unnamed or INDEX_NAME.fullmatch(name) is not None

    @property
    def is_csv(self) -> bool:
        """Whether it is read as CSV."""
        return self.format in ("csv", "tsv")

    def conventions_of(self, column: str) -> Conventions:
        """How the cells of a column are written."""
        return self.exceptions.get(column, self.conventions)

    @property
    def columns(self) -> list[str]:
        """The columns that are looked at; beside the one input, others are left out."""
        asked = None if self.input is None else (self.input, self.label, self.split)
        ignored = frozenset(self.options.ignored)
        return [
            name for name in self.options.columns if name not in ignored and (asked is None or name in asked)
        ]


@dataclass
class RefusedCell(Exception):
    """A cell that is not of its column's type, or not finite."""

    column: str
    type: ColumnType
    row: int
    received: str
    infinite: bool


@dataclass
class Scan:
    """The outcome of a pass."""

    columns: dict[str, Any]  # ColumnScan, or the scan of a kind's input
    rows: int = 0
    labelled_rows: int = 0
    duplicates: Duplicates = field(default_factory=Duplicates)
    repeats: Repeats = field(default_factory=Repeats)
    marks: Tally = field(default_factory=Tally)  # the single labels of a multilabel task
    splits: Tally = field(default_factory=Tally)  # words of the split column, in labelled rows
    split_classes: Tally = field(default_factory=Tally)  # word, "\x1f", class
    sample: list[pa.RecordBatch] = field(default_factory=list)
    sampled_rows: int = 0
    sampled_bytes: int = 0
    dates: Dates = field(default_factory=Dates)  # of the split column
    unpacked: int = 0  # bytes
    codes: dict[str, Codes] = field(default_factory=dict)  # of columns of numbers

    @property
    def outdated(self) -> bool:
        """Whether a column turned out to be another type in the middle of the file."""
        return any(column.outdated for column in self.columns.values() if isinstance(column, ColumnScan))


def scan(
    layout: Layout,
    settled: dict[str, ColumnType] | None = None,
    on_progress: Callable[[int], None] | None = None,
) -> Scan:
    """Read all rows once.

    Columns that start with numbers are first read as numbers, which is much faster than as text; where one
    turns out to be none, all is read again as text.

    Args:
        settled: the types that an earlier pass found.
        on_progress: told the number of rows read so far, now and then.

    Raises:
        DatasetError: for a cell that is not of its column's type, and what the format refuses.
    """
    types = {**(settled or {}), **layout.declared}
    fast = layout.is_csv and layout.input is None
    numbers, codes = _numbers_at_the_head(layout, types) if fast else (frozenset[str](), {})
    if numbers:
        with suppress(csv.NotNumbers, RefusedCell):
            return _pass(layout, types, _open_csv(layout, numbers), codes, on_progress)
    try:
        return _pass(layout, types, _open(layout), codes, on_progress)
    except RefusedCell as cell:
        with decoding(FILES[layout.format]):
            raise _refusal(layout, cell) from None


def _open(layout: Layout) -> Generator[pa.RecordBatch]:
    if layout.is_csv:
        return _open_csv(layout)
    batches: Generator[pa.RecordBatch] = MODULES[layout.format].open_batches(layout.path, layout.options)
    return batches


def _open_csv(layout: Layout, numbers: Collection[str] = ()) -> Generator[pa.RecordBatch]:
    return csv.open_batches(
        layout.path,
        layout.options,
        numbers,
        layout.conventions,
        trusted=layout.trusted,
        glance=layout.glance,
    )


def _numbers_at_the_head(
    layout: Layout, types: Mapping[str, ColumnType]
) -> tuple[frozenset[str], dict[str, Codes]]:
    """The columns of numbers in the first batch, a few thousand rows, and their cells that may be codes."""
    if not layout.conventions.plain_numbers:
        return frozenset(), {}
    with closing(_open_csv(layout)) as batches:
        head = next(batches, None)
    if head is None:
        return frozenset(), {}
    numbers = frozenset(
        name
        for name, cells in zip(head.schema.names, head.columns, strict=True)
        if types.get(name, "number") == "number"
        and name not in layout.exceptions
        and _is_number(cells, layout.conventions)
    )
    found = {name: find_codes(head[name]) for name in numbers if name not in layout.declared}
    return numbers, {name: codes for name, codes in found.items() if codes is not None}


def _is_number(cells: pa.Array, conventions: Conventions) -> bool:
    try:
        return infer(cells, conventions) == "number"
    except BadCell:
        return False


def _pass(
    layout: Layout,
    types: Mapping[str, ColumnType],
    batches: Generator[pa.RecordBatch],
    codes: dict[str, Codes],
    on_progress: Callable[[int], None] | None,
) -> Scan:
    searches = iter(range(_SEARCHED))
    columns = {name: _column_scan(layout, name, types.get(name), searches) for name in layout.columns}
    result = Scan(columns, codes=codes)
    # Of gzip the bytes were counted before: here they are numbers, of more bytes than their digits have.
    packed = layout.format in ("zip", "npz", "parquet")
    most = layout.limits.unpacked_from(layout.path.stat().st_size) if packed else sys.maxsize
    with closing(_ahead(decoded(FILES[layout.format], batches))) as ahead:
        for batch in ahead:
            unpacked = result.unpacked + batch.nbytes
            if layout.kind == "image" and layout.input is not None:
                result.columns[layout.input].allow(most - unpacked)
            if unpacked > most:
                raise too_much_unpacked(FILES[layout.format], layout.path, most)
            result.unpacked = unpacked
            _add(result, batch, layout)
            if on_progress:
                on_progress(result.rows)
    return result


def _column_scan(layout: Layout, name: str, column_type: ColumnType | None, searches: Searches) -> Any:
    if name == layout.input:
        return new_scan(layout.kind, name, layout.declared.get(name), layout.limits, layout.options.letters)
    return ColumnScan(
        name,
        column_type,
        declared=column_type is not None,
        conventions=layout.conventions_of(name),
        limit=_distinct_limit(layout, name),
        searches=None if name in layout.declared else searches,
    )


def _distinct_limit(layout: Layout, name: str) -> int:
    if name in (layout.label, layout.split):
        return DISTINCT
    return min(DISTINCT, ALL_DISTINCT // len(layout.options.columns))


def _ahead(batches: Generator[pa.RecordBatch]) -> Generator[pa.RecordBatch]:
    """One batch is read by another thread while the one before is worked on."""
    with closing(batches), ThreadPoolExecutor(1) as pool:
        future = pool.submit(next, batches, None)
        while (batch := future.result()) is not None:
            future = pool.submit(next, batches, None)
            yield batch


def _add(result: Scan, batch: pa.RecordBatch, layout: Layout) -> None:
    values: dict[str, pa.Array] = {}
    keys: list[Any] | None = None
    for name in layout.columns:
        cells = batch[name]
        if name != layout.input and pa.types.is_binary(cells.type):
            message = f"Expected text, numbers, booleans or dates. Received: bytes in column {name}."
            hint = "Declare another `label` or `split`, or store the column as text."
            raise DatasetError("unsupported_column", message, hint)
        if not layout.is_csv and pa.types.is_string(cells.type):
            _check_text(layout, result.rows, name, cells)
        try:
            if name == layout.input:
                values[name], keys = result.columns[name].add(cells)
            else:
                values[name] = result.columns[name].add(cells)
        except RefusedExample as refused:
            raise _refused_example(layout, result.rows, batch, name, refused) from None
        except BadCell as bad:
            received = str(text_of(cells.slice(bad.index, 1))[0].as_py()).strip()[:_RECEIVED]
            row = result.rows + bad.index + 1
            column_type: ColumnType = result.columns[name].type or "number"
            raise RefusedCell(name, column_type, row, received, bad.infinite) from None
    if layout.split and pa.types.is_timestamp(values[layout.split].type):
        result.dates.add(values[layout.split])
        if layout.dates is not None:
            values[layout.split] = split_words(values[layout.split], layout.dates)
    labels = values[layout.label]
    result.labelled_rows += len(labels) - labels.null_count
    if layout.separator is not None:
        marks, rows = marks_of(labels, layout.separator)
        result.marks.add(marks)
        if layout.split:
            _add_split(result, values[layout.split], labels, marks, rows)
    elif layout.split:
        _add_split(result, values[layout.split], labels)
    others = [values[name] for name in (layout.label, layout.split) if name is not None]
    known = (layout.label, layout.split)
    inputs = [of for name, of in values.items() if name not in known and not layout.is_index(name)]
    result.duplicates.add(inputs, others, labels)
    if keys is not None:
        parts = values[layout.split].to_pylist() if layout.split else [None] * len(keys)
        result.repeats.add(keys, parts, text_of(labels).to_pylist())
    if result.sampled_rows < SAMPLE_ROWS and result.sampled_bytes < SAMPLE_BYTES:
        part = batch.select(layout.columns).slice(0, SAMPLE_ROWS - result.sampled_rows)
        result.sample.append(part)
        result.sampled_rows += part.num_rows
        result.sampled_bytes += part.nbytes
    result.rows += batch.num_rows


def _check_text(layout: Layout, rows: int, name: str, cells: pa.Array) -> None:
    """Refuse NUL, which databases do not keep; of CSV it was refused with the bytes."""
    found = pc.index(pc.match_substring(cells, "\0"), True).as_py()
    if found >= 0:
        row = rows + found + 1
        received = cells[found].as_py()[:80].replace(BETWEEN, ", ").strip(", ")
        error = {"row": row, "column": name, "expected": "text without NUL", "received": received}
        message = f"Expected text without NUL, in column {name}. Received: {received} in row {row}."
        raise DatasetError("not_text", message, "Take the NUL out, or leave the row out.", [error])


def _add_split(
    result: Scan,
    words: pa.Array,
    labels: pa.Array,
    marks: pa.Array | None = None,
    rows: pa.Array | None = None,
) -> None:
    """`marks` are single labels and `rows` where they stand, where a row has several."""
    there = pc.is_valid(labels)
    words = pc.fill_null(pc.cast(words, pa.string()), "train")
    result.splits.add(words.filter(there))
    if marks is None:
        words, marks = words.filter(there), text_of(labels.filter(there))
    else:
        words = words.take(rows)
    joined = pc.binary_join_element_wise(words, marks, _JOIN)
    result.split_classes.add(joined)


def _refused_example(
    layout: Layout, rows: int, batch: pa.RecordBatch, name: str, refused: RefusedExample
) -> DatasetError:
    row = rows + refused.index + 1
    file = next(
        (
            batch[known][refused.index].as_py()
            for known in ("file", "file_name")
            if known in batch.schema.names
        ),
        None,
    )
    error: dict[str, Any] = {
        "row": row,
        "column": name,
        "expected": refused.expected,
        "received": refused.received,
    }
    if file is not None:
        error["file"] = file
    where = f"row {row}" if file is None else f"{file} (row {row})"
    message = f"Expected {refused.expected}, in column {name}. Received: {refused.received}, in {where}."
    return DatasetError(refused.code, message, refused.hint, [error])


def _refusal(layout: Layout, cell: RefusedCell) -> DatasetError:
    expected = EXPECTED[cell.type]
    hint = f"Correct the cell, or declare another type for {cell.column}."
    error: dict[str, Any] = {
        "row": cell.row,
        "column": cell.column,
        "expected": expected,
        "received": cell.received,
    }
    if layout.is_csv:
        error["line"] = csv.line_of(layout.path, layout.options, cell.row)
    message = f"Expected {expected}, in column {cell.column}. Received: {cell.received} in row {cell.row}."
    conventions = layout.conventions_of(cell.column)
    whole = layout.is_csv and len(cell.received) < _RECEIVED
    missing = hint_for_missing(cell.received, cell.column, conventions) if whole else ""
    if cell.infinite:
        hint = f"Correct the cell, or leave it empty. {missing}".rstrip()
        return DatasetError("infinite_number", message, hint, [error])
    if layout.is_csv and layout.declared.get(cell.column) in ("number", "date", "boolean"):
        told = hint_for(cell.received, cell.column, cell.type, conventions)
        hint = told or f"Correct the cell. {missing}".rstrip()
    return DatasetError("wrong_type", message, hint, [error])
