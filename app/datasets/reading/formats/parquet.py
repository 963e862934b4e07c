"""Parquet: typed columns of numbers, text, booleans, dates and images, row group by row group.

The label may be a column of lists, the labels of a row, which are handed on as one cell each.
"""

from __future__ import annotations

from collections.abc import Generator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet

from ..cells import joined
from ..declaration import Declaration
from ..description import ReadOptions
from ..errors import DatasetError
from ..limits import Limits
from . import nested
from .decoding import decoded, decoding
from .dialect import check_names

_CELLS = 1 << 19  # of a batch, unless it has many columns: each costs some time a batch
_MIN_ROWS = 1024
_BUFFER = 1 << 20
_WHAT = "Parquet file"


def recognise(path: Path, declaration: Declaration, limits: Limits | None = None) -> ReadOptions:
    """The names of the columns.

    Raises:
        DatasetError: for a broken file, and for columns of lists beside the label's, of structures or other
            types.
    """
    with decoding(_WHAT), _open(path) as file:
        schema = file.schema_arrow
        names = schema.names
    check_names(names)
    if nested.is_wanted(declaration) and any(map(_is_nested, schema.types)):
        with decoding(_WHAT):
            return nested.options_of(_items(path), declaration, None)
    wanted = [field for field in schema if field.name not in declaration.ignored]
    lists = [field.name for field in wanted if _is_list(field.type) and declaration.may_be_label(field.name)]
    for field in wanted:
        if field.name not in lists and _cell_type(field.type) is None:
            _refuse(field)
    pictures = any(_cell_type(field.type) == pa.binary() for field in wanted)
    ignored = [name for name in names if name in declaration.ignored]
    return ReadOptions(columns=names, ignored=ignored, pictures=pictures, lists=lists)


def open_batches(path: Path, options: ReadOptions) -> Generator[pa.RecordBatch]:
    """Batches of int64, float64, bool, string, timestamp[s] (UTC) and null columns; a list is one text."""
    if options.nested:
        yield from decoded(_WHAT, nested.batches(_items(path), options))
        return
    yield from decoded(_WHAT, _batches(path, options))


def _items(path: Path) -> Generator[dict[str, Any]]:
    with _open(path) as file:
        for batch in file.iter_batches(_MIN_ROWS, use_threads=False):
            batch.validate(full=True)
            yield from batch.to_pylist()


def _is_nested(data_type: pa.DataType) -> bool:
    return bool(pa.types.is_nested(data_type)) and not _is_picture(data_type)


def _batches(path: Path, options: ReadOptions) -> Generator[pa.RecordBatch]:
    names = [name for name in options.columns if name not in frozenset(options.ignored)]
    with _open(path) as file:
        for batch in file.iter_batches(_batch_rows(options), columns=names, use_threads=False):
            batch.validate(full=True)  # Arrow itself takes any bytes for text
            columns = [
                joined(column, name) if name in options.lists else _plain(column)
                for name, column in zip(names, batch.columns, strict=True)
            ]
            yield pa.RecordBatch.from_arrays(columns, names=names)


def _batch_rows(options: ReadOptions) -> int:
    if options.pictures:
        return _MIN_ROWS
    return max(_CELLS // max(len(options.columns), 1), _MIN_ROWS)


def _open(path: Path) -> pa.parquet.ParquetFile:
    return pa.parquet.ParquetFile(path, buffer_size=_BUFFER, pre_buffer=False)


def _refuse(field: pa.Field) -> None:
    error = {
        "row": None,
        "column": field.name,
        "expected": "numbers, text, booleans, dates or timestamps",
        "received": str(field.type),
    }
    message = f"Expected numbers, text, booleans or dates. Received: {field.type} in column {field.name}."
    hint = "Leave the column out, or turn it into columns of single values."
    raise DatasetError("unsupported_column", message, hint, [error])


def _plain(column: pa.Array) -> pa.Array:
    if pa.types.is_dictionary(column.type):
        column = pc.cast(column, column.type.value_type)
    wanted = _cell_type(column.type)
    if pa.types.is_struct(column.type):
        column = pc.struct_field(column, "bytes")
    if pa.types.is_timestamp(column.type):
        return pc.cast(pc.cast(column, pa.timestamp("s", column.type.tz), safe=False), wanted)
    # As numbers of other formats, those of 64 bits without a sign lose digits beyond 2^53.
    return pc.cast(column, wanted, safe=pa.types.is_signed_integer(column.type))


def _is_list(data_type: pa.DataType) -> bool:
    """A list of what labels can be: text, numbers or booleans."""
    types = pa.types
    is_list = (types.is_list, types.is_large_list, types.is_fixed_size_list, types.is_list_view)
    if not any(asked(data_type) for asked in is_list):
        return False
    return _cell_type(data_type.value_type) in (pa.string(), pa.int64(), pa.float64(), pa.bool_(), pa.null())


def _is_picture(data_type: pa.DataType) -> bool:
    """A structure with the bytes of an image, as Hugging Face's data sets have them."""
    return bool(pa.types.is_struct(data_type)) and any(
        field.name == "bytes" and (pa.types.is_binary(field.type) or pa.types.is_large_binary(field.type))
        for field in data_type
    )


def _cell_type(data_type: pa.DataType) -> pa.DataType | None:
    types = pa.types
    if types.is_dictionary(data_type):
        data_type = data_type.value_type
    if types.is_integer(data_type):
        return pa.float64() if data_type == pa.uint64() else pa.int64()
    if types.is_floating(data_type) or types.is_decimal(data_type):
        return pa.float64()
    if types.is_string(data_type) or types.is_large_string(data_type) or types.is_string_view(data_type):
        return pa.string()
    if types.is_date(data_type) or types.is_timestamp(data_type):
        return pa.timestamp("s")
    if types.is_boolean(data_type) or types.is_null(data_type):
        return data_type
    if types.is_binary(data_type) or types.is_large_binary(data_type) or _is_picture(data_type):
        return pa.binary()
    return None
