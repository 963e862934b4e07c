"""A file of sentence pairs or questions: its description, profile and notices, or its refusal."""

from __future__ import annotations

import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from app.datasets.inspection.duplicates import duplicates
from app.datasets.inspection.kept_rows import parts_of
from app.datasets.inspection.kinds import text
from app.datasets.inspection.kinds.examples import RefusedExample
from app.datasets.inspection.language.columns import (
    LanguageKind,
    find_parts,
    is_direction_guessed,
    languages_of,
)
from app.datasets.inspection.language.pairs import PairsScan
from app.datasets.inspection.language.parting import Parting, part_rows
from app.datasets.inspection.language.questions import QuestionsScan
from app.datasets.inspection.layout import Layout
from app.datasets.inspection.notices import encoding_guessed
from app.datasets.inspection.refused_cells import refused_example
from app.datasets.inspection.splits import WORDS_SAID
from app.datasets.partition.keys import text_keys
from app.datasets.partition.rows_file import RowFacts
from app.datasets.reading.conventions import Conventions
from app.datasets.reading.declaration import Declaration
from app.datasets.reading.description import Column, Description, ReadOptions
from app.datasets.reading.errors import DatasetError
from app.datasets.reading.formats import csv
from app.datasets.reading.formats.contents import FILES, MODULES
from app.datasets.reading.formats.decoding import decoded
from app.datasets.reading.formats.stream import too_much_unpacked
from app.datasets.reading.language import read_text
from app.datasets.reading.limits import Limits
from app.datasets.reading.profile import Inspection, Notice, Profile
from app.datasets.reading.splits_words import WORDS
from app.datasets.reading.words import Format, Part, Role, Task

PREVIEW_ROWS = 100
_TASKS: dict[LanguageKind, Task] = {"pairs": "seq2seq", "qa": "span"}
_LABELS: dict[LanguageKind, Part] = {"pairs": "target", "qa": "answers"}


def inspect_language(
    kind: LanguageKind,
    path: Path,
    file_format: Format,
    options: ReadOptions,
    declaration: Declaration,
    limits: Limits,
    on_progress: Callable[[int], None] | None,
    on_facts: Callable[[RowFacts], None] | None,
) -> Inspection:
    """Read the file once, in memory that is bounded but for some 100 bytes a row.

    Raises:
        DatasetError: if it is refused.
    """
    _check_declared(kind, declaration)
    names = [name for name in options.columns if name not in declaration.ignored]
    parts = find_parts(kind, names, declaration)
    languages = languages_of(kind, parts, declaration)
    split = declaration.split or ("split" if "split" in names and "split" not in parts.values() else None)
    for name in (split, declaration.group):
        if name is not None and name not in names:
            message = (
                f"Expected a column {name}, as `split` or `group` says. Received: {', '.join(names[:50])}."
            )
            raise DatasetError("column_not_found", message, "Name a column of the file.")
    options = options.model_copy(update={"ignored": [n for n in options.columns if n in declaration.ignored]})
    layout = Layout(
        path,
        file_format,
        options,
        parts[_LABELS[kind]],
        split,
        declaration.group,
        None,
        {},
        Conventions(),
        kind=kind,
        limits=limits,
        trusted=declaration.quote is not None,
    )
    scan: PairsScan | QuestionsScan
    if kind == "pairs":
        scan = PairsScan(parts, languages, limits)
    else:
        scan = QuestionsScan(parts, languages, limits, declaration.unlabelled)
    beside = _read(layout, scan, on_progress)
    scan.check()
    found = part_rows(scan, beside.words(declaration), beside.groups(), declaration, kind)
    labelled = found.labelled
    description = Description(
        kind=kind,
        format=file_format,
        options=options,
        conventions=layout.conventions,
        columns=_columns(layout, parts, beside),
        label=layout.label,
        languages=languages,
        task=_TASKS[kind],
        classes=[],
        rows=beside.rows,
        labelled_rows=int(labelled.sum()),
        split=found.plan,
    )
    notices = [
        *_guesses(kind, parts, declaration),
        *encoding_guessed(layout, declaration),
        *found.notices,
        *scan.notices(),
        *_left_out(layout, parts, beside),
    ]
    if split is not None and beside.odd_words:
        message = f"The column {split} is left out: it holds other words than {WORDS_SAID}."
        notices.append(Notice(code="split_not_used", column=split, message=message))
    inspection = Inspection(
        description=description,
        profile=_profile(layout, scan, parts, found, beside.rows),
        warnings=notices,
        preview=beside.preview,
    )
    if on_facts is not None:
        on_facts(found.facts)
    return inspection


def _check_declared(kind: LanguageKind, declaration: Declaration) -> None:
    """Refuse what was said and has no meaning for the kind."""
    if declaration.task not in (None, _TASKS[kind]):
        message = f"Expected the task {_TASKS[kind]} of {kind}. Received: {declaration.task}."
        raise DatasetError("task_does_not_fit", message, "Leave `task` out.")
    for field in ("time", "separator", *(("unlabelled",) if kind == "pairs" else ())):
        if getattr(declaration, field):
            message = f"Expected no `{field}` with the kind {kind}. Received: {getattr(declaration, field)}."
            hint = "Leave it out; `split` and `group` say which rows are in which part."
            raise DatasetError("field_does_not_fit", message, hint)


