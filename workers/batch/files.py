"""The files of a prediction: Parquet, CSV and JSON lines of the answers, and the rows that were refused."""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any, TextIO

import pyarrow as pa
import pyarrow.parquet as pq

from workers.batch.answers import REFUSED, Layout

MEDIA_TYPES = {
    "csv": "text/csv; charset=utf-8",
    "jsonl": "application/jsonl",
    "parquet": "application/vnd.apache.parquet",
    "refused": "text/csv; charset=utf-8",
}

_ROWS_AT_A_TIME = 4096

_FORMULA = re.compile(r"[=+\-@\t\r\n\uff1d\uff0b\uff0d\uff20]")
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")

Write = Callable[[pa.RecordBatch], None]


def write_part(path: Path, rows: pa.Table) -> None:
    """The answers of some rows, to be kept until all are there."""
    pq.write_table(rows, path, compression="zstd")


def write_answers(folder: Path, formats: Iterable[str], layout: Layout, parts: Iterable[Path]) -> None:
    """A file `answers.FORMAT` of each format, from the parts in their order; memory holds some rows."""
    with ExitStack() as opened:
        writes = [_writer(opened, folder / f"answers.{one}", one, layout) for one in formats]
        for batch in _batches(parts):
            for write in writes:
                write(batch)


def write_refused(path: Path, parts: Iterable[Path]) -> None:
    """The rows that could not be read, as CSV; of none the header alone."""
    with path.open("w", encoding="utf-8", newline="") as file:
        write = _csv(file, REFUSED.names)
        for batch in _batches(parts):
            write(batch)


def _batches(parts: Iterable[Path]) -> Iterator[pa.RecordBatch]:
    for path in parts:
        with pq.ParquetFile(path) as file:
            yield from file.iter_batches(_ROWS_AT_A_TIME)


def _writer(opened: ExitStack, path: Path, format_: str, layout: Layout) -> Write:
    if format_ == "parquet":
        writer = opened.enter_context(pq.ParquetWriter(path, layout.schema, compression="zstd"))
        return lambda batch: writer.write_table(pa.Table.from_batches([batch], schema=layout.schema))
    file = opened.enter_context(path.open("w", encoding="utf-8", newline=""))
    return _csv(file, layout.schema.names) if format_ == "csv" else _json_lines(file, layout)


def _csv(file: TextIO, names: list[str]) -> Write:
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow([_cell(name) for name in names])

    def write(batch: pa.RecordBatch) -> None:
        writer.writerows(zip(*(map(_cell, column.to_pylist()) for column in batch.columns), strict=True))

    return write


def _cell(value: Any) -> Any:
    """What no spreadsheet takes for a formula; the labels of a row with several behind bars."""
    text = "|".join(value) if isinstance(value, list) else value
    is_formula = isinstance(text, str) and _FORMULA.match(text) and not _NUMBER.fullmatch(text)
    return f"'{text}" if is_formula else text


def _json_lines(file: TextIO, layout: Layout) -> Write:
    """A row as `:predict` answers it, with its number before it and what was kept below `kept`."""

    def write(batch: pa.RecordBatch) -> None:
        columns = [column.to_pylist() for column in batch.columns]
        for values in zip(*columns, strict=True):
            cells = iter(values)
            row: dict[str, Any] = {name: next(cells) for name in layout.of_row}
            if layout.kept:
                row["kept"] = {name: next(cells) for name in layout.kept}
            row[layout.said] = next(cells)
            for part, _ in layout.probabilities:
                chances = {name: next(cells) for name in layout.classes}
                row[part] = None if None in chances.values() else chances
            row |= {name: next(cells) for name, _ in layout.places}
            if layout.classes and len(layout.probabilities) == 1:
                row["calibrated_probabilities"] = None
            file.write(json.dumps(row, ensure_ascii=False, separators=(",", ":")) + "\n")

    return write
