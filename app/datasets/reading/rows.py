"""Rows to predict, of a file or a request: read by the rules by which the data set's own rows were read.

What says missing, what numbers and dates look like, which letters and images are read: all of it was settled
with the data set. Only what differs from file to file is found anew: format, delimiter, quotes, encoding.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from .cells import EXPECTED, BadCell, feature, text_of
from .conventions import MISSING, Conventions
from .declaration import Declaration
from .description import Column, Reading
from .errors import DatasetError
from .formats import csv
from .formats.unlabelled import Source, open_source
from .images import BadImage, decoded
from .letters import EXPECTED as LETTERS
from .letters import wrong_letter
from .limits import Limits
from .words import BETWEEN

_TYPED = ("jsonl", "parquet")


@dataclass(frozen=True)
class Rows:
    """Some rows: what a network reads by the names of its inputs, and what is to be kept of them as text.

    Numbers are float64, booleans bool, images binary (encoded files), all else string; null is missing.
    `files` names the file of each row where there are several in one; `first` is the number of the first row,
    from 1.
    """

    inputs: pa.RecordBatch
    kept: dict[str, list[str]]
    files: list[str] | None
    first: int


class RowsFile:
    """A file of rows to predict, its label left out or passed over.

    Raises:
        DatasetError: the file is none that a data set may be, or lacks a column.
    """

    def __init__(
        self,
        path: Path,
        reading: Reading,
        declaration: Declaration | None = None,
        limits: Limits | None = None,
    ) -> None:
        self._path, self._reading, self._limits = path, reading, limits or Limits()
        self._source = open_source(path, reading, declaration or Declaration(), self._limits)
        self._names = _names(self._source.columns, reading)

    @property
    def is_archive(self) -> bool:
        """Whether it is a zip of files."""
        return self._source.is_archive

    @property
    def is_of_files(self) -> bool:
        """Whether the rows are files: those of an archive, or the one image."""
        return self._source.is_of_files

    @property
    def columns(self) -> list[str]:
        """The file's columns that can be kept: all but images, and the names of files."""
        left_out = ["image"] if self._reading.kind == "image" else []
        left_out += ["file"] if self.is_of_files else []
        return [name for name in self._source.columns if name not in left_out]

    def read(self, keep: Sequence[str] = (), *, again: bool = False) -> Iterator[Rows]:
        """All rows, some at a time. `again`: they were read before, and images need not be decoded.

        Raises:
            DatasetError: a cell that a data set may not have, by row and column; a column that is not there.
        """
        self.check_kept(keep)
        for first, batch in self.cells():
            yield self.read_batch(batch, first, keep, self._source, again=again)

    def check_kept(self, keep: Sequence[str]) -> None:
        """Raise DatasetError for a column that the file has not."""
        unknown = [name for name in keep if name not in self.columns]
        if unknown:
            raise _no_columns(unknown, self.columns, "Name columns of the file.")

    def cells(self) -> Iterator[tuple[int, pa.RecordBatch]]:
        """The cells as they stand in the file, some rows at a time, and the number of the first, from 1."""
        first = 1
        with closing(self._source.batches()) as batches:
            for batch in batches:
                yield first, batch
                first += batch.num_rows

    def read_batch(
        self,
        batch: pa.RecordBatch,
        first: int,
        keep: Sequence[str] = (),
        source: Source | None = None,
        *,
        again: bool = False,
    ) -> Rows:
        """Rows of `cells`, or a slice of them. Without `source` a refusal does not look for its line."""
        self._check_unnamed(batch, first)
        told = source or replace(self._source, options=None)
        reader = _Reader(self._path, self._reading, told, self._limits, batch, first, again)
        inputs = [reader.values(column, name) for column, name in self._names]
        return Rows(
            pa.RecordBatch.from_arrays(inputs, [column.input for column, _ in self._names]),
            {name: _as_text(batch[name]) for name in keep},
            batch["file"].to_pylist() if self.is_of_files else None,
            first,
        )

    def _check_unnamed(self, batch: pa.RecordBatch, first: int) -> None:
        """Refuse values below no name, as the upload does: only an index of whole numbers may stand there."""
        known = {name for _, name in self._names}
        for name in self._source.options.unnamed if self._source.options else ():
            if name in known:
                continue
            cells = pc.ascii_trim_whitespace(batch[name])
            index = pc.index(pc.match_substring_regex(cells, r"^\d*$"), False).as_py()
            if index >= 0:
                position, row = self._source.columns.index(name) + 1, first + index
                received = (
                    f"none for column {position}, which holds {cells[index].as_py()[:80]!r} in row {row}"
                )
                error = {"row": row, "column": str(position), "expected": "a name", "received": ""}
                message = f"Expected a name for every column. Received: {received}."
                raise DatasetError("blank_column_name", message, "Name the column in the header.", [error])


