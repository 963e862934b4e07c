"""A zip of files in folders: images, texts or FASTA. Nothing is unpacked to the disk.

The folders say what a file is: `label/file`, `split/label/file`, or neither beside a `metadata.csv` whose
`file_name` names each image.
"""

from __future__ import annotations

import csv
import io
import stat
import struct
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, Literal

import pyarrow as pa

from app.datasets.formats.dialect import check_names
from app.datasets.formats.fasta import records
from app.datasets.schema import DatasetError, Declaration, Limits, ReadOptions
from app.datasets.splits_words import WORDS

Contents = Literal["images", "texts", "sequences"]

_ENDINGS: dict[str, Contents] = {
    **dict.fromkeys((".png", ".jpg", ".jpeg", ".jpe", ".webp", ".gif", ".bmp"), "images"),
    ".txt": "texts",
    **dict.fromkeys((".fa", ".fasta", ".fna", ".faa", ".ffn"), "sequences"),
}
_ARCHIVES = (".zip", ".tar", ".gz", ".tgz", ".bz2", ".xz", ".zst", ".7z", ".rar")
_METADATA = "metadata.csv"
_BATCH_BYTES = 16 << 20
_BATCH_ROWS = 1024
_SHOWN = 5
_COLUMN: dict[Contents, str] = {"images": "image", "texts": "text", "sequences": "sequence"}


@dataclass(frozen=True)
class Listing:
    """The files of an archive that matter, by their paths inside of `inside`."""

    contents: Contents
    files: dict[str, zipfile.ZipInfo]
    metadata: zipfile.ZipInfo | None
    inside: str
    ignored: list[str]


def recognise(path: Path, declaration: Declaration, limits: Limits | None = None) -> ReadOptions:
    """What the files are, and what their folders say.

    Raises:
        DatasetError: for an unsafe archive, one that is too large, and files in no known order.
    """
    limits = limits or Limits()
    _check_count(path, limits)
    with _archive(path) as archive:
        listing = _listing(archive, limits)
        column = _COLUMN[listing.contents]
        common = {"contents": listing.contents, "inside": listing.inside or None}
        if listing.metadata is not None:
            names = _metadata_columns(archive, listing)
            return ReadOptions(columns=[column, *names], **common)
    folders = _folders(listing)
    columns = [column, "label", *(["split"] if "split" in folders else []), "file"]
    encoding = declaration.encoding or "utf-8"
    return ReadOptions(columns=columns, folders=folders, encoding=encoding, **common)


def open_batches(path: Path, options: ReadOptions) -> Iterator[pa.RecordBatch]:
    """Batches of one column of bytes (images) or text, and columns of text for what is said of them."""
    with _archive(path) as archive:
        listing = _listing(archive, Limits(entries=2**31, unpacked_bytes=2**62, example_bytes=2**62))
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
                    f"Expected a file of the archive, in {_METADATA}. Received: {received} in row {number}."
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
            text = _decoded(archive, info, "utf-8")
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
        return _bytes(archive, info)
    return _decoded(archive, info, options.encoding or "utf-8")


def _bytes(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> bytes:
    try:
        return archive.read(info)
    except Exception as error:  # zipfile and its decompressors raise what they like
        received = f"{info.filename}, which cannot be unpacked ({str(error)[:120]})"
        message = f"Expected a whole archive. Received: {received}."
        raise DatasetError("broken_file", message, "Pack it anew.") from error


def _decoded(archive: zipfile.ZipFile, info: zipfile.ZipInfo, encoding: str) -> str:
    data = _bytes(archive, info)
    try:
        return data.decode("utf-8-sig" if encoding == "utf-8" else encoding)
    except (UnicodeError, LookupError) as error:
        message = f"Expected text in {encoding}. Received: {info.filename}, which is none ({error})."
        raise DatasetError("not_text", message, "Save it as UTF-8, or declare `encoding`.") from error


def _archive(path: Path) -> zipfile.ZipFile:
    try:
        return zipfile.ZipFile(path)
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError) as error:
        message = f"Expected a whole zip archive. Received: one that cannot be opened ({error})."
        raise DatasetError("broken_file", message, "Upload the file again.") from error


def _check_count(path: Path, limits: Limits) -> None:
    """Ask the archive's last record how many files there are, before a list of them is made."""
    with path.open("rb") as file:
        size = file.seek(0, 2)
        file.seek(max(0, size - 65_557 - 20))
        tail = file.read()
    end = tail.rfind(b"PK\x05\x06")
    if end < 0:
        return  # opening it says so
    count, directory = (
        struct.unpack_from("<H", tail, end + 10)[0],
        struct.unpack_from("<I", tail, end + 12)[0],
    )
    locator = tail.rfind(b"PK\x06\x07", 0, end)
    if count == 0xFFFF and locator >= 0:
        offset = struct.unpack_from("<Q", tail, locator + 8)[0]
        with path.open("rb") as file:
            file.seek(offset)
            record = file.read(56)
        if record.startswith(b"PK\x06\x06") and len(record) == 56:
            count, directory = (
                struct.unpack_from("<Q", record, 32)[0],
                struct.unpack_from("<Q", record, 40)[0],
            )
    if count > limits.entries or directory // 46 > 8 * limits.entries:
        message = f"Expected at most {limits.entries} files in the archive. Received: {count}."
        hint = "Pack fewer; whoever runs the service can allow more with MODEL_TRANSFER_MAX_ARCHIVE_FILES."
        raise DatasetError("too_many_files", message, hint)


