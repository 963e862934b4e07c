"""The pass over all rows: types and statistics of columns, what is kept of each row, a sample of the head."""

from __future__ import annotations

import sys
from collections.abc import Callable, Collection, Generator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa

from app.datasets.inspection.columns import ALL_DISTINCT, DISTINCT, ColumnScan, Tally
from app.datasets.inspection.form_notices import Codes, find_codes
from app.datasets.inspection.kept_rows import KeptRows
from app.datasets.inspection.kinds.examples import RefusedExample
from app.datasets.inspection.kinds.registry import new_scan
from app.datasets.inspection.layout import Layout
from app.datasets.inspection.odd_cells import Searches
from app.datasets.inspection.refused_cells import (
    RECEIVED,
    RefusedCell,
    check_text,
    refusal_of,
    refused_example,
)
from app.datasets.partition.keys import Keys
from app.datasets.partition.shingles import Bytes
from app.datasets.reading.cells import BadCell, infer, marks_of, text_of
from app.datasets.reading.conventions import Conventions
from app.datasets.reading.errors import DatasetError
from app.datasets.reading.formats import csv
from app.datasets.reading.formats.contents import FILES, MODULES
from app.datasets.reading.formats.decoding import decoded, decoding
from app.datasets.reading.formats.stream import too_much_unpacked
from app.datasets.reading.words import ColumnType

SAMPLE_ROWS = 50_000
SAMPLE_BYTES = 48 << 20
_SEARCHED = 500  # columns for numbers and dates that are written otherwise


@dataclass
class Scan:
    """The outcome of a pass."""

    columns: dict[str, Any]  # ColumnScan, or the scan of a kind's input
    kept: KeptRows
    rows: int = 0
    labelled_rows: int = 0
    marks: Tally = field(default_factory=Tally)  # the single labels of a multilabel task
    sample: list[pa.RecordBatch] = field(default_factory=list)
    sampled_rows: int = 0
    sampled_bytes: int = 0
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
            raise refusal_of(layout, cell) from None


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
    result = Scan(columns, KeptRows(layout), codes=codes)
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
    if name in layout.beside:
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
    keys: Keys | None = None
    signatures: Bytes | None = None
    for name in layout.columns:
        cells = batch[name]
        if name != layout.input and pa.types.is_binary(cells.type):
            message = f"Expected text, numbers, booleans or dates. Received: bytes in column {name}."
            hint = "Declare another `label` or `split`, or store the column as text."
            raise DatasetError("unsupported_column", message, hint)
        if not layout.is_csv and pa.types.is_string(cells.type):
            check_text(layout, result.rows, name, cells)
        try:
            if name == layout.input:
                values[name], signatures, keys = result.columns[name].add(cells)
            else:
                values[name] = result.columns[name].add(cells)
        except RefusedExample as refused:
            raise refused_example(layout, result.rows, batch, name, refused) from None
        except BadCell as bad:
            received = str(text_of(cells.slice(bad.index, 1))[0].as_py()).strip()[:RECEIVED]
            row = result.rows + bad.index + 1
            column_type: ColumnType = result.columns[name].type or "number"
            raise RefusedCell(name, column_type, row, received, bad.infinite) from None
    labels = values[layout.label]
    result.labelled_rows += len(labels) - labels.null_count
    if layout.separator is not None:
        marks, rows = marks_of(labels, layout.separator)
        result.marks.add(marks)
        result.kept.add_marks(marks, rows)
    result.kept.add(values, keys, signatures, batch.num_rows)
    if result.sampled_rows < SAMPLE_ROWS and result.sampled_bytes < SAMPLE_BYTES:
        part = batch.select(layout.columns).slice(0, SAMPLE_ROWS - result.sampled_rows)
        result.sample.append(part)
        result.sampled_rows += part.num_rows
        result.sampled_bytes += part.nbytes
    result.rows += batch.num_rows
