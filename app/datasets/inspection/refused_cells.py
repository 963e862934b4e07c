"""How is a cell or an example refused?"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from app.datasets.inspection.form_notices import hint_for, hint_for_missing
from app.datasets.inspection.kinds.examples import RefusedExample
from app.datasets.inspection.layout import Layout
from app.datasets.reading.cells import EXPECTED
from app.datasets.reading.errors import DatasetError
from app.datasets.reading.formats import csv
from app.datasets.reading.words import BETWEEN, ColumnType

RECEIVED = 80  # characters of a cell that are shown


@dataclass
class RefusedCell(Exception):
    """A cell that is not of its column's type, or not finite."""

    column: str
    type: ColumnType
    row: int
    received: str
    infinite: bool


def check_text(layout: Layout, rows: int, name: str, cells: pa.Array) -> None:
    """Refuse NUL, which databases do not keep; of CSV it was refused with the bytes."""
    found = pc.index(pc.match_substring(cells, "\0"), True).as_py()
    if found >= 0:
        row = rows + found + 1
        received = cells[found].as_py()[:80].replace(BETWEEN, ", ").strip(", ")
        error = {"row": row, "column": name, "expected": "text without NUL", "received": received}
        message = f"Expected text without NUL, in column {name}. Received: {received} in row {row}."
        raise DatasetError("not_text", message, "Take the NUL out, or leave the row out.", [error])


def refused_example(
    layout: Layout, rows: int, batch: pa.RecordBatch, name: str, refused: RefusedExample
) -> DatasetError:
    row = rows + refused.index + 1
    file = next(
        (
            batch[known][refused.index].as_py()
            for known in ("file", "file_name")
            if known in batch.schema.names
        ),
        None,
    )
    error: dict[str, Any] = {
        "row": row,
        "column": name,
        "expected": refused.expected,
        "received": refused.received,
    }
    if file is not None:
        error["file"] = file
    where = f"row {row}" if file is None else f"{file} (row {row})"
    message = f"Expected {refused.expected}, in column {name}. Received: {refused.received}, in {where}."
    return DatasetError(refused.code, message, refused.hint, [error])


def refusal_of(layout: Layout, cell: RefusedCell) -> DatasetError:
    expected = EXPECTED[cell.type]
    hint = f"Correct the cell, or declare another type for {cell.column}."
    error: dict[str, Any] = {
        "row": cell.row,
        "column": cell.column,
        "expected": expected,
        "received": cell.received,
    }
    if layout.is_csv:
        error["line"] = csv.line_of(layout.path, layout.options, cell.row)
    message = f"Expected {expected}, in column {cell.column}. Received: {cell.received} in row {cell.row}."
    conventions = layout.conventions_of(cell.column)
    whole = layout.is_csv and len(cell.received) < RECEIVED
    missing = hint_for_missing(cell.received, cell.column, conventions) if whole else ""
    if cell.infinite:
        hint = f"Correct the cell, or leave it empty. {missing}".rstrip()
        return DatasetError("infinite_number", message, hint, [error])
    if layout.is_csv and layout.declared.get(cell.column) in ("number", "date", "boolean"):
        told = hint_for(cell.received, cell.column, cell.type, conventions)
        hint = told or f"Correct the cell. {missing}".rstrip()
    return DatasetError("wrong_type", message, hint, [error])
