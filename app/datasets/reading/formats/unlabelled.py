"""A file of rows without labels, in any format: how its bytes become cells, and which columns it has.

The format's own module reads it wherever it asks for no label. An archive, FASTA, a text file of a text a
line and single images are read by what those modules are made of.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Generator, Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Any

import pyarrow as pa

from ..declaration import Declaration
from ..description import Reading, ReadOptions
from ..errors import DatasetError
from ..limits import Limits
from ..words import Format, Kind
from . import csv, fasta
from .contents import FILES, MODULES, find_format
from .decoding import decoded, decoding
from .listing import (
    NO_LIMITS,
    check_count,
    check_entries,
    list_archive,
    open_archive,
    read_bytes,
    read_text,
)
from .stream import find_encoding, open_stream

_ROWS, _BYTES = 1024, 16 << 20
_KINDS: dict[str, Kind] = {"images": "image", "texts": "text", "sequences": "sequence"}
_DATA_SETS_OF_IMAGES = (b"PK\x03\x04", b"PAR1")
_Batches = Generator[pa.RecordBatch]


@dataclass(frozen=True)
class Source:
    """A file's columns, and its cells as often as they are asked for.

    `options` are those of CSV and TSV. `is_typed`: cells have types of their own, and null where missing.
    """

    columns: list[str]
    batches: Callable[[], _Batches]
    options: ReadOptions | None = None
    is_typed: bool = False
    is_archive: bool = False

    @property
    def is_of_files(self) -> bool:
        """Whether the column `file` names the file of each row: one of an archive's, or the one image."""
        return self.columns == ["image", "file"] or self.is_archive


def open_source(path: Path, reading: Reading, declaration: Declaration, limits: Limits) -> Source:
    """The source of a file's rows, to be read by what was read before.

    Raises:
        DatasetError: it is none of the formats, or another kind of data.
    """
    name = (declaration.filename or path.name).lower().removesuffix(".gz")
    declaration = declaration.model_copy(update={"filename": name, "label": reading.label})
    if reading.kind == "image" and _head(path) not in _DATA_SETS_OF_IMAGES:
        return _picture(path, limits)
    if reading.kind in ("text", "pairs") and name.endswith(".txt") and declaration.format is None:
        return _lines(path, declaration, limits, "source" if reading.kind == "pairs" else "text")
    found = find_format(path, declaration)
    with decoding(FILES[found]):
        if found == "zip":
            source = _archive(path, reading, declaration, limits)
        elif found == "fasta":
            source = _fasta(path, reading, limits)
        else:
            source = _table(path, found, reading, declaration, limits)
    return replace(source, batches=lambda: decoded(FILES[found], source.batches()))


