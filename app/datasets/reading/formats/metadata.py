"""The tables in an archive that say of each image what it is: one, or one for each part of a split."""

from __future__ import annotations

import unicodedata
import zipfile
from collections.abc import Iterator
from pathlib import PurePosixPath
from typing import Any

from ..errors import DatasetError
from ..splits_words import folder_split
from .decoding import decoding
from .dialect import check_names, rows_of
from .listing import METADATA, Listing, read_text

_DELIMITERS = ",;\t"


def columns(archive: zipfile.ZipFile, listing: Listing, taken: str) -> list[str]:
    """The tables' columns; where each stands in a folder of a part of the split, `split` beside them.

    Raises:
        DatasetError: there is no `file_name`, or the tables' columns differ.
    """
    first: list[str] | None = None
    for folder in listing.metadata:
        names = _header(archive, listing, folder, taken)
        first = first or names
        if names != first:
            received = f"{', '.join(first)} and, in {folder}{METADATA}, {', '.join(names)}"
            message = f"Expected the same columns in every {METADATA}. Received: {received}."
            raise DatasetError("file_name_not_found", message, "Give them one header.")
    assert first is not None
    return [*first, "split"] if _say_split(listing, first) else first


def _say_split(listing: Listing, names: list[str]) -> bool:
    return len(listing.metadata) > 1 and "split" not in names and all(map(_part, listing.metadata))


def _part(folder: str) -> str | None:
    """The part of the split that the folder of a table says."""
    return next(filter(None, map(folder_split, reversed(folder.split("/")[:-1]))), None)


def rows(archive: zipfile.ZipFile, listing: Listing) -> Iterator[tuple[dict[str, str], zipfile.ZipInfo]]:
    """What the tables say of each image, and the image's file.

    Raises:
        DatasetError: a file that is not there, or a row of too many cells.
    """
    for folder in listing.metadata:
        for number, about in enumerate(_rows(archive, listing, folder), start=1):
            path = find(listing, folder, about.get("file_name") or "")
            if path is None:
                raise _not_found(listing, folder, about.get("file_name") or "", number)
            part = _part(folder) if len(listing.metadata) > 1 else None
            yield ({"split": part, **about} if part else about), listing.files[path]


def find(listing: Listing, folder: str, name: str) -> str | None:
    """The path of the file that a table in this folder names."""
    plain = unicodedata.normalize("NFC", name.strip().replace("\\", "/")).removeprefix("./").lstrip("/")
    return next((path for path in (name, folder + plain, plain) if path in listing.files), None)


def names(archive: zipfile.ZipFile, listing: Listing, folder: str) -> Iterator[str]:
    """The files that a table names."""
    return (about.get("file_name") or "" for about in _rows(archive, listing, folder))


def _not_found(listing: Listing, folder: str, name: str, number: int) -> DatasetError:
    received = name[:80] or "an empty cell"
    error = {"row": number, "column": "file_name", "expected": "a file of the archive"}
    where = f"{folder}{METADATA}"
    message = f"Expected a file of the archive, in {where}. Received: {received} in row {number}."
    file = name.strip().replace("\\", "/").rpartition("/")[2]
    alike = [path for path in listing.files if file and path.rpartition("/")[2] == file]
    # Systems that take capitals for small letters, and tables of names without their endings.
    plain = file.casefold()
    alike = alike or [
        path
        for path in listing.files
        if plain and plain in (path.rpartition("/")[2].casefold(), PurePosixPath(path).stem.casefold())
    ]
    hint = "Add the file, or leave the row out."
    if alike:
        hint = f"Did you mean {alike[0]}? Paths are written as from the folder of {METADATA}."
    return DatasetError("file_not_found", message, hint, [error | {"received": received}])


def _rows(archive: zipfile.ZipFile, listing: Listing, folder: str) -> Iterator[dict[str, str]]:
    text = read_text(archive, listing.metadata[folder], "utf-8")
    reader = rows_of(text, _delimiter(text), '"')
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


def _delimiter(text: str) -> str:
    """What cuts the header so that one of its cells is file_name; a comma where nothing does."""
    line = text.split("\n", 1)[0].rstrip("\r")
    return next((one for one in _DELIMITERS if "file_name" in next(rows_of(line, one, '"'), [])), ",")


def _header(archive: zipfile.ZipFile, listing: Listing, folder: str, taken: str) -> list[str]:
    text = read_text(archive, listing.metadata[folder], "utf-8")
    names = next(rows_of(text, _delimiter(text), '"'), [])
    check_names(names)
    if "file_name" not in names or taken in names:
        received = ", ".join(names)
        message = f"Expected a column file_name in {METADATA}, and none called {taken}. Received: {received}."
        raise DatasetError("file_name_not_found", message, "Name the column of the images' paths file_name.")
    return names
