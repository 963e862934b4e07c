"""Which columns are learnt from?"""

from __future__ import annotations

from typing import Any

from app.datasets.inspection.advice import as_sent, fields
from app.datasets.inspection.layout import Layout
from app.datasets.inspection.scanning import Scan
from app.datasets.reading.errors import DatasetError
from app.datasets.reading.words import Role


def find_roles(layout: Layout, scanned: Scan, split: str | None) -> dict[str, Role]:
    roles: dict[str, Role] = {
        name: "ignored" if column.type is None or _is_index(layout, name, column) else "feature"
        for name, column in scanned.columns.items()
    }
    label = layout.label
    roles[label] = "label"
    if split:
        roles[split] = "split"
    if layout.group is not None:
        roles[layout.group] = "group"
    if layout.time is not None:
        roles[layout.time] = "time"
    if "feature" not in roles.values():
        message = f"Expected a column to learn from beside the label {label}. Received: {', '.join(roles)}."
        hint = "If the file has more columns, declare its `delimiter`."
        for name, column in scanned.columns.items():
            if name in roles and roles[name] == "ignored" and column.type is None and column.words:
                words = ", ".join(map(repr, column.words))
                send = as_sent(fields(missing={name: []}))
                hint = f"{words} in the column {name} was read as missing. If that is a value, send {send}."
        raise DatasetError("no_features", message, hint)
    return roles


def check_unnamed(layout: Layout, scanned: Scan) -> None:
    """Refuse values in a column without a name, unless they number the rows."""
    for name in layout.options.unnamed:
        column = scanned.columns.get(name)
        if column is None or column.type is None or name in layout.declared:
            continue
        if not _is_index(layout, name, column):
            raise _blank_name(layout.options.columns.index(name) + 1, name)


def _is_index(layout: Layout, name: str, column: Any) -> bool:
    """Whether it numbers the rows: whole numbers, none twice, in a column called as pandas calls them."""
    if not layout.is_index(name) or name in layout.declared or name == layout.input:
        return False
    return bool(column.type == "number" and column.moments.whole and column.tally.all_differ)


def _blank_name(position: int, name: str) -> DatasetError:
    message = f"Expected a name for every column. Received: none for column {position}, which has values."
    error = {"row": None, "column": str(position), "expected": "a name", "received": ""}
    hint = f"Name the column in the header, or leave it out: send {as_sent(fields(ignore=name))}."
    return DatasetError("blank_column_name", message, hint, [error])
