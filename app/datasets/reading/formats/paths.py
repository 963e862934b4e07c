"""What the paths of an archive's files were meant to be, and which are left behind by programs."""

from __future__ import annotations

import struct
import unicodedata
import zipfile
from pathlib import PurePosixPath

_IN_UTF8 = 0x800  # a flag of the format
_UNICODE_PATH = 0x7075  # an extra field
_JUNK_FOLDERS = frozenset(("__macosx", "$recycle.bin", "@eadir", "__pycache__", "system volume information"))
_JUNK_FILES = frozenset(("thumbs.db", "ehthumbs.db", "desktop.ini", "icon\r"))
_LEFT_BEHIND = (
    ".ds_store", "._", ".ipynb_checkpoints", ".git", ".svn", ".hg", ".idea", ".vscode", ".cache", ".trash",
    ".spotlight", ".fseventsd", ".keep", ".directory", ".localized",
)  # fmt: skip


def path_of(info: zipfile.ZipInfo) -> str:
    """Its path with `/` between folders and composed letters (NFC), without `./` and `//`."""
    name = info.filename
    if not name.isascii():
        name = unicodedata.normalize("NFC", _as_meant(info))
    if "\\" in name:
        name = name.replace("\\", "/")
    return "/".join(PurePosixPath(name).parts)


def is_folder(info: zipfile.ZipInfo) -> bool:
    """Whether the entry is a folder's own."""
    return info.is_dir() or (info.filename.endswith("\\") and not info.file_size)


def _as_meant(info: zipfile.ZipInfo) -> str:
    """UTF-8, which many programs write without saying so, where the bytes are; else DOS's letters."""
    if info.flag_bits & _IN_UTF8:
        return info.filename
    said = _extra_name(info.extra)
    try:
        return (said or info.filename.encode("cp437")).decode("utf-8")
    except UnicodeError:
        return info.filename


def _extra_name(extra: bytes) -> bytes | None:
    at = 0
    while at + 4 <= len(extra):
        kind, size = struct.unpack_from("<HH", extra, at)
        if kind == _UNICODE_PATH and size > 5:
            return extra[at + 9 : at + 4 + size]
        at += 4 + size
    return None


def is_junk(path: str) -> bool:
    """Whether it is hidden, or in a hidden folder, or what a system leaves in folders."""
    *folders, file = path.lower().split("/")
    hidden = file.startswith(".") or any(folder.startswith(".") for folder in folders)
    return hidden or file in _JUNK_FILES or not _JUNK_FOLDERS.isdisjoint((*folders, file))


def is_left_behind(path: str) -> bool:
    """Whether it is junk that a program is known to leave, so that nobody misses it."""
    hidden = [part.lower() for part in path.split("/") if part.startswith(".")]
    return not hidden or any(part.startswith(_LEFT_BEHIND) for part in hidden)
