"""A file's description, profile and notices, or its refusal."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow as pa

from app.datasets import splits
from app.datasets.cells import convert, text_of
from app.datasets.formats.contents import MODULES, find_format
from app.datasets.labels import Labels, find_label, read_labels
from app.datasets.notices import find_notices
from app.datasets.scanning import Layout, Scan, scan
from app.datasets.schema import (
    Column,
    DatasetError,
    Declaration,
    Description,
    Inspection,
    Notice,
    Profile,
    Role,
    SplitPlan,
)

PREVIEW_ROWS = 100
_PREVIEW_CHARACTERS = 1000


def inspect(path: Path, declaration: Declaration) -> Inspection:
    """Read the file once or twice, in bounded memory.

    Raises:
        DatasetError: if it is refused.
    """
    layout = _lay_out(path, declaration)
    scanned = _scan(layout)
    labels = read_labels(scanned, layout.label, declaration.task, declaration.unlabelled)
    split = layout.split
    if split and not splits.is_split(scanned, split, declared=declaration.split is not None):
        split = None
    plan = splits.plan(scanned, labels, split, declaration)
    roles = _roles(scanned, layout.label, split)
    sample = _sample(layout, scanned)
    notices = [
        *_label_guessed(layout, declaration),
        *labels.notices,
        *splits.notices(split, layout.split, plan.rows),
        *find_notices(layout, declaration, scanned, labels, roles, sample),
    ]
    return Inspection(
        description=_description(layout, scanned, labels, plan, roles),
        profile=_profile(path, scanned, labels, roles),
        warnings=notices,
        preview=_preview(sample),
    )


def _lay_out(path: Path, declaration: Declaration) -> Layout:
    file_format = find_format(path, declaration)
    options = MODULES[file_format].recognise(path, declaration)
    unknown = [name for name in declaration.types if name not in options.columns]
    if unknown:
        message = f"Expected types of columns of the file. Received: types of {', '.join(unknown)}."
        hint = f"Its columns are {', '.join(options.columns[:50])}."
        raise DatasetError("unknown_column", message, hint)
    label = find_label(options.columns, declaration)
    split = splits.find_split(options.columns, label, declaration)
    return Layout(path, file_format, options, label, split, declaration.types)


def _scan(layout: Layout) -> Scan:
    scanned = scan(layout)
    types = {name: column.type for name, column in scanned.columns.items() if column.type}
    # A label of words, yes and no, keeps them as the names of its classes.
    words = types.get(layout.label) == "boolean" and layout.label not in layout.declared
    if words:
        types[layout.label] = "category"
    if words or scanned.outdated:
        scanned = scan(layout, types)
    if not scanned.rows:
        raise DatasetError(
            "no_rows", "Expected at least one row. Received: none.", "Upload a file with rows."
        )
    return scanned


def _roles(scanned: Scan, label: str, split: str | None) -> dict[str, Role]:
    roles: dict[str, Role] = {
        name: "ignored" if column.type is None else "feature" for name, column in scanned.columns.items()
    }
    roles[label] = "label"
    if split:
        roles[split] = "split"
    if "feature" not in roles.values():
        message = f"Expected a column to learn from beside the label {label}. Received: {', '.join(roles)}."
        hint = "If the file has more columns, declare its `delimiter`."
        raise DatasetError("no_features", message, hint)
    return roles


def _sample(layout: Layout, scanned: Scan) -> dict[str, pa.Array]:
    table = pa.Table.from_batches(scanned.sample)
    return {
        name: convert(table[name].combine_chunks(), column.type or "category", tokens=layout.tokens)
        for name, column in scanned.columns.items()
    }


def _label_guessed(layout: Layout, declaration: Declaration) -> list[Notice]:
    if declaration.label is not None:
        return []
    message = f"No label was declared; the column {layout.label} was taken for its name."
    return [Notice(code="label_guessed", column=layout.label, message=message)]


def _description(
    layout: Layout, scanned: Scan, labels: Labels, plan: SplitPlan, roles: dict[str, Role]
) -> Description:
    return Description(
        format=layout.format,
        options=layout.options,
        columns=[
            Column(name=name, type=column.type or "category", role=roles[name])
            for name, column in scanned.columns.items()
        ],
        label=layout.label,
        task=labels.task,
        classes=labels.names,
        rows=scanned.rows,
        labelled_rows=scanned.labelled_rows,
        split=plan,
    )


def _profile(path: Path, scanned: Scan, labels: Labels, roles: dict[str, Role]) -> Profile:
    return Profile(
        rows=scanned.rows,
        bytes=path.stat().st_size,
        missing_cells=sum(column.missing for column in scanned.columns.values()),
        duplicate_rows=scanned.duplicates.count,
        duplicates_searched=scanned.duplicates.searched,
        columns=[column.profile(roles[name]) for name, column in scanned.columns.items()],
        classes=labels.classes,
    )


def _preview(sample: dict[str, pa.Array]) -> list[dict[str, Any]]:
    columns = {name: _shown(values[:PREVIEW_ROWS]) for name, values in sample.items()}
    return [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]


def _shown(values: pa.Array) -> list[Any]:
    if pa.types.is_floating(values.type):
        return [
            int(x) if x is not None and x.is_integer() and abs(x) < 2**53 else x for x in values.to_pylist()
        ]
    if pa.types.is_boolean(values.type):
        return list(values.to_pylist())
    texts = text_of(values).to_pylist()
    return [
        text[:_PREVIEW_CHARACTERS] + "…" if text is not None and len(text) > _PREVIEW_CHARACTERS else text
        for text in texts
    ]
