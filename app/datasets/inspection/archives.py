"""What to know of an archive's files: those that are no examples, and classes that lack any."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from app.datasets.reading.description import ReadOptions
from app.datasets.reading.formats import metadata
from app.datasets.reading.formats.folders import label_of
from app.datasets.reading.formats.listing import NO_LIMITS, Listing, list_archive, open_archive
from app.datasets.reading.formats.paths import is_junk
from app.datasets.reading.profile import Notice

_SHOWN = 5


def notices(path: Path, options: ReadOptions) -> list[Notice]:
    """All notices about the files of an archive that was accepted."""
    with open_archive(path) as archive:
        listing = list_archive(archive, NO_LIMITS)
        found = _ignored(listing)
        if listing.metadata:
            listed = Counter(
                metadata.find(listing, folder, name) or name
                for folder in listing.metadata
                for name in metadata.names(archive, listing, folder)
            )
            return found + _listed(listing, listed)
    return found + _without_examples(listing, options)


def _ignored(listing: Listing) -> list[Notice]:
    if not listing.ignored:
        return []
    count = len(listing.ignored)
    message = f"{count} files of the archive were passed over, such as {_some(listing.ignored)}."
    return [Notice(code="files_ignored", message=message)]


def _without_examples(listing: Listing, options: ReadOptions) -> list[Notice]:
    """Classes whose files are all of a sort that is not read, and those without files."""
    folders = options.folders or []
    labels = {label_of(name, folders) for name in listing.files}
    lost: dict[str, list[str]] = {}
    for name in listing.ignored:
        label = label_of(name, folders)
        if label is not None and label not in labels and not is_junk(name):
            lost.setdefault(label, []).append(name)
    found = [
        Notice(
            code="class_left_out",
            message=f"No file in the folder {label} is read, so there is no such class: {_some(names)}"
            f"{' and others' if len(names) > _SHOWN else ''}. Convert them if it is one.",
        )
        for label, names in list(lost.items())[:_SHOWN]
    ]
    empty = [label_of(name, folders, is_folder=True) for name in listing.empty]
    empty += [name for name in listing.empty if name in listing.files]
    nothing = sorted({label for label in empty if label and label not in labels and label not in lost})
    if nothing:
        message = f"There is nothing in {_some(nothing)}, so there is no such class."
        found.append(Notice(code="empty_class", message=message))
    return found


def _listed(listing: Listing, listed: Counter[str]) -> list[Notice]:
    found = []
    left_out = [name for name in listing.files if name not in listed]
    if left_out:
        message = (
            f"{len(left_out)} images of the archive are in no row of the metadata, and are left out, such as "
            f"{_some(left_out)}."
        )
        found.append(Notice(code="files_not_listed", message=message))
    twice = [name for name, count in listed.items() if count > 1]
    if twice:
        message = f"{len(twice)} files are in several rows of the metadata, such as {_some(twice)}."
        found.append(Notice(code="files_listed_twice", message=message))
    return found


def _some(names: list[str]) -> str:
    return ", ".join(names[:_SHOWN])