def _names(columns: Sequence[str], reading: Reading) -> list[tuple[Column, str]]:
    """Each column of the network, and what it is called in the file.

    The one input of texts, images or sequences may be called as in the data set, by its kind, or be the only
    column; those of questions as in the data set or by their part.
    """
    features = reading.features
    if reading.kind == "qa":
        return _by_part(columns, features)
    if reading.kind != "tabular":
        (column,) = features
        known = [
            name for name in (column.name, column.input, *columns[: len(columns) == 1]) if name in columns
        ]
        if not known:
            hint = f"Call the column of the {column.input}s so."
            raise _no_columns([column.name], columns, hint)
        return [(column, known[0])]
    missing = [column.name for column in features if column.name not in columns]
    if missing:
        raise _no_columns(missing, columns, _spelling(missing, columns))
    return [(column, column.name) for column in features]


def _by_part(columns: Sequence[str], features: Sequence[Column]) -> list[tuple[Column, str]]:
    named = [(of, name) for of in features for name in [_of_part(columns, of)] if name is not None]
    missing = [of.input for of in features if _of_part(columns, of) is None]
    if missing:
        raise _no_columns(missing, columns, _spelling(missing, columns))
    return named


def _of_part(columns: Sequence[str], column: Column) -> str | None:
    return next((name for name in (column.name, column.input) if name in columns), None)


def _spelling(missing: Sequence[str], columns: Sequence[str]) -> str:
    alike = {name.strip().lower(): name for name in columns}
    renamed = {name: alike[name.strip().lower()] for name in missing if name.strip().lower() in alike}
    hints = [f"Rename {received} to {name}." for name, received in renamed.items()]
    if absent := [name for name in missing if name not in renamed]:
        hints.append(f"Add {', '.join(absent[:20])}; cells that are missing may be empty.")
    return " ".join(hints[:6])


def _no_columns(missing: Sequence[str], columns: Sequence[str], hint: str) -> DatasetError:
    shown, received = ", ".join(missing[:20]), ", ".join(columns[:50]) or "no column"
    errors = [{"row": None, "column": name, "expected": name, "received": None} for name in missing[:20]]
    message = f"Expected the columns {shown}. Received: {received}."
    return DatasetError("missing_columns", message, hint, errors)


@dataclass(frozen=True)
class _Reader:
    """The cells of one batch of a file."""

    path: Path
    reading: Reading
    source: Source
    limits: Limits
    batch: pa.RecordBatch
    first: int
    again: bool

    def values(self, column: Column, name: str) -> pa.Array:
        """A column's cells as values of its type."""
        cells = self.batch[name]
        if self.source.options is None:
            self._check_bytes(column, name, cells)
        conventions = self._of_text(column, self.reading.conventions_of(column.name))
        try:
            values = feature(cells, column.type, conventions)
        except BadCell as bad:
            raise self._wrong_type(column, name, cells, bad) from None
        if column.type == "image" and not self.again:
            self._check_images(name, values)
        elif column.type in LETTERS:
            self._check_letters(column, name, values)
        return values

    def _of_text(self, column: Column, conventions: Conventions) -> Conventions:
        """Where a data set had types, a number, boolean or date of a file of text says missing in words."""
        if column.type == "category" or self.source.is_typed or self.reading.format not in _TYPED:
            return conventions
        return conventions.model_copy(update={"missing": [*conventions.missing, *MISSING]})

    def _wrong_type(self, column: Column, name: str, cells: pa.Array, bad: BadCell) -> DatasetError:
        received = str(text_of(cells.slice(bad.index, 1))[0].as_py()).strip()[:80]
        code = "infinite_number" if bad.infinite else "wrong_type"
        hint = "Correct the cell, or leave it empty: it then is missing."
        return self._refusal(code, bad.index, name, EXPECTED[column.type], received, hint)

    def _check_bytes(self, column: Column, name: str, cells: pa.Array) -> None:
        """Refuse bytes that are no text, and NUL; of CSV it is refused with the file."""
        if column.type == "image":
            if not pa.types.is_binary(cells.type):
                raise self._refusal(
                    "no_image", 0, name, "an image's bytes", str(cells.type), "Give its files."
                )
        elif pa.types.is_binary(cells.type):
            raise self._refusal("wrong_type", 0, name, EXPECTED[column.type], "bytes", "Write it as text.")
        elif pa.types.is_string(cells.type):
            found = pc.index(pc.match_substring(cells, "\0"), True).as_py()
            if found >= 0:
                received = cells[found].as_py()[:80]
                raise self._refusal(
                    "not_text", found, name, "text without NUL", received, "Take the NUL out."
                )

    def _check_images(self, name: str, cells: pa.Array) -> None:
        for index, value in enumerate(cells):
            try:
                decoded(value.as_buffer() if value.is_valid else b"", self.limits)
            except BadImage as bad:
                raise self._refusal(bad.code, index, name, bad.expected, bad.received, bad.hint) from None

    def _check_letters(self, column: Column, name: str, values: pa.Array) -> None:
        for index, letters in enumerate(values.to_pylist()):
            if letters is None:
                hint = "Leave the row out."
                raise self._refusal("empty_sequence", index, name, "a sequence", "nothing", hint)
            if wrong := wrong_letter(letters, column.type):
                hint = "Correct the sequence, or leave the row out."
                raise self._refusal("wrong_letters", index, name, LETTERS[column.type], repr(wrong), hint)

    def _refusal(
        self, code: str, index: int, column: str, expected: str, received: str, hint: str
    ) -> DatasetError:
        row = self.first + index
        error: dict[str, Any] = {"row": row, "column": column, "expected": expected, "received": received}
        where = f"row {row}, column {column}"
        if self.source.options is not None:
            error["line"] = csv.line_of(self.path, self.source.options, row)
        if "file" in self.batch.schema.names and column in ("image", "text", "sequence"):
            error["file"] = where = self.batch["file"][index].as_py()
        return DatasetError(code, f"Expected {expected}. Received: {received}, in {where}.", hint, [error])


