"""What a machine says of its presets in the folder that the service shares: small files that the API reads.

The API knows no machine learning, and may be on a machine without the workers' packages. So that it can say
before a job is accepted what is here, the workers leave word.
"""

import json
import os
import uuid
from pathlib import Path
from typing import Any
from urllib.parse import quote

FOLDER = "known"
"""A file a preset, called by its name."""

LIBRARY = "keras_hub.json"
"""The version of KerasHub that the workers have, and the names it knows."""


MOST_BYTES = 1 << 20
"""Of one word; a larger file is none."""


def path_of(folder: Path, name: str) -> Path:
    """Where the word of a preset is; a name such as hf://org/model is one file as well."""
    return folder / FOLDER / f"{quote(name, safe='')}.json"


def leave(path: Path, told: dict[str, Any]) -> None:
    """Write it whole or not at all: others read at the same time."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f"{path.name}.{uuid.uuid4().hex}.part")
    part.write_text(json.dumps(told, indent=1), encoding="utf-8")
    os.replace(part, path)


def read(path: Path) -> dict[str, Any]:
    """What was left there; nothing if there is no word, or none that can be read."""
    try:
        if path.stat().st_size > MOST_BYTES or not path.is_file():
            return {}
        told = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return {}
    return told if isinstance(told, dict) else {}
