"""What is known of a file before its rows are read."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path

from app.datasets.reading.conventions import Conventions
from app.datasets.reading.description import ReadOptions
from app.datasets.reading.formats import csv
from app.datasets.reading.limits import Limits
from app.datasets.reading.words import ColumnType, Format, Kind

INDEX_NAME = re.compile(r"Unnamed: \d+(\.\d+)*|__index_level_\d+__")


@dataclass
class Layout:
    """What is known of a file before its rows are read."""

    path: Path
    format: Format
    options: ReadOptions
    label: str
    split: str | None
    group: str | None
    time: str | None
    declared: dict[str, ColumnType]
    conventions: Conventions
    kind: Kind = "tabular"
    input: str | None = None
    separator: str | None = None
    exceptions: dict[str, Conventions] = field(default_factory=dict)
    limits: Limits = field(default_factory=Limits)
    glance: csv.Glance | None = None
    trusted: bool = False

    def is_index(self, name: str) -> bool:
        """Whether the column is called as pandas calls the index of rows, or not at all."""
        return name in self.options.unnamed or INDEX_NAME.fullmatch(name) is not None

    @property
    def is_csv(self) -> bool:
        """Whether it is read as CSV."""
        return self.format in ("csv", "tsv")

    def conventions_of(self, column: str) -> Conventions:
        """How the cells of a column are written."""
        return self.exceptions.get(column, self.conventions)

    @property
    def beside(self) -> list[str]:
        """The columns beside those that are learnt from: the label, and what says who is in which part."""
        return [name for name in (self.label, self.split, self.group, self.time) if name is not None]

    @property
    def columns(self) -> list[str]:
        """The columns that are looked at; beside the one input, others are left out."""
        asked = None if self.input is None else (self.input, *self.beside)
        ignored = frozenset(self.options.ignored)
        return [
            name for name in self.options.columns if name not in ignored and (asked is None or name in asked)
        ]
