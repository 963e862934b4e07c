"""What was guessed of kind and label, and what is told of it?"""

from __future__ import annotations

import pyarrow as pa

from app.datasets.inspection.form_notices import written_otherwise
from app.datasets.inspection.kinds.registry import guess_kind, is_identifier, unread_input
from app.datasets.inspection.layout import Layout
from app.datasets.inspection.scanning import Scan
from app.datasets.reading.declaration import Declaration
from app.datasets.reading.formats.headers import in_words
from app.datasets.reading.profile import Notice
from app.datasets.reading.words import Kind


def guessed_kind(layout: Layout, declaration: Declaration, scanned: Scan) -> tuple[Kind, str] | None:
    """Texts or sequences where a column looks so and nothing but identifiers is beside it and the label."""
    others = [name for name in layout.columns if name not in layout.beside]
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


def kind_guessed(guessed: tuple[Kind, str] | None) -> list[Notice]:
    if guessed is None:
        return []
    kind, column = guessed
    message = (
        f"The column {column} was taken for {kind}s, the one input of the data set. Declare `kind` as "
        "tabular if its values are categories."
    )
    return [Notice(code="kind_guessed", column=column, message=message)]


def kind_not_guessed(layout: Layout, declaration: Declaration, scanned: Scan) -> list[Notice]:
    """Columns of a table that are called as texts or sequences are: each of their values is a category."""
    if layout.kind != "tabular" or declaration.kind is not None:
        return []
    table, found = pa.Table.from_batches(scanned.sample), []
    for name in layout.columns:
        if name in layout.beside or name in declaration.column_types:
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


def label_guessed(layout: Layout, declaration: Declaration) -> list[Notice]:
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
