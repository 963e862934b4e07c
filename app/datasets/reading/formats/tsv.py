"""TSV: CSV whose delimiter is the tab."""

from __future__ import annotations

from pathlib import Path

from ..declaration import Declaration
from ..description import ReadOptions
from ..errors import DatasetError
from ..limits import Limits
from . import csv

open_batches = csv.open_batches


def recognise(path: Path, declaration: Declaration, limits: Limits | None = None) -> ReadOptions:
    """As CSV; a header of one column means that the file has no tabs."""
    return _with_tabs(csv.recognise(path, _declare_tabs(declaration), limits))


def glance(path: Path, declaration: Declaration) -> csv.Glance | None:
    """As of CSV."""
    glanced = csv.glance(path, _declare_tabs(declaration))
    if glanced:
        _with_tabs(glanced.options)
    return glanced


def _declare_tabs(declaration: Declaration) -> Declaration:
    return declaration.model_copy(update={"delimiter": declaration.delimiter or "\t"})


def _with_tabs(options: ReadOptions) -> ReadOptions:
    if len(options.columns) == 1:
        received = f"a first line without one ({options.columns[0][:80]})"
        message = f"Expected TSV, columns between tabs. Received: {received}."
        raise DatasetError("not_what_it_says", message, "Upload it as .csv to have the delimiter found.")
    return options
