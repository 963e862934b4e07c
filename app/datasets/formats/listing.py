"""What is in a zip archive, and whether it is safe: asked before any of it is read."""

from __future__ import annotations

import stat
import struct
import zipfile
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Literal

from app.datasets.schema import DatasetError, Limits

Contents = Literal["images", "texts", "sequences"]
METADATA = "metadata.csv"
NO_LIMITS = Limits(entries=2**31, unpacked_bytes=2**62, example_bytes=2**62)
"""Of an archive that was accepted."""

FASTA = (".fa", ".fasta", ".fna", ".faa", ".ffn")
_ENDINGS: dict[str, Contents] = {
    **dict.fromkeys((".png", ".jpg", ".jpeg", ".jpe", ".webp", ".gif", ".bmp"), "images"),
    ".txt": "texts",
    **dict.fromkeys(FASTA, "sequences"),
}
_ARCHIVES = (".zip", ".tar", ".gz", ".tgz", ".bz2", ".xz", ".zst", ".7z", ".rar")
_SHOWN = 5


@dataclass(frozen=True)
class Listing:
    """The files of an archive that matter, by their paths inside of `inside`."""

    contents: Contents
    files: dict[str, zipfile.ZipInfo]
    metadata: zipfile.ZipInfo | None
    inside: str
    ignored: list[str]


def open_archive(path: Path) -> zipfile.ZipFile:
    """The archive, or a DatasetError."""
    try:
        return zipfile.ZipFile(path)
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError) as error:
        # NotImplementedError: zipfile's word for an archive that needs a later version of the format.
        message = f"Expected a whole zip archive. Received: one that cannot be opened ({error})."
        raise DatasetError("broken_file", message, "Upload the file again.") from error


def check_count(path: Path, limits: Limits) -> None:
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


def list_archive(archive: zipfile.ZipFile, limits: Limits) -> Listing:
    """The files that matter.

    Raises:
        DatasetError: for what is unsafe, too large, or no example.
    """
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
    metadata = [info for info in others if PurePosixPath(info.filename).name.lower() == METADATA]
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
    with open_archive(path) as archive:
        return list_archive(archive, NO_LIMITS).ignored


def read_bytes(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> bytes:
    """One file, or a DatasetError."""
    try:
        return archive.read(info)
    except Exception as error:  # zipfile and its decompressors raise what they like
        received = f"{info.filename}, which cannot be unpacked ({str(error)[:120]})"
        message = f"Expected a whole archive. Received: {received}."
        raise DatasetError("broken_file", message, "Pack it anew.") from error


def read_text(archive: zipfile.ZipFile, info: zipfile.ZipInfo, encoding: str) -> str:
    """One file as text, or a DatasetError."""
    data = read_bytes(archive, info)
    try:
        return data.decode("utf-8-sig" if encoding == "utf-8" else encoding)
    except (UnicodeError, LookupError) as error:
        message = f"Expected text in {encoding}. Received: {info.filename}, which is none ({error})."
        raise DatasetError("not_text", message, "Save it as UTF-8, or declare `encoding`.") from error


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
    whole = PurePosixPath(info.filename).suffix.lower() in (*FASTA, ".csv")
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
