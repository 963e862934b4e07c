"""Which column was meant by a name that was declared?"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence

from app.datasets.inspection.advice import as_sent, fields
from app.datasets.reading.declaration import Declaration
from app.datasets.reading.errors import DatasetError

_OF_PARTS = ("source", "target", "question", "context", "answer", "answer_start")
_NAMED = ("label", "split", "group", "time", "input", *_OF_PARTS)
_LISTED = 50
_LONGEST = 200  # comparing takes time by the product of the lengths


def settle(declaration: Declaration, names: Sequence[str]) -> Declaration:
    """The declaration with its columns called as the file calls them, whose names have no blanks around them.

    Raises:
        DatasetError: for a type, a convention or an `ignore` of no column.
    """
    changed: dict[str, object] = {
        field: _found(value, names) for field in _NAMED if (value := getattr(declaration, field)) is not None
    }
    changed["ignore"] = [_required(name, names, "ignore") for name in declaration.ignore]
    for field in ("types", "missing", "decimal", "thousands", "unit", "date_format"):
        value = getattr(declaration, field)
        if isinstance(value, dict):
            changed[field] = {_required(name, names, field): of for name, of in value.items()}
    return declaration.model_copy(update=changed)


def _found(name: str, names: Sequence[str]) -> str:
    return name if name in names or name.strip() not in names else name.strip()


def _required(name: str, names: Sequence[str], field: str) -> str:
    found = _found(name, names)
    if found in names:
        return found
    of = "" if field == "ignore" else f"{field} of "
    message = f"Expected {of}columns of the file{' to ignore' if not of else ''}. Received: {of}{name}."
    error = {"row": None, "column": name, "expected": "a column of the file", "received": "no such column"}
    hint = meant(name, names)
    parts = [part.strip() for part in name.split(",")]
    if field == "ignore" and len(parts) > 1 and all(part in names for part in parts):
        hint = f"Send several columns as a list: {as_sent(fields(ignore=parts))}."
    raise DatasetError("unknown_column", message, hint, [error])


def meant(name: str, names: Iterable[str]) -> str:
    """A hint: the nearest of the names, or all of them."""
    names = list(names)
    alike = [known for known in names if known.strip().casefold() == name.strip().casefold()]
    if not alike and len(name) <= _LONGEST:
        alike = difflib.get_close_matches(name, names, n=1)
    return f"Did you mean: {alike[0]}?" if alike else f"The file has {listed(names)}."


def listed(names: Sequence[str]) -> str:
    """`the columns a, b` in words, not more than 50 of them."""
    more = f" and {len(names) - _LISTED} more" if len(names) > _LISTED else ""
    return "the columns " + ", ".join(names[:_LISTED]) + more
