"""Is a file of objects one of pairs or questions, as the hubs of data sets write them?"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet

from app.datasets.reading.declaration import Declaration
from app.datasets.reading.formats import arrival
from app.datasets.reading.formats.decoding import decoding
from app.datasets.reading.formats.stream import open_stream
from app.datasets.reading.words import Format

_HEAD = 1 << 20


def recognised(path: Path, file_format: Format, declaration: Declaration) -> Declaration:
    """The declaration with the kind of the file's first row, where that has the hubs' form and none "
    "was said."""
    if declaration.kind is not None or declaration.types or file_format not in ("jsonl", "parquet"):
        return declaration
    arrival.wait()
    first = _first_line(path) if file_format == "jsonl" else _schema(path)
    if isinstance(first.get("translation"), dict):
        return declaration.model_copy(update={"kind": "pairs"})
    if isinstance(first.get("answers"), dict | list) and {"question", "context"} <= first.keys():
        return declaration.model_copy(update={"kind": "qa"})
    return declaration


def _first_line(path: Path) -> dict[str, Any]:
    with decoding("file of JSON lines"), open_stream(path) as stream:
        head = bytes(stream.read(_HEAD)).removeprefix(b"\xef\xbb\xbf").lstrip()
    try:
        item = json.loads(head.partition(b"\n")[0])
    except (ValueError, RecursionError):
        return {}
    return item if isinstance(item, dict) else {}


def _schema(path: Path) -> dict[str, Any]:
    """The columns' names, an object for each that holds objects."""
    with decoding("Parquet file"):
        schema = pa.parquet.read_schema(path)
    return {field.name: {} if pa.types.is_nested(field.type) else None for field in schema}
