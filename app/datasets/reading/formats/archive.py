"""A zip of files in folders: images, texts or FASTA. Nothing is unpacked to the disk.

The folders say what a file is: `label/file`, `split/label/file`, or neither beside a `metadata.csv` whose
`file_name` names each image.
"""

from __future__ import annotations

import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa

from ..declaration import Declaration
from ..description import ReadOptions
from ..limits import Limits
from . import metadata
from .fasta import letters_of, records
from .folders import check_readable, find_folders, said_by
from .listing import (
    NO_LIMITS,
    Contents,
    Listing,
    check_count,
    check_entries,
    list_archive,
    open_archive,
    read_bytes,
    read_text,
)
from .stream import known_encoding

_BATCH_BYTES = 16 << 20
_BATCH_ROWS = 1024
_COLUMN: dict[Contents, str] = {"images": "image", "texts": "text", "sequences": "sequence"}


def recognise(path: Path, declaration: Declaration, limits: Limits | None = None) -> ReadOptions:
    """What the files are, and what their folders say.

    Raises:
        DatasetError: for an unsafe archive, one that is too large, and files in no known order.
    """
    limits = limits or Limits()
    check_count(path, limits)
    with open_archive(path) as archive:
        check_entries(archive)
        listing = list_archive(archive, limits)
        column = _COLUMN[listing.contents]
        common = {"contents": listing.contents, "inside": listing.inside or None}
        if listing.metadata:
            names = metadata.columns(archive, listing, column)
            return ReadOptions(columns=[column, *names], **common)
    folders = find_folders(listing)
    check_readable(listing, folders)
    return ReadOptions(
        columns=[column, "label", *(["split"] if "split" in folders else []), "file"],
        folders=folders,
        encoding=known_encoding(declaration.encoding or "utf-8"),
        letters=letters_of(listing.files) if listing.contents == "sequences" else None,
        names=True,
        **common,
    )


def open_batches(path: Path, options: ReadOptions) -> Iterator[pa.RecordBatch]:
    """Batches of one column of bytes (images) or text, and columns of text for what is said of them."""
    with open_archive(path) as archive:
        listing = list_archive(archive, NO_LIMITS)
        rows: list[dict[str, Any]] = []
        size = 0
        for row in _rows(archive, listing, options):
            rows.append(row)
            size += len(row[options.columns[0]])
            if len(rows) == _BATCH_ROWS or size > _BATCH_BYTES:
                yield _batch(rows, options)
                rows, size = [], 0
        if rows:
            yield _batch(rows, options)


def _batch(rows: list[dict[str, Any]], options: ReadOptions) -> pa.RecordBatch:
    first = pa.binary() if options.contents == "images" else pa.string()
    types = [first, *[pa.string()] * (len(options.columns) - 1)]
    arrays = [
        pa.array([row.get(name) or None for row in rows], data_type)
        for name, data_type in zip(options.columns, types, strict=True)
    ]
    return pa.RecordBatch.from_arrays(arrays, names=options.columns)


def _rows(archive: zipfile.ZipFile, listing: Listing, options: ReadOptions) -> Iterator[dict[str, Any]]:
    column = options.columns[0]
    if listing.metadata:
        for about, info in metadata.rows(archive, listing):
            yield {**about, column: _read(archive, info, options)}
        return
    for name, info in listing.files.items():
        said = said_by(name, options.folders or [])
        if options.contents == "sequences":
            text = read_text(archive, info, "utf-8")
            for header, sequence in records(text.splitlines()):
                yield {column: sequence, **said, "file": f"{name}: {header[:80]}"}
        else:
            yield {column: _read(archive, info, options), **said, "file": name}


def _read(archive: zipfile.ZipFile, info: zipfile.ZipInfo, options: ReadOptions) -> Any:
    if options.contents == "images":
        return read_bytes(archive, info)
    return read_text(archive, info, options.encoding or "utf-8")
