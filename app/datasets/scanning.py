"""The pass over all rows: every column's type and statistics, duplicates, splits and a sample of the head."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from app.datasets.cells import EXPECTED, BadCell, infer, text_of
from app.datasets.columns import ALL_DISTINCT, DISTINCT, ColumnScan, Tally
from app.datasets.duplicates import Duplicates
from app.datasets.formats import csv
from app.datasets.formats.contents import MODULES
from app.datasets.schema import ColumnType, DatasetError, Format, ReadOptions

SAMPLE_ROWS = 50_000
SAMPLE_BYTES = 48 << 20
_JOIN = "\x1f"


@dataclass
class Layout:
    """What is known of a file before its rows are read."""

    path: Path
    format: Format
    options: ReadOptions
    label: str
    split: str | None
    declared: dict[str, ColumnType]

    @property
    def tokens(self) -> bool:
        """Whether words like NA mean missing."""
        return self.format in ("csv", "tsv")


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

    columns: dict[str, ColumnScan]
    rows: int = 0
    labelled_rows: int = 0
    duplicates: Duplicates = field(default_factory=Duplicates)
    splits: Tally = field(default_factory=Tally)  # words of the split column, in labelled rows
    split_classes: Tally = field(default_factory=Tally)  # word, "\x1f", class
    sample: list[pa.RecordBatch] = field(default_factory=list)
    sampled_rows: int = 0
    sampled_bytes: int = 0

    @property
    def outdated(self) -> bool:
        """Whether a column turned out to be another type in the middle of the file."""
        return any(column.outdated for column in self.columns.values())


def scan(layout: Layout, settled: dict[str, ColumnType] | None = None) -> Scan:
    """Read all rows once.

    Columns that start with numbers are first read as numbers, which is much faster than as text; where one
    turns out to be none, all is read again as text.

    Args:
        settled: the types that an earlier pass found.

    Raises:
        DatasetError: for a cell that is not of its column's type, and what the format refuses.
    """
    types = {**(settled or {}), **layout.declared}
    numbers = _numbers_at_the_head(layout, types) if layout.tokens else frozenset()
    if numbers:
        with suppress(csv.NotNumbers, RefusedCell):
            return _pass(layout, types, csv.open_batches(layout.path, layout.options, numbers))
    try:
        return _pass(layout, types, MODULES[layout.format].open_batches(layout.path, layout.options))
    except RefusedCell as cell:
        raise _refusal(layout, cell) from None


def _numbers_at_the_head(layout: Layout, types: Mapping[str, ColumnType]) -> frozenset[str]:
    """The columns of numbers in the first batch, a few thousand rows."""
    with closing(csv.open_batches(layout.path, layout.options)) as batches:
        head = next(batches, None)
    if head is None:
        return frozenset()
    return frozenset(
        name
        for name, cells in zip(layout.options.columns, head.columns, strict=True)
        if types.get(name, "number") == "number" and _is_number(cells)
    )


def _is_number(cells: pa.Array) -> bool:
    try:
        return infer(cells, tokens=True) == "number"
    except BadCell:
        return False


def _pass(layout: Layout, types: Mapping[str, ColumnType], batches: Iterator[pa.RecordBatch]) -> Scan:
    result = Scan(
        {
            name: ColumnScan(
                name,
                types.get(name),
                declared=name in types,
                tokens=layout.tokens,
                limit=_distinct_limit(layout, name),
            )
            for name in layout.options.columns
        }
    )
    for batch in _ahead(batches):
        _add(result, batch, layout)
    return result


def _distinct_limit(layout: Layout, name: str) -> int:
    if name in (layout.label, layout.split):
        return DISTINCT
    return min(DISTINCT, ALL_DISTINCT // len(layout.options.columns))


def _ahead(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """One batch is read by another thread while the one before is worked on."""
    with ThreadPoolExecutor(1) as pool:
        future = pool.submit(next, batches, None)
        while (batch := future.result()) is not None:
            future = pool.submit(next, batches, None)
            yield batch


def _add(result: Scan, batch: pa.RecordBatch, layout: Layout) -> None:
    values = {}
    for name, cells in zip(layout.options.columns, batch.columns, strict=True):
        try:
            values[name] = result.columns[name].add(cells)
        except BadCell as bad:
            received = str(text_of(cells.slice(bad.index, 1))[0].as_py()).strip()[:80]
            row, column_type = result.rows + bad.index + 1, result.columns[name].type or "number"
            raise RefusedCell(name, column_type, row, received, bad.infinite) from None
    labels = values[layout.label]
    result.labelled_rows += len(labels) - labels.null_count
    if layout.split:
        _add_split(result, values[layout.split], labels)
    result.duplicates.add(list(values.values()))
    if result.sampled_rows < SAMPLE_ROWS and result.sampled_bytes < SAMPLE_BYTES:
        part = batch.slice(0, SAMPLE_ROWS - result.sampled_rows)
        result.sample.append(part)
        result.sampled_rows += part.num_rows
        result.sampled_bytes += part.nbytes
    result.rows += batch.num_rows


def _add_split(result: Scan, words: pa.Array, labels: pa.Array) -> None:
    there = pc.is_valid(labels)
    words = pc.fill_null(pc.cast(words.filter(there), pa.string()), "train")
    result.splits.add(words)
    joined = pc.binary_join_element_wise(words, text_of(labels.filter(there)), _JOIN)
    result.split_classes.add(joined)


def _refusal(layout: Layout, cell: RefusedCell) -> DatasetError:
    expected = EXPECTED[cell.type]
    error: dict[str, Any] = {
        "row": cell.row,
        "column": cell.column,
        "expected": expected,
        "received": cell.received,
    }
    if layout.tokens:
        error["line"] = csv.line_of(layout.path, layout.options, cell.row)
    message = f"Expected {expected}, in column {cell.column}. Received: {cell.received} in row {cell.row}."
    if cell.infinite:
        hint = "Leave the cell empty, or declare the column's type as category."
        return DatasetError("infinite_number", message, hint, [error])
    hint = f"Mend the cell, or declare another type for {cell.column}."
    return DatasetError("wrong_type", message, hint, [error])
