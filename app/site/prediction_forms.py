"""The form of a row that a version reads: its fields, an example in them, and what was typed in them."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy.orm import Session
from starlette.datastructures import FormData, UploadFile

from app.access.caller import Caller
from app.datasets import service as datasets
from app.datasets.reading.words import KIND_OF
from app.datasets.service import view as dataset_view
from app.errors import ServiceError
from app.models.schemas import VersionView

PREFIX = "input."
"""Before the name of each field, which is a column's."""

_MOST_CHOICES = 20
_KINDS: dict[str, str] = dict(KIND_OF.items())


@dataclass(frozen=True)
class Input:
    """A column that the version reads, as a field."""

    name: str
    kind: str
    value: str
    choices: list[str]


@dataclass(frozen=True)
class Example:
    """The fields, filled in with a row of the version's target; `label` is what that row says itself."""

    inputs: list[Input]
    row: int | None
    label: str | None
    rows: int

    @property
    def has_file(self) -> bool:
        """Whether a file is sent."""
        return any(one.kind == "image" for one in self.inputs)


def example(session: Session, caller: Caller, version: VersionView, row: int = 0) -> Example:
    """The form of a version, with the row of this number, from 0, of those that are kept to be shown."""
    filled: Mapping[str, Any] = {}
    choices: dict[str, list[str]] = {}
    label, shown_row, rows = None, None, 0
    try:
        target = datasets.find(session, caller.workspace, version.lineage.target["dataset"])
    except ServiceError:  # it was deleted since
        target = None
    if target is not None:
        view, kept = dataset_view(target), target.preview
        rows = len(kept)
        if kept:
            shown_row = row % len(kept)
            by_input = {column.name: column.input for column in view.description.columns}
            filled = {by_input.get(name, name): cell for name, cell in kept[shown_row].items()}
            said = kept[shown_row].get(version.signature.label)
            label = None if said is None else str(said)
        for column in view.profile.columns:
            if column.type in ("category", "boolean"):
                choices[column.name] = [one.value for one in column.top[:_MOST_CHOICES]]
    inputs = [
        Input(
            column.name,
            _KINDS.get(column.type, column.type),
            _shown(filled.get(column.name)) if column.type != "image" else "",
            choices.get(column.name, []),
        )
        for column in version.signature.columns
    ]
    return Example(inputs, shown_row, label, rows)


def _shown(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)


async def instance(form: FormData) -> tuple[dict[str, str], dict[str, str]]:
    """The row that was typed, and its fields to show again: a file is sent, and not shown again."""
    row: dict[str, str] = {}
    again: dict[str, str] = {}
    for name, value in form.multi_items():
        if not name.startswith(PREFIX):
            continue
        column = name.removeprefix(PREFIX)
        if isinstance(value, UploadFile):
            content = await value.read()
            if content:
                row[column] = base64.b64encode(content).decode()
        elif value.strip():
            row[column] = again[column] = value
    return row, again
