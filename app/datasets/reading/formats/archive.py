"""A zip of files in folders: images, texts or FASTA. Nothing is unpacked to the disk.

The folders say what a file is: `label/file`, `split/label/file`, or neither beside a `metadata.csv` whose
`file_name` names each image.
"""

from __future__ import annotations

import zipfile
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Any, Literal

import pyarrow as pa

from ..schema import DatasetError, Declaration, Limits, ReadOptions
from ..splits_words import WORDS
from .decoding import decoding
from .dialect import check_names, rows_of
from .fasta import records
from .listing import (
    METADATA,
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
_SHOWN = 5
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
        if listing.metadata is not None:
            names = _metadata_columns(archive, listing)
            return ReadOptions(columns=[column, *names], **common)
    folders = _folders(listing)
    columns = [column, "label", *(["split"] if "split" in folders else []), "file"]
    encoding = known_encoding(declaration.encoding or "utf-8")
    return ReadOptions(columns=columns, folders=folders, encoding=encoding, **common)


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
    if listing.metadata is not None:
        for number, about in enumerate(_metadata(archive, listing), start=1):
            name = about.get("file_name") or ""
            if name not in listing.files:
                received = name[:80] or "an empty cell"
                error = {"row": number, "column": "file_name", "expected": "a file of the archive"}
                message = (
                    f"Expected a file of the archive, in {METADATA}. Received: {received} in row {number}."
                )
                raise DatasetError(
                    "file_not_found",
                    message,
                    "Add the file, or leave the row out.",
                    [error | {"received": received}],
                )
            yield {**about, column: _read(archive, listing.files[name], options)}
        return
    for name, info in listing.files.items():
        said = _said(name, options)
        if options.contents == "sequences":
            text = read_text(archive, info, "utf-8")
            for header, sequence in records(text.splitlines()):
                yield {column: sequence, **said, "file": f"{name}: {header[:80]}"}
        else:
            yield {column: _read(archive, info, options), **said, "file": name}


def _said(name: str, options: ReadOptions) -> dict[str, str]:
    """What a file's folders say; of FASTA without a folder of the label, its name is the label."""
    *folders, file = PurePosixPath(name).parts
    said: dict[str, str] = dict(zip(options.folders or [], folders, strict=False))
    if "label" not in said:
        said["label"] = PurePosixPath(file).stem
    if "split" in said:
        said["split"] = WORDS[said["split"].lower()]
    return said


def _read(archive: zipfile.ZipFile, info: zipfile.ZipInfo, options: ReadOptions) -> Any:
    if options.contents == "images":
        return read_bytes(archive, info)
    return read_text(archive, info, options.encoding or "utf-8")


def _folders(listing: Listing) -> list[Literal["split", "label"]]:
    depths = {len(PurePosixPath(name).parts) - 1 for name in listing.files}
    heads = {PurePosixPath(name).parts[0] for name in listing.files}
    of_split = all(head.lower() in WORDS for head in heads)
    if depths == {1}:
        if not of_split:
            return ["label"]
        if listing.contents == "sequences":
            return ["split"]
    if depths == {2} and of_split:
        return ["split", "label"]
    if depths == {0} and listing.contents == "sequences" and len(listing.files) > 1:
        return []
    shown = ", ".join(list(listing.files)[:_SHOWN])
    message = (
        "Expected files as label/file or split/label/file (split: train, validation or test), or a "
        f"{METADATA} with the column file_name. Received: {shown}."
    )
    raise DatasetError("unknown_folders", message, "Put the files of each class into a folder of its name.")


def _metadata(archive: zipfile.ZipFile, listing: Listing) -> Iterator[dict[str, str]]:
    assert listing.metadata is not None
    text = read_text(archive, listing.metadata, "utf-8")
    reader = rows_of(text, ",", '"')
    names = next(reader, [])
    with decoding(METADATA):
        for number, cells in enumerate(filter(None, reader), start=1):
            if len(cells) > len(names):
                error: dict[str, Any] = {"row": number, "line": reader.line_num, "column": None}
                error |= {"expected": f"{len(names)} cells", "received": f"{len(cells)} cells"}
                message = (
                    f"Expected {len(names)} cells in every row of {METADATA}, as in its header. "
                    f"Received: {len(cells)} in row {number}."
                )
                raise DatasetError("ragged_row", message, "Quote cells that contain commas.", [error])
            yield dict(zip(names, cells, strict=False))


def _metadata_columns(archive: zipfile.ZipFile, listing: Listing) -> list[str]:
    assert listing.metadata is not None
    text = read_text(archive, listing.metadata, "utf-8")
    names = next(rows_of(text, ",", '"'), [])
    check_names(names)
    if "file_name" not in names or _COLUMN[listing.contents] in names:
        received = ", ".join(names)
        message = f"Expected a column file_name in {METADATA}, and none called image. Received: {received}."
        raise DatasetError("file_name_not_found", message, "Name the column of the images' paths file_name.")
    return names
