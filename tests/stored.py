"""Data sets that a test needs but does not test: inspected in this process, not in one of their own.

To start that process takes half a second, and to inspect a small file some milliseconds.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

from fastapi.testclient import TestClient

from app.datasets import service
from app.datasets.inspection.inspect_file import inspect
from app.datasets.reading.declaration import Declaration
from app.datasets.reading.profile import Inspection
from app.datasets.schemas import DatasetForm
from app.datasets.upload import Upload


def store(
    client: TestClient, name: str, content: bytes, filename: str = "data.csv", **declared: Any
) -> dict[str, Any]:
    """Make a data set of this file, with fields of a declaration; its view as JSON."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / filename
        path.write_bytes(content)
        return store_inspected(client, name, path, inspect(path, Declaration(filename=filename, **declared)))


def store_inspected(client: TestClient, name: str, path: Path, inspection: Inspection) -> dict[str, Any]:
    """The same of a file that was inspected before."""
    state = client.app.state  # type: ignore[attr-defined]
    upload = Upload(filename=path.name, media_type="text/csv")
    with state.storage.incoming() as incoming:
        incoming.write(path.read_bytes())
        digest = state.storage.keep(incoming)
        with state.sessions.begin() as session:
            made = service.create(session, name, upload, DatasetForm(), inspection, digest, incoming.size)
            view: dict[str, Any] = service.view(made).model_dump(mode="json")
    return view
