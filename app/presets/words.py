"""What the workers, which alone have the libraries, say of presets: small files in the presets' folder."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cached_property
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from urllib.parse import quote


@dataclass(frozen=True)
class Words:
    """Those left in a folder."""

    folder: Path

    def of(self, name: str) -> dict[str, Any]:
        """What is told of a preset by its name; nothing if no worker has it."""
        return _read(self.folder / "known" / f"{quote(name, safe='')}.json")

    @cached_property
    def all(self) -> list[dict[str, Any]]:
        """What is told of each preset."""
        return [_read(path) for path in sorted(self.folder.glob("known/*.json"))]

    @cached_property
    def has_kerashub(self) -> bool:
        """Whether the library that reads its presets is here, or where the workers are."""
        return find_spec("keras_hub") is not None or (self.folder / "keras_hub.json").is_file()

    @cached_property
    def names_of_kerashub(self) -> list[str]:
        """The names that it can fetch, as far as a fetch left word of them."""
        return list(_read(self.folder / "keras_hub.json").get("names", []))


def _read(path: Path) -> dict[str, Any]:
    if not path.is_file():
        return {}
    told: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return told
