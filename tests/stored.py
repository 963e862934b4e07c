"""Data sets that a test needs but does not test: inspected in this process, not in one of their own.

To start that process takes half a second, and to inspect a small file some milliseconds.
"""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
from fastapi.testclient import TestClient

from app.datasets import service
from app.datasets.inspection.inspect_file import inspect
from app.datasets.partition.rows_file import RowFacts, write_rows_file
from app.datasets.reading.declaration import Declaration
from app.datasets.reading.profile import Inspection
from app.datasets.schemas import DatasetForm
from app.datasets.upload import Upload
from app.db.access_tables import DEFAULT_WORKSPACE


def store(
    client: TestClient, name: str, content: bytes, filename: str = "data.csv", **declared: Any
) -> dict[str, Any]:
    """Make a data set of this file, with fields of a declaration; its view as JSON."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / filename
        path.write_bytes(content)
        return store_inspected(client, name, inspected(path, filename=filename, **declared))


@dataclass(frozen=True)
class Inspected:
    """A file, what was found in it, and what is kept of its rows."""

    path: Path
    inspection: Inspection
    facts: RowFacts


def inspected(path: Path, **declared: Any) -> Inspected:
    """Inspect a file in this process, with fields of a declaration."""
    facts: list[RowFacts] = []
    found = inspect(path, Declaration(**{"filename": path.name, **declared}), on_facts=facts.append)
    return Inspected(path, found, facts[0])


def store_inspected(
    client: TestClient, name: str, made: Inspected, workspace: str = DEFAULT_WORKSPACE
) -> dict[str, Any]:
    """The same of a file that was inspected before."""
    state = client.app.state  # type: ignore[attr-defined]
    upload = Upload(filename=made.path.name, media_type="text/csv")
    with state.storage.incoming() as incoming, state.storage.incoming() as rows:
        incoming.write(made.path.read_bytes())
        written = pa.BufferOutputStream()
        write_rows_file(written, made.facts)
        rows.write(written.getvalue())
        files = service.Files(
            state.storage.keep(incoming), incoming.size, state.storage.keep(rows), rows.size
        )
    with state.sessions.begin() as session:
        dataset = service.create(session, workspace, name, upload, DatasetForm(), made.inspection, files)
        view: dict[str, Any] = service.view(dataset).model_dump(mode="json")
    return view