def _head(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(4)


def _picture(path: Path, limits: Limits) -> Source:
    def batches() -> _Batches:
        with path.open("rb") as file:
            data = file.read(limits.example_bytes + 1)
        yield pa.record_batch({"image": pa.array([data], pa.binary()), "file": pa.array([str(path)])})

    return Source(["image", "file"], batches)


def _lines(path: Path, declaration: Declaration, limits: Limits, column: str) -> Source:
    encoding = find_encoding(path, declaration.encoding, limits)

    def batches() -> _Batches:
        with _text(path, encoding) as text:
            yield from _grouped(({column: line.rstrip("\n")} for line in text), [column], pa.string())

    return Source([column], batches)


def _text(path: Path, encoding: str) -> io.TextIOWrapper:
    return io.TextIOWrapper(open_stream(path), "utf-8-sig" if encoding == "utf-8" else encoding, newline=None)


def _fasta(path: Path, reading: Reading, limits: Limits) -> Source:
    _check_kind("sequence", reading)
    encoding = find_encoding(path, "utf-8", limits)
    columns = ["sequence", "header"]

    def batches() -> _Batches:
        with _text(path, encoding) as text:
            rows = ({"sequence": letters, "header": header} for header, letters in fasta.records(text))
            yield from _grouped(rows, columns, pa.string())

    return Source(columns, batches)


def _archive(path: Path, reading: Reading, declaration: Declaration, limits: Limits) -> Source:
    check_count(path, limits)
    with open_archive(path) as archive:
        check_entries(archive)
        contents = list_archive(archive, limits).contents
    kind = _KINDS[contents]
    _check_kind(kind, reading)
    columns = [kind, "file"]

    def rows() -> Iterator[dict[str, Any]]:
        with open_archive(path) as archive:
            for name, info in list_archive(archive, NO_LIMITS).files.items():
                if kind == "image":
                    yield {"image": read_bytes(archive, info), "file": name}
                elif kind == "text":
                    yield {"text": read_text(archive, info, declaration.encoding or "utf-8"), "file": name}
                else:
                    text = read_text(archive, info, "utf-8")
                    for header, letters in fasta.records(text.splitlines()):
                        yield {"sequence": letters, "file": f"{name}: {header[:80]}"}

    first = pa.binary() if kind == "image" else pa.string()
    return Source(columns, lambda: _grouped(rows(), columns, first), is_archive=True)


def _grouped(rows: Iterable[dict[str, Any]], columns: list[str], first: pa.DataType) -> _Batches:
    """Batches of at most 1024 rows, and not much more than 16 MB."""
    iterator = iter(rows)
    while head := next(iterator, None):
        group, size = [head], len(head[columns[0]])
        for row in islice(iterator, _ROWS - 1):
            group.append(row)
            size += len(row[columns[0]])
            if size > _BYTES:
                break
        arrays = {
            name: pa.array([row[name] for row in group], pa.string() if place else first)
            for place, name in enumerate(columns)
        }
        yield pa.record_batch(arrays)


def _check_kind(kind: Kind, reading: Reading) -> None:
    if kind != reading.kind:
        wanted = "rows of columns" if reading.kind == "tabular" else f"{reading.kind}s"
        message = f"Expected {wanted}, as the model reads. Received: a file of {kind}s."
        raise DatasetError("kind_differs", message, "Give a file of the kind that the model was trained on.")


def _table(path: Path, found: Format, reading: Reading, declaration: Declaration, limits: Limits) -> Source:
    module = MODULES[found]
    if found in ("csv", "tsv"):
        declaration = _as_before(path, found, reading, declaration, limits)
    options: ReadOptions = module.recognise(path, declaration, limits)
    if found in ("csv", "tsv"):
        trusted = declaration.quote is not None
        return Source(options.columns, lambda: csv.open_batches(path, options, trusted=trusted), options)
    is_typed = found in ("jsonl", "parquet")
    return Source(options.columns, lambda: module.open_batches(path, options), is_typed=is_typed)


def _as_before(
    path: Path, found: Format, reading: Reading, declaration: Declaration, limits: Limits
) -> Declaration:
    """What the data set's file turned out to be is what this one is, where it fits; else it is found anew."""
    known = reading.options
    before = known.encoding is not None and not _is_unicode(known.encoding)
    if before and declaration.encoding is None and not _is_unicode(find_encoding(path, None, limits)):
        declaration = _if_it_reads(path, found, declaration, limits, encoding=known.encoding)
    if known.delimiter and declaration.delimiter is None and found == "csv":
        tried = _if_it_reads(path, found, declaration, limits, delimiter=known.delimiter)
        if tried.delimiter and _has_inputs(csv.recognise(path, tried, limits).columns, reading):
            declaration = tried
    return declaration


def _is_unicode(encoding: str) -> bool:
    return encoding.startswith("utf") or encoding == "ascii"


def _if_it_reads(
    path: Path, found: Format, declaration: Declaration, limits: Limits, **values: str | None
) -> Declaration:
    """The declaration with these values, or as it is where the file cannot be read so."""
    tried = declaration.model_copy(update=values)
    try:
        MODULES[found].recognise(path, tried, limits)
    except DatasetError:
        return declaration
    return tried


def _has_inputs(columns: list[str], reading: Reading) -> bool:
    return all(column.name in columns or column.input in columns for column in reading.features)
