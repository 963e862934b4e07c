"""What a file is: by what was declared, its name and its first bytes, which must agree."""

from __future__ import annotations

import re
from pathlib import Path
from types import ModuleType
from typing import Any

from ..declaration import Declaration
from ..errors import DatasetError
from ..file_extensions import format_of
from ..words import Format
from . import archive, csv, fasta, jsonl, npz, parquet, squad, tsv
from .decoding import decoding
from .stream import open_stream

MODULES: dict[Format, ModuleType] = {
    "csv": csv,
    "tsv": tsv,
    "jsonl": jsonl,
    "parquet": parquet,
    "zip": archive,
    "fasta": fasta,
    "npz": npz,
    "squad": squad,
}
FILES: dict[Format, str] = {
    "csv": "CSV file",
    "tsv": "TSV file",
    "jsonl": "file of JSON lines",
    "parquet": "Parquet file",
    "zip": "zip archive",
    "fasta": "FASTA file",
    "npz": "NumPy archive",
    "squad": "file of SQuAD's JSON",
}
_NAMES: dict[Format, str] = {
    "csv": "CSV",
    "tsv": "TSV",
    "jsonl": "JSON lines",
    "parquet": "Parquet",
    "zip": "a zip archive",
    "fasta": "FASTA",
    "npz": "a NumPy archive",
    "squad": "SQuAD's JSON",
}
_BINARY: dict[Format, str] = {
    "parquet": "a Parquet file",
    "zip": "a ZIP archive (as .zip, .xlsx and .ods are)",
    "npz": "a NumPy archive",
}
_SQUAD = re.compile(
    rb'\{\s*("version"\s*:\s*("[^"]*"|[\d.]+)\s*,\s*)?"data"\s*:\s*\[\s*\{\s*"(title|paragraphs)"'
)
_OFFICE = (".xlsx", ".ods", ".docx", ".pptx", ".odt")
_SIGNATURES = (
    (b"PAR1", "a Parquet file"),
    (b"PK\x03\x04", "a ZIP archive (as .zip, .xlsx and .ods are)"),
    (b"\x89PNG", "a PNG image"),
    (b"\xff\xd8\xff", "a JPEG image"),
    (b"GIF8", "a GIF image"),
    (b"%PDF", "a PDF document"),
    (b"\xd0\xcf\x11\xe0", "an old Office document (as .xls is)"),
    (b"SQLite format 3\x00", "an SQLite database"),
    (b"\x89HDF", "an HDF5 file"),
    (b"ARROW1", "an Arrow or Feather file"),
    (b"BZh", "a bzip2 file"),
    (b"\xfd7zXZ", "an xz file"),
    (b"\x28\xb5\x2f\xfd", "a Zstandard file"),
    (b"7z\xbc\xaf", "a 7z archive"),
    (b"\x7fELF", "a program"),
)
_HINT = (
    "Upload CSV, TSV, JSON lines, SQuAD's JSON or FASTA (these also gzipped), Parquet, or a zip of "
    "images, texts or FASTA "
    "files, and declare `format` if its name misleads."
)


def find_format(path: Path, declaration: Declaration) -> Format:
    """The format, agreed on by declaration or name and contents.

    Raises:
        DatasetError: for an empty file, and for one that is not what it says.
    """
    head = _head(path)
    if not head:
        raise DatasetError(
            "empty_file",
            "Expected a header line and rows. Received: an empty file.",
            "Upload the file again.",
        )
    said = declaration.format or format_of(declaration.filename or "")
    found = _by_contents(head)
    binary = found if found not in ("text", "json", "fasta", "squad") else None
    if said is None:
        return _of_contents(found, declaration.filename)
    if _BINARY.get(said) != binary:
        raise _not_what_it_says(_NAMES[said], binary or "text")
    if said == "jsonl" and found == "squad":
        return "squad" if declaration.format is None else "jsonl"
    if said in ("csv", "tsv") and found in ("json", "squad"):
        raise _not_what_it_says(_NAMES[said], "JSON")
    return said


def _head(path: Path) -> bytes:
    with path.open("rb") as file:
        head = file.read(4096)
    if not head.startswith(b"\x1f\x8b"):
        return head
    with decoding("gzip file"), open_stream(path) as stream:
        return bytes(stream.read(4096))


def _by_contents(head: bytes) -> str:
    if head.startswith(b"PK\x03\x04") and _first_name(head).endswith(b".npy"):
        return _BINARY["npz"]
    for signature, name in _SIGNATURES:
        if head.startswith(signature):
            return name
    start = head.removeprefix(b"\xef\xbb\xbf").lstrip()
    if start.lower().startswith((b"<!doctype html", b"<html", b"<?xml")):
        return "an HTML or XML document"
    if start.startswith(b">"):
        return "fasta"
    if _SQUAD.match(start):
        return "squad"
    return "json" if start.startswith((b'{"', b"{}", b"[{")) or start.rstrip() == b"{" else "text"


def _first_name(head: bytes) -> bytes:
    """The name of a zip archive's first file."""
    return head[30 : 30 + int.from_bytes(head[26:28], "little")]


def _of_contents(found: str, filename: str | None) -> Format:
    binary = next((name for name, said in _BINARY.items() if said == found), None)
    if binary and not (filename or "").lower().endswith(_OFFICE):
        return binary
    if found == "json":
        return "jsonl"
    if found in ("fasta", "squad"):
        return "fasta" if found == "fasta" else "squad"
    if found != "text":
        raise _not_what_it_says("a table, FASTA, or a zip of examples", found)
    return "csv"


def _not_what_it_says(expected: str, received: str) -> DatasetError:
    error: dict[str, Any] = {"row": None, "column": None, "expected": expected, "received": received}
    message = f"Expected a file that is {expected}, as it says. Received: {received}."
    return DatasetError("not_what_it_says", message, _HINT, [error])