def _listing(archive: zipfile.ZipFile, limits: Limits) -> Listing:
    known: dict[Contents, dict[str, zipfile.ZipInfo]] = {"images": {}, "sequences": {}, "texts": {}}
    others: list[zipfile.ZipInfo] = []
    total = 0
    infos = archive.infolist()
    if len(infos) > limits.entries:
        message = f"Expected at most {limits.entries} files in the archive. Received: {len(infos)}."
        raise DatasetError("too_many_files", message, "Pack fewer.")
    for info in infos:
        _check_safe(info)
        if info.is_dir() or _is_junk(info.filename):
            continue
        total += info.file_size
        _check_size(info, total, limits)
        ending = PurePosixPath(info.filename).suffix.lower()
        if ending in _ARCHIVES:
            raise _refused(info, "nested_archive", "no archive inside of the archive", "Unpack it first.")
        if ending in _ENDINGS:
            known[_ENDINGS[ending]][info.filename] = info
        else:
            others.append(info)
    contents = next((name for name, files in known.items() if files), None)
    if contents is None:
        names = ", ".join(info.filename for info in others[:_SHOWN]) or "no file"
        message = f"Expected images, .txt files or FASTA files in the archive. Received: {names}."
        hint = "Pack PNG, JPEG, WebP, GIF, BMP, .txt or .fa files; a table is uploaded as it is."
        raise DatasetError("nothing_to_learn_from", message, hint)
    files = known[contents]
    metadata = [info for info in others if PurePosixPath(info.filename).name.lower() == _METADATA]
    metadata = sorted(metadata, key=lambda info: len(info.filename))[:1] if contents == "images" else []
    inside = _inside([*files, *(info.filename for info in metadata)])
    ignored = [info.filename for info in others if info not in metadata]
    ignored += [name for other, of in known.items() if other != contents for name in of]
    return Listing(
        contents,
        {name.removeprefix(inside): info for name, info in files.items()},
        metadata[0] if metadata else None,
        inside,
        ignored,
    )


def ignored_files(path: Path) -> list[str]:
    """The archive's files that were passed over."""
    with _archive(path) as archive:
        return _listing(archive, Limits(entries=2**31, unpacked_bytes=2**62, example_bytes=2**62)).ignored


def _check_safe(info: zipfile.ZipInfo) -> None:
    name = info.orig_filename.replace("\\", "/")
    parts = PurePosixPath(name).parts
    if name.startswith("/") or ".." in parts or (parts and ":" in parts[0]) or "\0" in name:
        raise _refused(info, "unsafe_archive", "paths inside of the archive", "Pack it without such paths.")
    if stat.S_ISLNK(info.external_attr >> 16):
        raise _refused(info, "unsafe_archive", "files, no links", "Pack the files themselves.")
    if info.flag_bits & 1:
        raise _refused(info, "encrypted_archive", "files without a password", "Pack it without one.")


def _check_size(info: zipfile.ZipInfo, total: int, limits: Limits) -> None:
    whole = PurePosixPath(info.filename).suffix.lower() in (".fa", ".fasta", ".fna", ".faa", ".ffn", ".csv")
    most = 16 * limits.example_bytes if whole else limits.example_bytes
    if info.file_size > most:
        raise _refused(
            info, "example_too_large", f"files of at most {most} bytes unpacked", "Make it smaller."
        )
    if total > limits.unpacked_bytes:
        expected = f"at most {limits.unpacked_bytes} bytes unpacked, all files together"
        hint = "Pack fewer; whoever runs the service can allow more with MODEL_TRANSFER_MAX_UNPACKED_BYTES."
        raise _refused(info, "archive_too_large", expected, hint)


def _refused(info: zipfile.ZipInfo, code: str, expected: str, hint: str) -> DatasetError:
    name = info.orig_filename[:200]
    error = {"row": None, "column": None, "file": name, "expected": expected, "received": name}
    return DatasetError(
        code, f"Expected {expected}. Received: {name} ({info.file_size} bytes).", hint, [error]
    )


def _is_junk(name: str) -> bool:
    parts = PurePosixPath(name).parts
    return parts[0] == "__MACOSX" or parts[-1].startswith(".") or parts[-1] in ("Thumbs.db", "desktop.ini")


def _inside(names: list[str]) -> str:
    """The folders that hold all files, ended by a slash; the last may not be the files' only label."""
    common: list[str] = []
    parts = [PurePosixPath(name).parts for name in names]
    while all(len(one) > len(common) + 1 for one in parts):
        heads = {one[len(common)] for one in parts}
        if len(heads) > 1:
            break
        common.append(heads.pop())
    return "".join(f"{part}/" for part in common)


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
        f"{_METADATA} with the column file_name. Received: {shown}."
    )
    raise DatasetError("unknown_folders", message, "Put the files of each class into a folder of its name.")


def _metadata(archive: zipfile.ZipFile, listing: Listing) -> Iterator[dict[str, str]]:
    assert listing.metadata is not None
    text = _decoded(archive, listing.metadata, "utf-8")
    yield from csv.DictReader(io.StringIO(text, newline=""))


def _metadata_columns(archive: zipfile.ZipFile, listing: Listing) -> list[str]:
    assert listing.metadata is not None
    text = _decoded(archive, listing.metadata, "utf-8")
    names = next(csv.reader(io.StringIO(text, newline="")), [])
    check_names(names)
    if "file_name" not in names or _COLUMN[listing.contents] in names:
        received = ", ".join(names)
        message = f"Expected a column file_name in {_METADATA}, and none called image. Received: {received}."
        raise DatasetError("file_name_not_found", message, "Name the column of the images' paths file_name.")
    return names