class _Beside:
    """What is kept of the other columns, and the first rows as people see them."""

    def __init__(self, layout: Layout) -> None:
        self._layout = layout
        self._parts: list[Any] = []
        self._groups: list[Any] = []
        self.odd_words: dict[str, None] = {}
        self.preview: list[dict[str, Any]] = []
        self.rows = 0

    def add(self, batch: pa.RecordBatch) -> None:
        """Take in a batch."""
        split, group = self._layout.split, self._layout.group
        if split is not None:
            cells = read_text(batch[split])
            self._parts.append(parts_of(cells))
            if len(self.odd_words) < _ODD:
                words = cells.drop_null().unique().to_pylist()
                self.odd_words |= {
                    word[:80]: None for word in words if WORDS.get(word.strip().lower()) is None
                }
        if group is not None:
            self._groups.append(text_keys(read_text(batch[group])))
        if len(self.preview) < PREVIEW_ROWS:
            some = batch.slice(0, PREVIEW_ROWS - len(self.preview))
            shown = {name: text.shown(read_text(some[name])) for name in some.schema.names}
            self.preview += [dict(zip(shown, row, strict=True)) for row in zip(*shown.values(), strict=True)]
        self.rows += batch.num_rows

    def words(self, declaration: Declaration) -> Any:
        """The part of each row as the split column says; None without one.

        Raises:
            DatasetError: it was declared and holds other words.
        """
        if not self._parts or (self.odd_words and declaration.split is None):
            return None
        if self.odd_words:
            column, received = self._layout.split, ", ".join(list(self.odd_words)[:5])
            error = {"row": None, "column": column, "expected": WORDS_SAID, "received": received}
            message = f"Expected {WORDS_SAID}, in column {column}. Received: {received}."
            raise DatasetError("wrong_split", message, "Correct these words, or leave `split` out.", [error])
        return np.concatenate(self._parts)

    def groups(self) -> Any:
        """The key of each row's group, 0 where it has none; None where no group was declared."""
        return np.concatenate(self._groups) if self._groups else None


_ODD = 100


def _read(
    layout: Layout, scan: PairsScan | QuestionsScan, on_progress: Callable[[int], None] | None
) -> _Beside:
    if layout.is_csv:
        opened = csv.open_batches(layout.path, layout.options, trusted=layout.trusted)
    else:
        opened = MODULES[layout.format].open_batches(layout.path, layout.options)
    packed = layout.format == "parquet"
    most = layout.limits.unpacked_from(layout.path.stat().st_size) if packed else sys.maxsize
    beside, unpacked = _Beside(layout), 0
    with closing(decoded(FILES[layout.format], opened)) as batches:
        for batch in batches:
            unpacked += batch.nbytes
            if unpacked > most:
                raise too_much_unpacked(FILES[layout.format], layout.path, most)
            binary = [name for name in batch.schema.names if pa.types.is_binary(batch[name].type)]
            if binary:
                message = f"Expected text. Received: bytes in column {binary[0]}."
                raise DatasetError("unsupported_column", message, "Store the column as text, or `ignore` it.")
            try:
                scan.add(batch)
            except RefusedExample as refused:
                raise refused_example(layout, beside.rows, batch, layout.label, refused) from None
            beside.add(batch)
            if on_progress:
                on_progress(beside.rows)
    if not beside.rows:
        raise DatasetError(
            "no_rows", "Expected at least one row. Received: none.", "Upload a file with rows."
        )
    return beside


def _columns(layout: Layout, parts: dict[Part, str], beside: _Beside) -> list[Column]:
    part_of = {name: part for part, name in parts.items()}
    roles: dict[str, Role] = {}
    if layout.split is not None and not beside.odd_words:
        roles[layout.split] = "split"
    if layout.group is not None:
        roles[layout.group] = "group"
    features = ("source", "question", "context")
    columns = []
    for name in layout.options.columns:
        part = part_of.get(name)
        role = roles.get(name, "ignored")
        if part is not None:
            role = "feature" if part in features else "label" if name == layout.label else role
        is_text = part in (*features, "target", "answers")
        columns.append(Column(name=name, type="text" if is_text else "category", role=role, part=part))
    return columns


def _guesses(kind: LanguageKind, parts: dict[Part, str], declaration: Declaration) -> list[Notice]:
    if kind == "qa" or not is_direction_guessed(parts, declaration):
        return []
    source, target = (parts[part].rpartition(".")[2] for part in ("source", "target"))
    message = (
        f"The translation was taken to be from {source} to {target}, as the file has them. To turn it "
        "round, send "
        f"`source_language` as {target}."
    )
    send = {"source_language": target}
    return [Notice(code="direction_guessed", column=parts["source"], message=message, send=send)]


def _left_out(layout: Layout, parts: dict[Part, str], beside: _Beside) -> list[Notice]:
    used = {
        *parts.values(),
        layout.group,
        None if beside.odd_words else layout.split,
        "id",
        *layout.options.ignored,
    }
    others = [name for name in layout.options.columns if name not in used]
    if not others:
        return []
    message = (
        f"The columns {', '.join(others[:20])} are left out: a network of {layout.kind} does not read them."
    )
    return [Notice(code="columns_left_out", message=message)]


def _profile(
    layout: Layout, scan: PairsScan | QuestionsScan, parts: dict[Part, str], found: Parting, rows: int
) -> Profile:
    columns = [
        of.profile("label" if parts[part] == layout.label else "feature").model_copy(update={"part": part})
        for part, of in scan.texts.items()
    ]
    keys = scan.keys
    whole = (keys[:, 0], keys[:, 1]) if layout.kind == "pairs" else (keys[:, 1], keys[:, 1])
    return Profile(
        rows=rows,
        bytes=layout.path.stat().st_size,
        missing_cells=sum(of.missing for of in scan.texts.values()),
        duplicate_rows=duplicates(*whole).count,
        near_duplicates=None,
        columns=columns,
        classes=[],
    )
