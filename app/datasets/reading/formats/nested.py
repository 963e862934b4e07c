"""Objects in a row, as hubs of data sets write pairs and questions: `{"translation": {"en": …, "fr": …}}`.

The columns of an object's keys are called `outer.inner`. Every cell is text, and a list a JSON list.
"""

from __future__ import annotations

import json
from collections.abc import Generator, Iterable, Mapping
from itertools import islice
from typing import Any, Literal

import pyarrow as pa

from ..declaration import Declaration
from ..description import ReadOptions
from ..errors import DatasetError, is_text
from .dialect import check_names

_ROWS, _CHARACTERS = 4096, 4 << 20
_DEEPEST = 3


def is_wanted(declaration: Declaration) -> bool:
    """Whether the data set is of a kind whose rows may hold objects."""
    return declaration.kind in ("pairs", "qa")


def options_of(
    items: Iterable[Mapping[str, Any]], declaration: Declaration, compression: Literal["gzip"] | None
) -> ReadOptions:
    """The columns of all rows, in the order they first come.

    Raises:
        DatasetError: a value is deeper than an object of lists or a list of objects.
    """
    names: dict[str, None] = {}
    lists: dict[str, None] = {}
    for row, item in enumerate(items, start=1):
        for name, value in _flat(item, row, declaration.ignored).items():
            names[name] = None
            if isinstance(value, list):
                lists[name] = None
    check_names(list(names))
    return ReadOptions(
        columns=list(names),
        ignored=[name for name in names if name in declaration.ignored],
        nested=True,
        compression=compression,
        encoding="utf-8",
        lists=list(lists),
    )


def batches(items: Iterable[Mapping[str, Any]], options: ReadOptions) -> Generator[pa.RecordBatch]:
    """Batches of text columns, of some thousand rows or about 4 MB; null where a row has no value."""
    ignored = frozenset(options.ignored)
    names = [name for name in options.columns if name not in ignored]
    rows = (_flat(item, row, ignored) for row, item in enumerate(items, start=1))
    while some := list(_group(rows)):
        yield pa.record_batch(
            {name: pa.array([_text(row.get(name)) for row in some], pa.string()) for name in names}
        )


def _group(rows: Iterable[dict[str, Any]]) -> Generator[dict[str, Any]]:
    size = 0
    for row in islice(rows, _ROWS):
        yield row
        size += sum(len(value) for value in row.values() if isinstance(value, str))
        if size > _CHARACTERS:
            return


def _flat(
    item: Mapping[str, Any], row: int, ignored: frozenset[str], outer: str = "", deep: int = 1
) -> dict[str, Any]:
    """The single values of a row, and lists of them, by their names."""
    found: dict[str, Any] = {}
    for key, value in item.items():
        name = f"{outer}{key}"
        if name in ignored:
            continue
        if isinstance(value, list) and value and all(isinstance(of, Mapping) for of in value):
            keys = dict.fromkeys(inner for of in value for inner in of)
            value = {inner: [of.get(inner) for of in value] for inner in keys}
        if isinstance(value, Mapping) and deep < _DEEPEST:
            found |= _flat(value, row, ignored, f"{name}.", deep + 1)
        elif all(of is None or isinstance(of, str | int | float) for of in _items(value)):
            found[name] = value
        else:
            raise _too_deep(row, name, value)
    return found


def _items(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _text(value: Any) -> str | None:
    if value is None or isinstance(value, str):
        return _checked(value)
    return _checked(json.dumps(value, ensure_ascii=False))


def _checked(text: str | None) -> str | None:
    if text is not None and not is_text(text):
        text = text.encode("utf-8", "replace").decode("utf-8").replace("\0", "\ufffd")
    return text


def _too_deep(row: int, name: str, value: Any) -> DatasetError:
    expected, received = "text, a number, an object or a list of them", repr(value)[:80]
    error = {"row": row, "column": name, "expected": expected, "received": received}
    message = f"Expected {expected}. Received: {received} in row {row}, column {name}."
    return DatasetError("nested_value", message, "Leave the key out, or send it as text.", [error])
