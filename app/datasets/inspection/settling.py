"""Passes over all rows until the type of each column is settled."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from app.datasets.inspection.columns import ColumnScan
from app.datasets.inspection.labels import FEW_CLASSES
from app.datasets.inspection.layout import Layout
from app.datasets.inspection.scanning import Scan, scan
from app.datasets.reading.errors import DatasetError
from app.datasets.reading.words import Task

_EXACT = 2.0**53


def scan_settled(
    layout: Layout, declared_task: Task | None, on_progress: Callable[[int], None] | None
) -> Scan:
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
