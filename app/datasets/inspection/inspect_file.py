"""A file's description, profile and notices, or its refusal."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa

from app.datasets.inspection import precision, splits
from app.datasets.inspection.advice import as_sent, fields
from app.datasets.inspection.columns import ColumnScan
from app.datasets.inspection.form_notices import as_names, written_otherwise
from app.datasets.inspection.kinds import image
from app.datasets.inspection.kinds.registry import MODULES as KINDS
from app.datasets.inspection.kinds.registry import (
    declared_kind,
    find_input,
    guess_kind,
    is_identifier,
    unread_input,
)
from app.datasets.inspection.labels import FEW_CLASSES, SEPARATOR, Labels, find_label, read_labels
from app.datasets.inspection.names import settle
from app.datasets.inspection.notices import find_notices
from app.datasets.inspection.scanning import Layout, Scan, scan
from app.datasets.reading.cells import as_lists, convert, text_of
from app.datasets.reading.conventions import Conventions
from app.datasets.reading.declaration import Declaration
from app.datasets.reading.description import Column, Description, ReadOptions, SplitPlan
from app.datasets.reading.errors import DatasetError
from app.datasets.reading.formats import arrival, csv, tsv
from app.datasets.reading.formats.contents import FILES, MODULES, find_format
from app.datasets.reading.formats.decoding import decoding
from app.datasets.reading.formats.headers import in_words
from app.datasets.reading.formats.stream import Misjudged
from app.datasets.reading.limits import Limits
from app.datasets.reading.profile import ColumnProfile, Inspection, Notice, Profile, ValueCount
from app.datasets.reading.words import BETWEEN, Format, Kind, Role, Task

PREVIEW_ROWS = 100
_PREVIEW_CHARACTERS = 1000
_EXACT = 2.0**53


def inspect(
    path: Path,
    declaration: Declaration,
    limits: Limits | None = None,
    on_progress: Callable[[int], None] | None = None,
) -> Inspection:
    """Read the file once or twice, in bounded memory.

    `on_progress` is told the number of rows read so far, now and then.

    Raises:
        DatasetError: if it is refused.
    """
    limits = limits or Limits()
    file_format = find_format(path, declaration)
    read = MODULES[file_format]
    glanced = refused = None
    if read not in (csv, tsv):
        arrival.wait()
    else:
        try:
            with decoding(FILES[file_format]):
                glanced = read.glance(path, declaration)
            if glanced:
                asked = settle(declaration, glanced.options.columns)
                layout = _lay_out(path, file_format, glanced.options, asked, limits, glanced)
                return _inspect(layout, asked, on_progress)
        except Misjudged:
            pass
        except DatasetError as error:
            refused = error
    with decoding(FILES[file_format]):
        options = read.recognise(path, declaration, limits)
    # A refusal stands if the whole file is read as its head was; else it may be the wrong reading's.
    if refused and glanced and glanced.options == options:
        raise refused
    asked = settle(declaration, options.columns)
    return _inspect(_lay_out(path, file_format, options, asked, limits), asked, on_progress)


def _inspect(
    layout: Layout, declaration: Declaration, on_progress: Callable[[int], None] | None
) -> Inspection:
    scanned = _scan(layout, declaration.task, on_progress)
    guessed = _guessed_kind(layout, declaration, scanned)
    if guessed:
        layout = replace(layout, kind=guessed[0], input=guessed[1])
        scanned = _scan(layout, declaration.task, on_progress)
    _check_unnamed(layout, scanned)
    task = declaration.task if layout.separator is None else "multilabel"
    otherwise = None
    if layout.label not in layout.declared:
        otherwise = written_otherwise(scanned.columns[layout.label], layout.conventions_of(layout.label))
    labels = read_labels(
        scanned,
        layout.label,
        task,
        declaration.unlabelled,
        of_table=layout.kind == "tabular",
        otherwise=otherwise.message.removesuffix(as_names(layout.label)).rstrip() if otherwise else None,
    )
    precision.check_label(scanned.columns[layout.label], labels.task)
    split = layout.split
    if split and declaration.split and scanned.columns[split].type == "date":
        layout = replace(layout, dates=scanned.dates.split(split, declaration))
        scanned = _scan(layout, declaration.task, on_progress)
    elif split and not splits.is_split(scanned, split, declared=declaration.split is not None):
        split = None
    plan = splits.plan(scanned, labels, split, declaration, layout.dates)
    roles = _roles(layout, scanned, split)
    sample = _sample(layout, scanned)
    as_categories = _kind_not_guessed(layout, declaration, scanned)
    texts = {notice.column for notice in as_categories}
    notices = [
        *_label_guessed(layout, declaration),
        *_kind_guessed(guessed),
        *as_categories,
        *labels.notices,
        *splits.notices(split, layout.split, plan.rows),
        *splits.untested(scanned, labels, split),
        *splits.without_word(scanned, split),
        *(
            notice
            for notice in find_notices(layout, declaration, scanned, labels, roles, sample, plan)
            # What may be learnt from as texts is not to be left out for having no value twice.
            if not (notice.code == "identifier" and notice.column in texts)
        ),
    ]
    return Inspection(
        description=_description(layout, scanned, labels, plan, roles),
        profile=_profile(layout, scanned, labels, roles),
        warnings=notices,
        preview=_preview(layout, scanned, sample),
    )


def _lay_out(
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
    split = splits.find_split(names, label, declaration)
    layout = Layout(
        path,
        file_format,
        options,
        label,
        split,
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
    taken = {label, *([split] if split else []), *options.ignored}
    return replace(layout, kind=kind, input=find_input(kind, options.columns, taken, declaration))


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


def _guessed_kind(layout: Layout, declaration: Declaration, scanned: Scan) -> tuple[Kind, str] | None:
    """Texts or sequences where a column looks so and nothing but identifiers is beside it and the label."""
    others = [name for name in layout.columns if name not in (layout.label, layout.split)]
    if layout.input is not None or declaration.kind == "tabular" or declaration.column_types:
        return None
    table = pa.Table.from_batches(scanned.sample).select(others)
    found: list[tuple[Kind, str]] = []
    for name in others:
        sample = table[name].combine_chunks()
        kind = guess_kind(scanned.columns[name], sample, alone=len(others) == 1)
        otherwise = kind and written_otherwise(scanned.columns[name], layout.conventions_of(name))
        if kind is not None and not (otherwise and otherwise.code == "mostly_dates"):
            found.append((kind, name))
    if len(found) != 1:
        return None
    beside = [scanned.columns[name] for name in others if name != found[0][1]]
    return found[0] if all(map(is_identifier, beside)) else None


def _kind_guessed(guessed: tuple[Kind, str] | None) -> list[Notice]:
    if guessed is None:
        return []
    kind, column = guessed
    message = (
        f"The column {column} was taken for {kind}s, the one input of the data set. Declare `kind` as "
        "tabular if its values are categories."
    )
    return [Notice(code="kind_guessed", column=column, message=message)]


def _kind_not_guessed(layout: Layout, declaration: Declaration, scanned: Scan) -> list[Notice]:
    """Columns of a table that are called as texts or sequences are: each of their values is a category."""
    if layout.kind != "tabular" or declaration.kind is not None:
        return []
    table, found = pa.Table.from_batches(scanned.sample), []
    for name in layout.columns:
        if name in (layout.label, layout.split) or name in declaration.column_types:
            continue
        kind = unread_input(scanned.columns[name], table[name].combine_chunks())
        if kind is not None:
            message = (
                f"The column {name} looks like {kind}s; in a table each of its values is a category. "
                f"To learn from what is in them, declare `kind` as {kind} and `input` as {name}; the other "
                "columns are left out then."
            )
            found.append(Notice(code="kind_not_guessed", column=name, message=message))
    return found


def _scan(layout: Layout, declared_task: Task | None, on_progress: Callable[[int], None] | None) -> Scan:
    scanned = scan(layout, on_progress=on_progress)
    types = {
        name: column.type for name, column in scanned.columns.items() if name != layout.input and column.type
    }
    # A label of words, yes and no, keeps them as the names of its classes; one of more digits than a number
    # has keeps them as well, if they are few.
    undeclared = layout.label not in layout.declared
    words = types.get(layout.label) == "boolean" and undeclared
    digits = undeclared and declared_task != "regression" and _loses_digits(scanned.columns.get(layout.label))
    numbers = scanned
    if words or digits:
        types[layout.label] = "category"
    if words or digits or scanned.outdated:
        scanned = scan(layout, types, on_progress)
    if digits and not 2 <= scanned.columns[layout.label].tally.distinct <= FEW_CLASSES:
        types[layout.label] = "number"
        scanned = scan(layout, types, on_progress) if numbers.outdated else numbers
    if not scanned.rows:
        raise DatasetError(
            "no_rows", "Expected at least one row. Received: none.", "Upload a file with rows."
        )
    return scanned


def _loses_digits(label: Any) -> bool:
    """Whether a label of whole numbers has some beyond those that a 64-bit float tells apart."""
    if not isinstance(label, ColumnScan) or label.type != "number" or not label.moments.whole:
        return False
    return max(abs(label.moments.low), abs(label.moments.high)) >= _EXACT


def _roles(layout: Layout, scanned: Scan, split: str | None) -> dict[str, Role]:
    roles: dict[str, Role] = {
        name: "ignored" if column.type is None or _is_index(layout, name, column) else "feature"
        for name, column in scanned.columns.items()
    }
    label = layout.label
    roles[label] = "label"
    if split:
        roles[split] = "split"
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


def _check_unnamed(layout: Layout, scanned: Scan) -> None:
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


def _sample(layout: Layout, scanned: Scan) -> dict[str, pa.Array]:
    table = pa.Table.from_batches(scanned.sample)
    return {
        name: table[name].combine_chunks()
        if name == layout.input
        else convert(table[name].combine_chunks(), column.type or "category", layout.conventions_of(name))
        for name, column in scanned.columns.items()
    }


def _label_guessed(layout: Layout, declaration: Declaration) -> list[Notice]:
    made = layout.format in ("zip", "fasta", "npz") and layout.label == "label"  # from folders and headers
    if layout.format == "fasta" and layout.label == "label" and declaration.header is None:
        rule = layout.options.header or ""
        message = (
            f"The label was read from the headers: {in_words(rule)}. To read it elsewhere, declare `header`, "
            "such as `key NAME` (the value of NAME=), `field 2` (between |), `word 3` or `bracket`."
        )
        return [Notice(code="label_guessed", column="label", message=message)]
    if declaration.label is not None or made:
        return []
    message = f"No label was declared; the column {layout.label} was taken for its name."
    return [Notice(code="label_guessed", column=layout.label, message=message)]


def _description(
    layout: Layout, scanned: Scan, labels: Labels, plan: SplitPlan, roles: dict[str, Role]
) -> Description:
    types = {name: column.type or "category" for name, column in scanned.columns.items()}
    return Description(
        kind=layout.kind,
        format=layout.format,
        options=layout.options,
        conventions=layout.conventions,
        exceptions=layout.exceptions | _levels(layout, scanned),
        columns=[
            Column(name=name, type=types.get(name, "category"), role=roles.get(name, "ignored"))
            for name in layout.options.columns
        ],
        label=layout.label,
        task=labels.task,
        classes=labels.names,
        separator=None if layout.label in layout.options.lists else layout.separator,
        rows=scanned.rows,
        labelled_rows=scanned.labelled_rows,
        split=plan,
    )


def _levels(layout: Layout, scanned: Scan) -> dict[str, Conventions]:
    """How pictures of 16 bits become ones of 8, where the data set uses few of their levels."""
    if layout.kind != "image" or layout.input is None or scanned.columns[layout.input].levels is None:
        return {}
    levels = scanned.columns[layout.input].levels
    return {layout.input: layout.conventions_of(layout.input).model_copy(update={"levels": levels})}


def _profile(layout: Layout, scanned: Scan, labels: Labels, roles: dict[str, Role]) -> Profile:
    columns = [column.profile(roles[name]) for name, column in scanned.columns.items()]
    return Profile(
        rows=scanned.rows,
        bytes=layout.path.stat().st_size,
        missing_cells=sum(column.missing for column in scanned.columns.values()),
        duplicate_rows=scanned.duplicates.count,
        duplicates_searched=scanned.duplicates.searched,
        columns=[
            _with_lists(column) if column.name in layout.options.lists else column for column in columns
        ],
        classes=labels.classes,
    )


def _with_lists(column: ColumnProfile) -> ColumnProfile:
    """The profile of a column of lists, its values as JSON has them."""
    shown = as_lists(pa.array([known.value for known in column.top], pa.string()))
    top = [
        ValueCount(value=json.dumps(items, ensure_ascii=False), count=known.count)
        for items, known in zip(shown, column.top, strict=True)
    ]
    return column.model_copy(update={"top": top})


def _preview(layout: Layout, scanned: Scan, sample: dict[str, pa.Array]) -> list[dict[str, Any]]:
    columns = {
        name: _shown_input(layout, scanned, values[:PREVIEW_ROWS])
        if name == layout.input
        else as_lists(values[:PREVIEW_ROWS])
        if name in layout.options.lists
        else _shown(values[:PREVIEW_ROWS])
        for name, values in sample.items()
    }
    return [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]


def _shown_input(layout: Layout, scanned: Scan, values: pa.Array) -> list[Any]:
    if layout.kind == "image" and layout.input is not None:
        return image.shown(values, scanned.columns[layout.input].levels)
    shown: list[Any] = KINDS[layout.kind].shown(values)
    return shown


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
