"""What is in a zip archive, and whether it is safe: asked before any of it is read."""

from __future__ import annotations

import stat
import struct
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Literal

from ..errors import DatasetError, is_text
from ..limits import Limits
from .decoding import broken, decoding, is_of_the_machine
from .paths import is_folder, is_junk, is_left_behind, path_of

Contents = Literal["images", "texts", "sequences"]
METADATA = "metadata.csv"
NO_LIMITS = Limits(entries=2**31, unpacked_bytes=2**62, unpacked_freely=2**62, example_bytes=2**62)
"""Of an archive that was accepted."""

FASTA = (".fa", ".fasta", ".fna", ".faa", ".ffn")
_ENDINGS: dict[str, Contents] = {
    **dict.fromkeys(
        (
            ".png",
            ".apng",
            ".jpg",
            ".jpeg",
            ".jpe",
            ".jfif",
            ".pjpeg",
            ".pjp",
            ".webp",
            ".gif",
            ".bmp",
            ".dib",
        ),
        "images",
    ),
    ".txt": "texts",
    **dict.fromkeys(FASTA, "sequences"),
}
_UNREAD = frozenset(
    (
        ".tif", ".tiff", ".heic", ".heif", ".avif", ".jxl", ".jp2", ".j2k", ".svg", ".psd", ".tga", ".pcx",
        ".ppm", ".pgm", ".pbm", ".pnm", ".ico", ".dcm", ".nii", ".exr", ".hdr", ".dng", ".nef", ".cr2",
    )
)  # fmt: skip
_PICTURES = (b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"GIF8", b"BM")
_ARCHIVES = (".zip", ".tar", ".gz", ".tgz", ".bz2", ".xz", ".zst", ".7z", ".rar")
_SHOWN = 5
_HEAD = 512
_LOCAL_HEADER = 30  # bytes at least, before a file's own


@dataclass(frozen=True)
class Listing:
    """The files of an archive that matter, by their paths inside of `inside`; all paths are relative to it.

    `ignored` are files that are no examples, of them `unread` pictures in formats that are not read;
    `metadata` the tables that say labels, by their folders; `empty` folders without files, and FASTA files
    without bytes.
    """

    contents: Contents
    files: dict[str, zipfile.ZipInfo]
    metadata: dict[str, zipfile.ZipInfo]
    inside: str
    ignored: list[str]
    unread: list[str]
    empty: list[str]


def open_archive(path: Path) -> zipfile.ZipFile:
    """The archive, or a DatasetError."""
    try:
        with decoding("zip archive"):  # NotImplementedError: it needs a later version of the format
            return zipfile.ZipFile(path)
    except (ValueError, IndexError) as error:  # of offsets that point outside, and extra fields cut short
        raise broken("zip archive", error) from error