def _as_text(cells: pa.Array) -> list[str]:
    """Cells as they are written, nothing for null and bytes; a list's items behind bars."""
    if pa.types.is_binary(cells.type):
        return [""] * len(cells)
    if not pa.types.is_string(cells.type):
        cells = text_of(cells)
    return ["|".join(filter(None, (text or "").split(BETWEEN))) for text in cells.to_pylist()]


def read_instances(
    instances: Sequence[Mapping[str, Any]], reading: Reading, limits: Limits | None = None
) -> pa.RecordBatch:
    """Rows of a JSON request, as `Rows.inputs`; an image is its file in base64.

    A key that a row lacks is missing in it, as in JSON lines; so is one that all rows lack, unless another is
    spelt much like it, or no row has any of the columns.

    Raises:
        DatasetError: no row has a column, a value of another type, by row and column.
    """
    keys = list(dict.fromkeys(key for instance in instances for key in instance))
    names = _names_of_instances(keys, reading)
    cells = [_of_instances(instances, name, column) for column, name in names]
    columns = [name for _, name in names]
    source = Source(columns, lambda: (_ for _ in ()), None, is_typed=True)
    batch = pa.RecordBatch.from_arrays(cells, columns)
    reader = _Reader(Path(), reading, source, limits or Limits(), batch, 1, again=False)
    values = [reader.values(column, name) for column, name in names]
    return pa.RecordBatch.from_arrays(values, [column.input for column, _ in names])


def _names_of_instances(keys: Sequence[str], reading: Reading) -> list[tuple[Column, str]]:
    """Each column of the network, and its key; the one of texts, images or sequences has to be named."""
    features = reading.features
    if reading.kind == "qa":
        return _by_part(keys, features)
    if reading.kind != "tabular":
        (column,) = features
        named = [name for name in (column.name, column.input) if name in keys]
        if not named:
            raise _no_columns([column.name], keys, f"Call the {column.input} so.")
        return [(column, named[0])]
    absent = [column.name for column in features if column.name not in keys]
    others = {key.strip().lower() for key in keys if key not in {column.name for column in features}}
    if len(absent) == len(features) or any(name.strip().lower() in others for name in absent):
        raise _no_columns(absent, keys, _spelling(absent, keys))
    return [(column, column.name) for column in features]


_TYPES: dict[type, str] = {bool: "boolean", int: "number", float: "number", str: "text"}
_64_BITS = range(-(2**63), 2**63)


def _of_instances(instances: Sequence[Mapping[str, Any]], name: str, column: Column) -> pa.Array:
    values = [instance.get(name) for instance in instances]
    known: str | None = None
    for row, value in enumerate(values, start=1):
        data_type = None if value is None else _TYPES.get(type(value))
        if value is not None and (data_type is None or known not in (None, data_type)):
            raise _mixed(row, name, value)
        known = known or data_type
    if column.type == "image":
        return pa.array([_of_base64(row, name, value) for row, value in enumerate(values, 1)], pa.binary())
    there = [value for value in values if value is not None]
    if known == "number" and all(isinstance(value, int) and value in _64_BITS for value in there):
        return pa.array(values, pa.int64())  # as text they have all their digits, as in a file
    if known == "number":
        return pa.array([None if value is None else float(value) for value in values], pa.float64())
    return pa.array(values, {"boolean": pa.bool_(), "text": pa.string(), None: pa.null()}[known])


def _of_base64(row: int, name: str, value: Any) -> bytes:
    try:
        return base64.b64decode("".join((value or "").split()), validate=True)
    except (binascii.Error, ValueError, TypeError, AttributeError):
        hint = "Send the bytes of a PNG, JPEG or other image file in base64, without `data:` before them."
        raise _mixed(row, name, value, "an image's file in base64", "no_image", hint) from None


def _mixed(
    row: int,
    name: str,
    value: Any,
    expected: str = "a number, text, true, false or null, and one type in all rows",
    code: str = "mixed_types",
    hint: str = "Give each key single values of one type.",
) -> DatasetError:
    received = repr(value)[:80]
    error = {"row": row, "column": name, "expected": expected, "received": received}
    message = f"Expected {expected}. Received: {received}, in row {row}, column {name}."
    return DatasetError(code, message, hint, [error])
