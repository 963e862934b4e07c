"""JSON lines: one object a line, of numbers, text, booleans and null; a key that is absent is missing.

The label may hold lists of these, the labels of a row, which are handed on as one cell each.

The file is read twice: Python checks every line and finds each key's type, so that Arrow can read it fast
with all types known.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.json

from ..cells import joined
from ..declaration import Declaration
from ..description import ReadOptions
from ..errors import DatasetError, is_text
from ..limits import Limits
from ..words import Physical
from . import nested
from .dialect import MAX_COLUMNS, check_names
from .stream import find_compression, find_encoding, open_stream

BLOCK = 4 << 20
_SHAPES = 1000
_Shape = tuple[tuple[str, ...], tuple[type, ...]]
_Keys = tuple[list[str], list[str]]  # of numbers, and of lists
_ARROW: dict[Physical, pa.DataType] = {
    "integer": pa.int64(),
    "number": pa.float64(),
    "boolean": pa.bool_(),
    "text": pa.string(),
    "nothing": pa.null(),
}
_LISTS: dict[Physical, Physical] = {
    "integer": "integers",
    "number": "numbers",
    "boolean": "booleans",
    "text": "texts",
    "nothing": "nothings",
}
_ARROW |= {lists: pa.list_(_ARROW[items]) for items, lists in _LISTS.items()}
_ITEMS: dict[Physical, Physical] = {lists: items for items, lists in _LISTS.items()}
_KINDS: dict[type, Physical] = {
    bool: "boolean",
    int: "integer",
    float: "number",
    str: "text",
    type(None): "nothing",
}
_SAID: dict[Physical, str] = {
    "integer": "a number",
    "number": "a number",
    "boolean": "a boolean",
    "text": "text",
    **dict.fromkeys(_ITEMS, "a list"),
}


def recognise(path: Path, declaration: Declaration, limits: Limits | None = None) -> ReadOptions:
    """The keys of all lines, in the order they first come, and the type of each.

    Raises:
        DatasetError: for a line that is no object, a value that is no single value beside the label's, a key
            of two types.
    """
    encoding = find_encoding(path, declaration.encoding, limits)
    if encoding not in ("utf-8", "utf-8-sig", "ascii"):
        message = f"Expected JSON lines in UTF-8. Received: {encoding}."
        raise DatasetError("not_text", message, "Save the file as UTF-8.")
    if nested.is_wanted(declaration):
        return nested.options_of((item for _, item in _objects(path)), declaration, find_compression(path))
    physical: dict[str, Physical] = {}
    known: dict[_Shape, _Keys] = {}  # the shapes that fit
    names: dict[str, None] = {}
    ignored = declaration.ignored
    most = (limits or Limits()).in_proportion_to(path.stat().st_size) // 8
    for row, (line, item) in enumerate(_objects(path), start=1):
        names.update(dict.fromkeys(item))
        for key in ignored.intersection(item):
            del item[key]
        shape = (tuple(item), tuple(map(type, item.values())))
        if shape not in known:
            for key, value in item.items():
                kind = _kind(value, may_be_list=declaration.may_be_label(key))
                if key not in physical:
                    _check_key(key, row, line)
                physical[key] = _join(physical.get(key, "nothing"), kind, row, line, key, value)
            if len(physical) > MAX_COLUMNS:
                check_names(list(physical))
            if len(known) == _SHAPES:
                known.clear()
            known[shape] = _keys(item)
        if row * len(physical) > most:
            raise _too_many_cells(row, len(physical), most)
        numbers, lists = known[shape]
        for key in numbers:
            if not _is_short(item[key], row, line, key):
                physical[key] = "number"
        for key in lists:
            physical[key] = _join_items(physical[key], row, line, key, item[key])
    check_names(list(names))
    return ReadOptions(
        columns=list(names),
        ignored=[name for name in names if name in ignored],
        compression=find_compression(path),
        encoding="utf-8",
        physical=physical,
        lists=[key for key, kind in physical.items() if kind in _ITEMS],
    )


def _check_key(key: str, row: int, line: int) -> None:
    if not is_text(key):
        expected = "keys without NUL and halves of surrogate pairs"
        raise _refused("unusable_column_name", row, line, key, expected, key, "Rename the key.")


def _too_many_cells(rows: int, columns: int, most: int) -> DatasetError:
    """Keys that few rows have: as a table they are much more than the file."""
    received = f"{rows} rows of {columns} keys"
    message = f"Expected at most {most} cells of a file of this size. Received: {received}."
    return DatasetError("too_many_cells", message, "Leave out keys that few rows have.")


def _kind(value: Any, *, may_be_list: bool) -> Physical | None:
    if isinstance(value, list):
        return "nothings" if may_be_list else None
    return _KINDS.get(type(value))


def _keys(item: dict[str, Any]) -> _Keys:
    numbers = [key for key, value in item.items() if type(value) in (int, float)]
    return numbers, [key for key, value in item.items() if isinstance(value, list)]


def _is_short(number: float, row: int, line: int, key: str) -> bool:
    """Whether 64 bits hold the number, were it an integer."""
    if -(2**63) <= number < 2**63:
        return True
    if abs(number) > sys.float_info.max:
        raise _refused("infinite_number", row, line, key, "a finite number", number)
    return False


def _join_items(known: Physical, row: int, line: int, key: str, values: list[Any]) -> Physical:
    """The type that holds the lists so far and this one."""
    items = _ITEMS[known]
    for value in values:
        items = _join(items, _KINDS.get(type(value)), row, line, key, value)
        if type(value) in (int, float) and not _is_short(value, row, line, key):
            items = "number"
    return _LISTS[items]


def _objects(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    with open_stream(path) as stream:
        for number, line in enumerate(_lines(stream), start=1):
            if line := line.strip():
                yield number, _object(number, line)


def _lines(stream: pa.NativeFile) -> Iterator[bytes]:
    rest, number = b"", 1
    while chunk := stream.read(BLOCK):
        *lines, rest = (rest + chunk).split(b"\n")
        number += len(lines)
        if len(rest) > BLOCK:
            message = f"Expected lines of at most {BLOCK >> 20} MB. Received: a longer one, line {number}."
            raise DatasetError("line_too_long", message, "Put each row's object on a line of its own.")
        yield from lines
    yield rest


def _object(number: int, line: bytes) -> dict[str, Any]:
    try:
        item = _DECODER.decode(line.decode("utf-8-sig" if number == 1 else "utf-8"))
    except (ValueError, RecursionError) as error:
        raise _not_an_object(number, line, str(error)) from error
    if not isinstance(item, dict):
        raise _not_an_object(number, line, "it is JSON, but no object")
    return item


def _repeated_key(path: Path) -> DatasetError:
    """The refusal of the first line that has a key twice."""
    hint = "Write each key once an object."
    row = 0
    with open_stream(path) as stream:
        for number, line in enumerate(_lines(stream), start=1):
            row += bool(line.strip())
            pairs = json.loads(line, object_pairs_hook=list) if line.strip() else []
            keys = [key for key, _ in pairs]
            twice = next((key for key in keys if keys.count(key) > 1), None)
            if twice is not None:
                return _refused("not_json_lines", row, number, twice, "each key once", f"{twice} twice", hint)
    return DatasetError("not_json_lines", "Expected each key once an object. Received: one twice.", hint)


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON; write null for a missing number")


_DECODER = json.JSONDecoder(parse_constant=_no_constant)


def _not_an_object(number: int, line: bytes, reason: str) -> DatasetError:
    received = line[:80].decode("utf-8", "replace")
    message = f"Expected one JSON object a line. Received: {received} in line {number} ({reason})."
    hint = "Write one object a line, such as jq -c '.[]' makes of an array."
    error = {"row": None, "line": number, "column": None, "expected": "a JSON object", "received": received}
    return DatasetError("not_json_lines", message, hint, [error])


def _join(known: Physical, kind: Physical | None, row: int, line: int, key: str, value: Any) -> Physical:
    """The type that holds the values so far and this one."""
    if kind is None:
        raise _refused("nested_value", row, line, key, "a number, text, a boolean or null", value)
    if kind in (known, "nothing") or (kind == "nothings" and known in _ITEMS):
        return known
    if known == "nothing":
        return kind
    if {known, kind} <= {"integer", "number"}:
        return "number"
    raise _refused("mixed_types", row, line, key, f"{_SAID[known]}, as in the rows before", value)


def _refused(
    code: str,
    row: int,
    line: int,
    key: str,
    expected: str,
    value: Any,
    hint: str = "Give each key single values of one type.",
) -> DatasetError:
    received = json.dumps(value, ensure_ascii=False)[:80]
    error = {"row": row, "line": line, "column": key, "expected": expected, "received": received}
    message = f"Expected {expected}. Received: {received} in row {row}, column {key}."
    return DatasetError(code, message, hint, [error])


def open_batches(path: Path, options: ReadOptions) -> Iterator[pa.RecordBatch]:
    """Batches of int64, float64, bool, string and null columns of about 4 MB; a list is one text."""
    if options.nested:
        yield from nested.batches((item for _, item in _objects(path)), options)
        return
    schema = pa.schema([(name, _ARROW[kind]) for name, kind in (options.physical or {}).items()])
    unexpected = "ignore" if options.ignored else "error"
    parse = pa.json.ParseOptions(explicit_schema=schema, unexpected_field_behavior=unexpected)
    read = pa.json.ReadOptions(block_size=2 * BLOCK, use_threads=False)
    try:
        with open_stream(path) as stream, pa.json.open_json(stream, read, parse) as reader:
            for batch in reader:
                cells = [
                    joined(batch[name], name) if name in options.lists else batch[name]
                    for name in schema.names
                ]
                yield pa.RecordBatch.from_arrays(cells, names=schema.names)
    except pa.ArrowInvalid as error:
        if "twice" in str(error):
            raise _repeated_key(path) from error
        message = f"Expected JSON lines. Received: {error}."
        raise DatasetError(
            "not_json_lines", message, "Write each key once an object, and text as Unicode."
        ) from error
