"""TSV: CSV whose delimiter is the tab."""

from __future__ import annotations

from pathlib import Path

from app.datasets.formats import csv
from app.datasets.schema import DatasetError, Declaration, Limits, ReadOptions

open_batches = csv.open_batches


def recognise(path: Path, declaration: Declaration, limits: Limits | None = None) -> ReadOptions:
    """As CSV; a header of one column means that the file has no tabs."""
    options = csv.recognise(path, declaration.model_copy(update={"delimiter": declaration.delimiter or "\t"}))
    if len(options.columns) == 1:
        received = f"a first line without one ({options.columns[0][:80]})"
        message = f"Expected TSV, columns between tabs. Received: {received}."
        raise DatasetError("not_what_it_says", message, "Upload it as .csv to have the delimiter found.")
    return options