def check_count(path: Path, limits: Limits) -> None:
    """Ask the archive's last record how many files there are, before a list of them is made."""
    with path.open("rb") as file:
        size = file.seek(0, 2)
        file.seek(max(0, size - 65_557 - 20))
        tail = file.read()
    end = tail.rfind(b"PK\x05\x06")
    if end < 0 or len(tail) - end < 22:
        return  # opening it says so
    count, directory = (
        struct.unpack_from("<H", tail, end + 10)[0],
        struct.unpack_from("<I", tail, end + 12)[0],
    )
    locator = tail.rfind(b"PK\x06\x07", 0, end)
    if count == 0xFFFF and 0 <= locator <= len(tail) - 20:
        offset = struct.unpack_from("<Q", tail, locator + 8)[0]
        with path.open("rb") as file:
            offset = min(offset, size)
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
    """The files that matter, of an archive that `check_entries` found nothing wrong with.

    Raises:
        DatasetError: for what is too large, or no example.
    """
    known: dict[Contents, dict[str, zipfile.ZipInfo]] = {"images": {}, "sequences": {}, "texts": {}}
    others: dict[str, zipfile.ZipInfo] = {}
    plain: dict[str, zipfile.ZipInfo] = {}
    folders: list[str] = []
    hidden: list[str] = []
    total, most = 0, limits.unpacked_from(_size(archive))
    infos = archive.infolist()
    if len(infos) > limits.entries:
        message = f"Expected at most {limits.entries} files in the archive. Received: {len(infos)}."
        raise DatasetError("too_many_files", message, "Pack fewer.")
    for info in infos:
        path = path_of(info)
        if is_folder(info):
            if not is_junk(path):
                folders.append(path)
            continue
        ending = PurePosixPath(path).suffix.lower()
        if is_junk(path):
            if ending in _ENDINGS and not is_left_behind(path):
                hidden.append(path)
            continue
        total += info.file_size
        _check_size(info, limits)
        if total > most:
            raise too_much(info, most)
        if ending in _ARCHIVES:
            raise _refused(info, "nested_archive", "no archive inside of the archive", "Unpack it first.")
        if ending in _ENDINGS:
            known[_ENDINGS[ending]][path] = info
        elif not ending or ending[1:].isdigit():
            plain[path] = info
        else:
            others[path] = info
    _add_plain(archive, known, plain)
    others |= plain
    contents = next((name for name, files in known.items() if files), None)
    if contents is None:
        names = ", ".join(list(others)[:_SHOWN]) or "no file"
        message = f"Expected images, .txt files or FASTA files in the archive. Received: {names}."
        hint = "Pack PNG, JPEG, WebP, GIF, BMP, .txt or .fa files; a table is uploaded as it is."
        raise DatasetError("nothing_to_learn_from", message, hint)
    metadata = _metadata(others) if contents == "images" else {}
    files = known[contents]
    unread = [
        path for path in others if contents == "images" and PurePosixPath(path).suffix.lower() in _UNREAD
    ]
    inside = _inside([*files, *metadata, *unread])
    ignored = [path for path in others if path not in metadata]
    ignored += [name for other, of in known.items() if other != contents for name in of]
    occupied = {str(parent) for path in (*files, *ignored) for parent in PurePosixPath(path).parents}
    empty = [folder for folder in folders if folder not in occupied]
    if contents == "sequences":
        empty += [path for path, info in files.items() if not info.file_size]
    return Listing(
        contents,
        {name.removeprefix(inside): info for name, info in files.items()},
        {_folder(name.removeprefix(inside)): info for name, info in metadata.items()},
        inside,
        [name.removeprefix(inside) for name in (*ignored, *hidden)],
        [name.removeprefix(inside) for name in unread],
        [name.removeprefix(inside) for name in empty],
    )


def _folder(path: str) -> str:
    """The folder of a path, ended by a slash; nothing at the top."""
    return path[: path.rfind("/") + 1]


def _metadata(others: Mapping[str, zipfile.ZipInfo]) -> dict[str, zipfile.ZipInfo]:
    """The one table above all others, or those of several folders, as one for each part of a split."""
    found = [path for path in others if path.rpartition("/")[2].lower() == METADATA]
    top = min(found, key=len, default="")
    if all(path.startswith(_folder(top)) for path in found):
        found = [top] if top else []
    return {path: others[path] for path in found}


def _add_plain(
    archive: zipfile.ZipFile,
    known: dict[Contents, dict[str, zipfile.ZipInfo]],
    plain: dict[str, zipfile.ZipInfo],
) -> None:
    """Tell files without an ending by their first bytes: pictures, or texts where nothing else is."""
    if any(known.values()) and not known["images"]:
        return
    heads = {path: _head(archive, info) for path, info in plain.items()}
    found: Contents = "images"
    here = [path for path, head in heads.items() if _is_picture(head)]
    if not here and not any(known.values()):
        found, here = "texts", [path for path, head in heads.items() if _is_plain_text(head)]
        here = here if len(here) == len(plain) else []
    for path in here:
        known[found][path] = plain.pop(path)


