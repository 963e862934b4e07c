"""A described file as one typed table: what training starts from."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from contextlib import closing
from pathlib import Path

import pyarrow as pa

from .cells import convert, feature, several, text_of
from .description import Column, Description
from .formats import csv
from .formats.contents import MODULES
from .language import as_table


def read(path: Path, description: Description, spool: Path | None = None) -> pa.Table:
    """The features and the label, by the same parse as the inspection's; parts are in the rows file.

    The one input of texts, images or sequences is called by the kind of data: text and sequence string, image
    binary (the encoded file; where `spool` is a folder, the table lies in a file there and not in memory).

    number float64; boolean bool; category string; date string `YYYY-MM-DD`, or `YYYY-MM-DDTHH:MM:SS` (UTC if
    zoned) beside midnight; label string (a class's name), of several labels a row a list of strings, of a
    regression float64. Pairs have `source` and `target`, strings; questions have `question` and `context`,
    strings, and `answers`, see `language.ANSWERS`. Missing cells are null. All rows are kept, in the file's
    order.
    """
    if description.kind in ("pairs", "qa"):
        with closing(_open(path, description, fast=False)) as rows:
            parts = [as_table(batch, description.columns) for batch in rows]
        return pa.Table.from_batches(parts)
    if description.kind != "tabular":
        batches = _batches(path, description, fast=False)
        return _collected(batches, _schema(description), spool if description.kind == "image" else None)
    try:
        return _read(path, description, fast=description.format in ("csv", "tsv"))
    except csv.NotNumbers:  # such as one with a blank before NA, which reading by way of text understands
        return _read(path, description, fast=False)


def _read(path: Path, description: Description, *, fast: bool) -> pa.Table:
    return _collected(_batches(path, description, fast=fast), _schema(description), None)


def _collected(batches: Iterator[pa.RecordBatch], schema: pa.Schema, spool: Path | None) -> pa.Table:
    if spool is None:
        return pa.Table.from_batches(batches, schema=schema)
    file = spool / "rows.arrow"
    with pa.OSFile(str(file), "wb") as sink, pa.ipc.new_file(sink, schema) as writer:
        for batch in batches:
            writer.write_batch(batch)
    table = pa.ipc.open_file(pa.memory_map(str(file))).read_all()
    file.unlink()  # the map keeps it; the disk has it back as soon as the table is gone
    return table


def _batches(path: Path, description: Description, *, fast: bool) -> Iterator[pa.RecordBatch]:
    schema = _schema(description)
    with closing(_open(path, description, fast)) as batches:
        for batch in batches:
            cells = [
                _canonical(batch[column.name], column, description) for column in _read_columns(description)
            ]
            yield pa.RecordBatch.from_arrays(cells, schema=schema)


def _read_columns(description: Description) -> list[Column]:
    return [column for column in description.columns if column.role in ("feature", "label")]


def _schema(description: Description) -> pa.Schema:
    return pa.schema(
        [(column.input, _data_type(column, description)) for column in _read_columns(description)]
    )


def _open(path: Path, description: Description, fast: bool) -> Generator[pa.RecordBatch]:
    if fast:
        numbers = [column.name for column in description.columns if _is_fast(column, description)]
        return csv.open_batches(path, description.options, numbers, description.conventions)
    batches: Generator[pa.RecordBatch] = MODULES[description.format].open_batches(path, description.options)
    return batches


def _is_fast(column: Column, description: Description) -> bool:
    """Whether Arrow reads the column's numbers by itself."""
    plain = description.conventions.plain_numbers and column.name not in description.exceptions
    return column.type == "number" and column.role in ("feature", "label") and plain


def _data_type(column: Column, description: Description) -> pa.DataType:
    if column.role == "label":
        types = {"regression": pa.float64(), "multilabel": pa.list_(pa.string())}
        return types.get(description.task, pa.string())
    types = {"number": pa.float64(), "boolean": pa.bool_(), "image": pa.binary()}
    return types.get(column.type, pa.string())


def _canonical(cells: pa.Array, column: Column, description: Description) -> pa.Array:
    conventions = description.conventions_of(column.name)
    if column.role == "feature":
        return feature(cells, column.type, conventions)
    values = convert(cells, column.type, conventions)
    if description.between is not None:
        return several(values, description.between)
    return values if description.task == "regression" else text_of(values)
