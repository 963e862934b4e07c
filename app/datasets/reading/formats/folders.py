"""What the folders of an archive's files say, or which files do not fit."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Literal

from ..errors import DatasetError
from ..splits_words import WORDS, folder_split
from .listing import METADATA, Listing

Folder = Literal["split", "nothing", "label"]
_SHOWN = 5
_LAYOUTS: tuple[tuple[Folder, ...], ...] = (("label",), ("split", "label"), ("split", "nothing", "label"))


def find_folders(listing: Listing) -> list[Folder]:
    """What the folders say, from the outermost.

    Raises:
        DatasetError: they are in no known order, with the files that do not fit.
    """
    paths = [name.split("/") for name in listing.files]
    depths = {len(parts) - 1 for parts in paths}
    heads = {parts[0] for parts in paths}
    of_split = all(head.lower() in WORDS for head in heads)
    if depths == {1} and not (of_split and listing.contents != "sequences"):
        return ["split"] if of_split else ["label"]
    if depths == {2} and all(map(folder_split, heads)):
        return ["split", "label"]
    if depths == {3} and _are_doubled(paths):
        return ["split", "nothing", "label"]
    if depths == {0} and listing.contents == "sequences" and len(listing.files) > 1:
        return []
    raise _unknown(listing, paths)


def _are_doubled(paths: Sequence[Sequence[str]]) -> bool:
    """Whether each part of the split is packed in one more folder, as `seg_train/seg_train`."""
    heads = {parts[0] for parts in paths}
    return all(map(folder_split, heads)) and len({tuple(parts[:2]) for parts in paths}) == len(heads)


def said_by(path: str, folders: Sequence[Folder]) -> dict[str, str]:
    """Label and split of a file; of FASTA without a folder of the label, its name is the label."""
    *parts, file = path.split("/")
    said: dict[str, str] = {
        name: part for name, part in zip(folders, parts, strict=False) if name != "nothing"
    }
    if "label" not in said:
        said["label"] = file.rpartition(".")[0] or file
    if "split" in said:
        said["split"] = folder_split(said["split"]) or "train"
    return said


def label_of(path: str, folders: Sequence[Folder], *, is_folder: bool = False) -> str | None:
    """The label that a path of the same depth would have; None of others."""
    parts = path.split("/")
    depth = len(parts) - (0 if is_folder else 1)
    return parts[depth - 1] if "label" in folders and depth == len(folders) else None


def _unknown(listing: Listing, paths: Sequence[Sequence[str]]) -> DatasetError:
    of_layout = max(_LAYOUTS, key=lambda layout: sum(_fits(parts, layout) for parts in paths))
    strange = ["/".join(parts) for parts in paths if not _fits(parts, of_layout)]
    fitting = {"/".join(parts) for parts in paths if _fits(parts, of_layout)}
    message = (
        "Expected files as label/file or split/label/file (split: train, validation or test), or a "
        f"{METADATA} with the column file_name. "
    )
    shown = ", ".join(listing.inside + name for name in strange[:_SHOWN]) + (
        f" and {len(strange) - _SHOWN} more" if len(strange) > _SHOWN else ""
    )
    if fitting:
        form = "/".join([*(name for name in of_layout if name != "nothing"), "file"])
        message += f"{len(fitting)} files are {form}. Received otherwise: {shown}."
    else:
        message += f"Received: {shown}."
    return DatasetError("unknown_folders", message, _hint(listing, strange, fitting))


def _fits(parts: Sequence[str], layout: Sequence[Folder]) -> bool:
    if len(parts) - 1 != len(layout):
        return False
    return (layout[0] == "split") == (folder_split(parts[0]) is not None)


def _hint(listing: Listing, strange: list[str], fitting: Collection[str]) -> str:
    for path in strange[:_SHOWN]:
        parts = path.split("/")
        for depth in (1, 2):
            if "/".join(parts[depth:]) in fitting:
                twice = listing.inside + "/".join(parts[:depth])
                return f"The folders seem to be packed twice: leave {twice} out."
    flat = {path.split("/")[0] for path in strange if path.count("/") == 1}
    if fitting and len(flat) == 1 and all(path.count("/") == 1 for path in strange):
        of = flat.pop()
        if folder_split(of):
            return f"Put the files of {of} into folders of their classes, or leave them out."
    tables = [name for name in listing.ignored if name.lower().endswith((".csv", ".tsv", ".jsonl", ".json"))]
    if tables and listing.contents == "images" and not fitting:
        return (
            f"If {tables[0]} says the labels, call it {METADATA}: a table between commas with a column "
            "file_name of paths, and one called label."
        )
    if fitting:
        return "Leave these files out, or put them where the others are."
    inner = [path.split("/") for path in strange if path.count("/") == 2]
    if len(inner) == len(strange) and all(folder_split(parts[1]) for parts in inner):
        label, part, file = inner[0]
        return f"Put the folders of the split outside: {part}/{label}/{file}."
    return "Put the files of each class into a folder of its name."


def check_readable(listing: Listing, folders: Sequence[Folder]) -> None:
    """Refuse an archive whose other class is of pictures that are not read.

    Raises:
        DatasetError: with the class and its files.
    """
    labels = {label_of(name, folders) for name in listing.files}
    lost = [name for name in listing.unread if label_of(name, folders) not in (None, *labels)]
    if lost and len(labels) < 2:
        label = label_of(lost[0], folders)
        expected = "images in PNG, JPEG, WebP, GIF or BMP of two classes or more"
        message = (
            f"Expected {expected}. Received: none of class {label}, whose files are {lost[0]} and the like."
        )
        raise DatasetError("unsupported_image", message, "Convert them to PNG, and pack the folder anew.")