def _head(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> bytes:
    try:
        with archive.open(info) as stream:
            return stream.read(min(_HEAD, info.file_size))
    except MemoryError:
        raise
    except Exception as error:  # zipfile and its decompressors raise what they like
        if is_of_the_machine(error):
            raise
        return b""


def _is_picture(head: bytes) -> bool:
    return head.startswith(_PICTURES) or (head[:4] == b"RIFF" and head[8:12] == b"WEBP")


def _is_plain_text(head: bytes) -> bool:
    try:
        text = head.decode("utf-8")
    except UnicodeDecodeError as error:
        text = head[: error.start].decode("utf-8") if error.start > len(head) - 4 else "\0"
    return bool(text.strip()) and "\0" not in text


def check_entries(archive: zipfile.ZipFile) -> None:
    """Whether each file may be read at all, and is told from all others.

    Raises:
        DatasetError: an unsafe or repeated path, a password, a packing that cannot be read in bounded memory,
            or files that share their bytes, as those of bombs do.
    """
    infos = archive.infolist()
    paths: set[str] = set()
    for info in infos:
        _check_safe(info)
        path = path_of(info)
        if path in paths and not is_folder(info):
            hint = "Pack the folder anew: programs differ in which of the two they read."
            raise _refused(info, "duplicate_file_name", "each path once in the archive", hint)
        paths.add(path)
    end = 0
    for info in sorted(infos, key=lambda info: info.header_offset):
        if info.header_offset < end:
            raise _refused(info, "unsafe_archive", "files that do not overlap", "Pack the folder anew.")
        end = info.header_offset + _LOCAL_HEADER + info.compress_size


def _size(archive: zipfile.ZipFile) -> int:
    assert archive.fp is not None
    return archive.fp.seek(0, 2)


def read_bytes(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> bytes:
    """One file, or a DatasetError."""
    try:
        # No more than it says: without a number all of a bomb is unpacked before its size is looked at.
        with archive.open(info) as stream:
            data = stream.read(info.file_size)
        if len(data) < info.file_size:
            raise EOFError("it ends too early")
        return data
    except MemoryError:
        raise
    except Exception as error:  # zipfile and its decompressors raise what they like
        if is_of_the_machine(error):
            raise
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
    meant = path_of(info)
    parts = PurePosixPath(name).parts
    strange = not parts or name.startswith("/") or ".." in parts or ":" in parts[0]
    if strange or ".." in meant.split("/") or not is_text(name) or not is_text(meant):
        raise _refused(info, "unsafe_archive", "paths inside of the archive", "Pack it without such paths.")
    if stat.S_ISLNK(info.external_attr >> 16):
        raise _refused(info, "unsafe_archive", "files, no links", "Pack the files themselves.")
    if info.flag_bits & 1:
        raise _refused(info, "encrypted_archive", "files without a password", "Pack it without one.")
    if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        # zipfile unpacks bzip2 and LZMA in memory without a bound.
        raise _refused(info, "unsupported_packing", "files that are deflated or stored", "Pack it so.")


def _check_size(info: zipfile.ZipInfo, limits: Limits) -> None:
    whole = PurePosixPath(info.filename).suffix.lower() in (*FASTA, ".csv")
    most = 16 * limits.example_bytes if whole else limits.example_bytes
    if info.file_size > most:
        raise _refused(
            info, "example_too_large", f"files of at most {most} bytes unpacked", "Make it smaller."
        )


def too_much(info: zipfile.ZipInfo, most: int) -> DatasetError:
    """The refusal of an archive whose files are more than `most` bytes with this one."""
    expected = f"at most {most} bytes unpacked, all files together, in an archive of this size"
    hint = (
        "Pack fewer; whoever runs the service can allow more with MODEL_TRANSFER_MAX_UNPACKED_RATIO and "
        "MODEL_TRANSFER_MAX_UNPACKED_BYTES."
    )
    return _refused(info, "archive_too_large", expected, hint)


def _refused(info: zipfile.ZipInfo, code: str, expected: str, hint: str) -> DatasetError:
    name = info.orig_filename[:200]
    error = {"row": None, "column": None, "file": name, "expected": expected, "received": name}
    return DatasetError(
        code, f"Expected {expected}. Received: {name} ({info.file_size} bytes).", hint, [error]
    )


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
