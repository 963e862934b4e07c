"""A described file as one typed table: what training starts from."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from app.datasets.cells import convert, text_of
from app.datasets.formats import csv
from app.datasets.formats.contents import MODULES
from app.datasets.schema import Column, Description
from app.datasets.splits import WORDS


def read(path: Path, description: Description) -> pa.Table:
    """The file's columns, by the same parse as the inspection's, those of role `ignored` left out.

    number float64; boolean bool; category string; date string `YYYY-MM-DD`, or `YYYY-MM-DDTHH:MM:SS` (UTC if
    zoned) beside midnight; label string (a class's name) or, of a regression, float64; split string train,
    validation or test. Missing cells are null, but a missing split is train. All rows are kept, in the file's
    order.
    """
    try:
        return _read(path, description, fast=description.format in ("csv", "tsv"))
    except csv.NotNumbers:  # such as one with a blank before NA, which reading by way of text understands
        return _read(path, description, fast=False)


def _read(path: Path, description: Description, *, fast: bool) -> pa.Table:
    columns = [column for column in description.columns if column.role != "ignored"]
    tokens = description.format in ("csv", "tsv")
    schema = pa.schema([(column.name, _data_type(column, description)) for column in columns])
    batches = [
        pa.RecordBatch.from_arrays(
            [_canonical(batch[column.name], column, description, tokens) for column in columns], schema=schema
        )
        for batch in _open(path, description, fast)
    ]
    return pa.Table.from_batches(batches, schema=schema)


def _open(path: Path, description: Description, fast: bool) -> Iterator[pa.RecordBatch]:
    if fast:
        numbers = [column.name for column in description.columns if column.type == "number"]
        return csv.open_batches(path, description.options, numbers)
    batches: Iterator[pa.RecordBatch] = MODULES[description.format].open_batches(path, description.options)
    return batches


def _data_type(column: Column, description: Description) -> pa.DataType:
    if column.role == "label":
        return pa.float64() if description.task == "regression" else pa.string()
    if column.role == "split":
        return pa.string()
    return {"number": pa.float64(), "boolean": pa.bool_()}.get(column.type, pa.string())


def _canonical(cells: pa.Array, column: Column, description: Description, tokens: bool) -> pa.Array:
    values = convert(cells, column.type, tokens=tokens)
    if column.role == "split":
        return _split_words(values)
    named = column.role == "label" and description.task != "regression"
    return text_of(values) if named or column.type in ("category", "date") else values


def _split_words(values: pa.Array) -> pa.Array:
    words = pc.ascii_lower(values)
    position = pc.index_in(words, pa.array(list(WORDS)))
    return pc.fill_null(pc.take(pa.array(list(WORDS.values())), position), "train")
