"""Manifests: small files in the shared presets folder that tell the API which presets the workers have.

The API knows no machine learning, and may run on a machine without the workers' packages. It must say before
a job is accepted which presets can be used, so the workers write it down.
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
"""Of one manifest; a larger file is ignored."""


def path_of(folder: Path, name: str) -> Path:
    """Where the manifest of a preset is; a name such as hf://org/model is one file as well."""
    return folder / FOLDER / f"{quote(name, safe='')}.json"


def write(path: Path, manifest: dict[str, Any]) -> None:
    """Write it atomically: others read at the same time."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f"{path.name}.{uuid.uuid4().hex}.part")
    part.write_text(json.dumps(manifest, indent=1), encoding="utf-8")
    os.replace(part, path)


def read(path: Path) -> dict[str, Any]:
    """The manifest; empty if there is none, or none that can be read."""
    try:
        if path.stat().st_size > MOST_BYTES or not path.is_file():
            return {}
        manifest = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return {}
    return manifest if isinstance(manifest, dict) else {}
