"""Manifests of presets: small files in which the workers describe the presets and libraries they have."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from importlib.util import find_spec
from pathlib import Path, PurePosixPath
from typing import Annotated
from urllib.parse import quote, unquote

from pydantic import AfterValidator, Field, StringConstraints

from app.presets.files import BrokenFile, Count, FileModel, Text, is_there, one_line, read

LONGEST_NAME = 200
Name = Annotated[str, StringConstraints(min_length=1, max_length=LONGEST_NAME)]


def _within(path: str) -> str:
    if PurePosixPath(path).is_absolute() or ".." in PurePosixPath(path).parts or not path.isprintable():
        raise ValueError("a path within the presets' folder")
    return path


class Manifest(FileModel):
    """How a worker describes a preset that it fetched into a folder or has as a package."""

    name: Name
    path: Annotated[str, StringConstraints(max_length=1000), AfterValidator(_within)] | None = None
    place: Annotated[str, StringConstraints(pattern=r"^package \w{1,100}\z")] | None = None
    summary: Annotated[str, StringConstraints(max_length=5000), AfterValidator(one_line)] | None = None
    origin: Text | None = None
    parameters: Count | None = None
    units: Count | None = None
    bytes: Annotated[int, Field(ge=0, le=1 << 60)] | None = None


class _Library(FileModel):
    """The names that KerasHub can fetch, as a worker wrote them down at the last fetch."""

    names: Annotated[tuple[Name, ...], Field(max_length=10_000, strict=False)] = ()


@dataclass(frozen=True)
class Manifests:
    """The manifests in a folder."""

    folder: Path

    def of(self, name: str) -> Manifest | None:
        """The manifest of this preset; None if there is none, or it is broken."""
        try:
            return _read(self.folder / "known" / f"{quote(name, safe='')}.json")
        except BrokenFile:
            return None

    def all(self) -> Iterator[tuple[str, Manifest | BrokenFile]]:
        """Each preset's name and its manifest, or why that cannot be read."""
        for path in sorted((self.folder / "known").glob("*.json")):
            try:
                manifest = _read(path)
            except BrokenFile as error:
                yield unquote(path.stem), error
            else:
                if manifest is not None:
                    yield manifest.name, manifest

    @cached_property
    def has_kerashub(self) -> bool:
        """Whether the library that reads its presets is here, or where the workers are."""
        return find_spec("keras_hub") is not None or is_there(self.folder / "keras_hub.json")

    @cached_property
    def names_of_kerashub(self) -> list[str]:
        """The names that KerasHub can fetch, as a worker wrote them down."""
        path = self.folder / "keras_hub.json"
        try:
            return list(read(path, _Library).names) if os.path.lexists(path) else []
        except BrokenFile:
            return []


def _read(path: Path) -> Manifest | None:
    if not os.path.lexists(path):
        return None
    manifest = read(path, Manifest)
    # A manifest is found by its file's name.
    if quote(manifest.name, safe="") != path.stem:
        raise BrokenFile("Expected the file to be called by the preset's name. Received: another name.")
    return manifest
