"""A file's description, profile and notices, or its refusal."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pyarrow as pa

from app.datasets.inspection import precision, splits
from app.datasets.inspection.find_layout import lay_out
from app.datasets.inspection.form_notices import as_names, written_otherwise
from app.datasets.inspection.guesses import guessed_kind, kind_guessed, kind_not_guessed, label_guessed
from app.datasets.inspection.labels import Labels, read_labels
from app.datasets.inspection.language.columns import kind_of
from app.datasets.inspection.language.inspecting import inspect_language
from app.datasets.inspection.language.recognising import recognised
from app.datasets.inspection.layout import Layout
from app.datasets.inspection.names import settle
from app.datasets.inspection.notices import find_notices
from app.datasets.inspection.preview import converted_sample, preview
from app.datasets.inspection.roles import check_unnamed, find_roles
from app.datasets.inspection.scanning import Scan
from app.datasets.inspection.settling import scan_settled
from app.datasets.inspection.split_notices import split_notices
from app.datasets.inspection.splits import Split
from app.datasets.partition.rows_file import RowFacts
from app.datasets.reading.cells import as_lists
from app.datasets.reading.conventions import Conventions
from app.datasets.reading.declaration import Declaration
from app.datasets.reading.description import Column, Description, SplitPlan
from app.datasets.reading.errors import DatasetError
from app.datasets.reading.formats import arrival, csv, tsv
from app.datasets.reading.formats.contents import FILES, MODULES, find_format
from app.datasets.reading.formats.decoding import decoding
from app.datasets.reading.formats.stream import Misjudged
from app.datasets.reading.limits import Limits
from app.datasets.reading.profile import ColumnProfile, Inspection, Profile, ValueCount
from app.datasets.reading.words import Role


def inspect(
    path: Path,
    declaration: Declaration,
    limits: Limits | None = None,
    on_progress: Callable[[int], None] | None = None,
    on_facts: Callable[[RowFacts], None] | None = None,
) -> Inspection:
    """Read the file once or twice, in memory that is bounded but for some 30 bytes a row.

    `on_progress` is told the number of rows read so far, now and then, `on_facts` what is kept of each row.

    Raises:
        DatasetError: if it is refused.
    """
    limits = limits or Limits()
    file_format = find_format(path, declaration)
    read = MODULES[file_format]
    declaration = recognised(path, file_format, declaration)
    if (kind := kind_of(declaration, file_format)) is not None:
        arrival.wait()
        with decoding(FILES[file_format]):
            options = read.recognise(path, declaration, limits)
        asked = settle(declaration, options.columns)
        return inspect_language(kind, path, file_format, options, asked, limits, on_progress, on_facts)
    glanced = refused = None
    if read not in (csv, tsv):
        arrival.wait()
    else:
        try:
            with decoding(FILES[file_format]):
                glanced = read.glance(path, declaration)
            if glanced:
                asked = settle(declaration, glanced.options.columns)
                layout = lay_out(path, file_format, glanced.options, asked, limits, glanced)
                return _inspect(layout, asked, on_progress, on_facts)
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
    return _inspect(lay_out(path, file_format, options, asked, limits), asked, on_progress, on_facts)


def _inspect(
    layout: Layout,
    declaration: Declaration,
    on_progress: Callable[[int], None] | None,
    on_facts: Callable[[RowFacts], None] | None,
) -> Inspection:
    scanned = scan_settled(layout, declaration.task, on_progress)
    guessed = guessed_kind(layout, declaration, scanned)
    if guessed:
        layout = replace(layout, kind=guessed[0], input=guessed[1])
        scanned = scan_settled(layout, declaration.task, on_progress)
    check_unnamed(layout, scanned)
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
    column = layout.split
    if column and not splits.is_split(scanned, column, declared=declaration.split is not None):
        column = None
    roles = find_roles(layout, scanned, column)
    split = splits.split_rows(scanned, layout, labels, column, roles, declaration)
    sample = converted_sample(layout, scanned)
    as_categories = kind_not_guessed(layout, declaration, scanned)
    texts = {notice.column for notice in as_categories}
    notices = [
        *label_guessed(layout, declaration),
        *kind_guessed(guessed),
        *as_categories,
        *labels.notices,
        *split_notices(split, layout, scanned, labels),
        *(
            notice
            for notice in find_notices(layout, declaration, scanned, labels, roles, sample, split)
            # What may be learnt from as texts is not to be left out for having no value twice.
            if not (notice.code == "identifier" and notice.column in texts)
        ),
    ]
    inspection = Inspection(
        description=_description(layout, scanned, labels, split.plan, roles),
        profile=_profile(layout, scanned, labels, roles, split),
        warnings=notices,
        preview=preview(layout, scanned, sample),
    )
    if on_facts is not None:  # at the end: of a reading that is refused, another may follow
        on_facts(split.facts)
    return inspection


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


def _profile(layout: Layout, scanned: Scan, labels: Labels, roles: dict[str, Role], split: Split) -> Profile:
    columns = [column.profile(roles[name]) for name, column in scanned.columns.items()]
    return Profile(
        rows=scanned.rows,
        bytes=layout.path.stat().st_size,
        missing_cells=sum(column.missing for column in scanned.columns.values()),
        duplicate_rows=split.duplicates.count,
        near_duplicates=None if split.near is None else len(split.near.repeats),
        near_duplicates_searched=None if split.near is None else split.near.searched,
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
