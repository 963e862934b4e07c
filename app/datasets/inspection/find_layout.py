"""What is known of a file before its rows are read?"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Literal

from app.datasets.inspection.kinds.registry import declared_kind, find_input
from app.datasets.inspection.labels import SEPARATOR, find_label
from app.datasets.inspection.layout import Layout
from app.datasets.inspection.names import meant
from app.datasets.reading.conventions import Conventions
from app.datasets.reading.declaration import Declaration
from app.datasets.reading.description import ReadOptions
from app.datasets.reading.errors import DatasetError
from app.datasets.reading.formats import csv
from app.datasets.reading.limits import Limits
from app.datasets.reading.words import BETWEEN, Format, Kind


def lay_out(
    path: Path,
    file_format: Format,
    options: ReadOptions,
    declaration: Declaration,
    limits: Limits,
    glanced: csv.Glance | None = None,
) -> Layout:
    options = options.model_copy(
        update={"ignored": [name for name in options.columns if name in declaration.ignored]}
    )
    names = [name for name in options.columns if name not in options.ignored]
    try:
        label = find_label(names, declaration)
    except DatasetError:
        if file_format in ("csv", "tsv"):
            csv.check_header(path, options, declaration.may_be_label)
        raise
    types, separator = declaration.column_types, None
    conventions, exceptions = declaration.conventions(file_format)
    _check_lists(options, label, declaration)
    if declaration.task == "multilabel" or label in options.lists:
        separator = BETWEEN if label in options.lists else declaration.separator or SEPARATOR
        types = {**types, label: "category"}
    if options.names and label == "label" and label not in types:
        types = {**types, label: "number" if declaration.task == "regression" else "category"}
        exceptions.setdefault(label, Conventions())
    split, group, time = (_beside(field, names, label, declaration) for field in ("split", "group", "time"))
    layout = Layout(
        path,
        file_format,
        options,
        label,
        split,
        group,
        time,
        types,
        conventions,
        separator=separator,
        exceptions=exceptions,
        limits=limits,
        glance=glanced,
        trusted=declaration.quote is not None,
    )
    kind = declared_kind(declaration, options.columns)
    found = _kind_of_format(layout)
    if found is not None and kind not in (None, found):
        message = f"Expected a data set of {found}s, as the file holds. Received: the declared kind {kind}."
        raise DatasetError("kind_differs", message, "Leave `kind` out.")
    kind = found or kind
    if kind in (None, "tabular"):
        return layout
    taken = {*layout.beside, *options.ignored}
    return replace(layout, kind=kind, input=find_input(kind, options.columns, taken, declaration))


def _beside(
    field: Literal["split", "group", "time"], names: list[str], label: str, declaration: Declaration
) -> str | None:
    """The declared column of split words, groups or times, or one called `split` that may hold other things.

    Raises:
        DatasetError: if the declared column is not there or is the label.
    """
    name: str | None = getattr(declaration, field)
    if name is None:
        return "split" if field == "split" and "split" in names and label != "split" else None
    if name in names and name != label:
        return name
    holds = {"split": "split words", "group": "groups", "time": "times"}[field]
    received = "the label" if name == label else "no such column"
    if name in declaration.ignored:
        received = "one that is declared to be left out"
    message = f"Expected a column {name} of {holds} beside the label. Received: {received}."
    hint = f"Declare another `{field}`, or leave it out."
    if name != label and "Did" in (near := meant(name, names)):
        hint = near
    raise DatasetError(
        "split_not_found"
        if field == "split"
        else "group_not_found"
        if field == "group"
        else "time_not_found",
        message,
        hint,
    )


def _check_lists(options: ReadOptions, label: str, declaration: Declaration) -> None:
    """Only the label may hold lists, and they are its labels as they stand."""
    others = [name for name in options.lists if name != label]
    if others:
        message = f"Expected lists only in the label, {label}. Received: lists in {', '.join(others)}."
        raise DatasetError("nested_value", message, "Declare another `label`, or leave the column out.")
    if options.lists and declaration.task not in (None, "multilabel"):
        message = f"Expected the task multilabel for a label of lists. Received: {declaration.task}."
        raise DatasetError("task_does_not_fit", message, "Leave `task` out, or give each row one label.")
    if options.lists and declaration.separator is not None:
        message = f"Expected no separator, since {label} holds lists. Received: {declaration.separator!r}."
        raise DatasetError("task_does_not_fit", message, "Leave `separator` out.")


def _kind_of_format(layout: Layout) -> Kind | None:
    """The kind that a format says; of Parquet, where it has a column of bytes."""
    if layout.format == "zip":
        of: dict[str, Kind] = {"images": "image", "texts": "text", "sequences": "sequence"}
        return of[layout.options.contents or ""]
    if layout.format == "parquet" and layout.options.pictures:
        return "image"
    by_format: dict[str, Kind] = {"fasta": "sequence", "npz": "image"}
    return by_format.get(layout.format)
