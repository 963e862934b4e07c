"""The API in this process, on a real database, storage and broker."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import Engine

from app.datasets import service
from app.datasets.inspection import inspect
from app.datasets.schema import Declaration, Inspection
from app.datasets.schemas import DatasetForm
from app.datasets.upload import Upload
from app.main import create_app
from app.settings import Settings
from tests.conftest import WriteCsv


@pytest.fixture
def client(settings: Settings, engine: Engine) -> Iterator[TestClient]:
    """A client of the API."""
    with TestClient(create_app(settings)) as client:
        yield client


@pytest.fixture(scope="session")
def inspected(
    tmp_path_factory: pytest.TempPathFactory, write_csv: WriteCsv
) -> dict[str, tuple[Path, Inspection]]:
    """Two files with the same columns, inspected once."""
    folder = tmp_path_factory.mktemp("inspected")
    paths = {
        name: write_csv(folder / f"{name}.csv", 80, seed=seed)
        for seed, name in enumerate(("source", "target"))
    }
    return {name: (path, inspect(path, Declaration(filename=path.name))) for name, path in paths.items()}


@pytest.fixture
def datasets(
    client: TestClient, inspected: dict[str, tuple[Path, Inspection]]
) -> dict[str, dict[str, object]]:
    """The two files as the data sets `source` and `target`."""
    made: dict[str, dict[str, object]] = {}
    state = client.app.state  # type: ignore[attr-defined]
    for name, (path, inspection) in inspected.items():
        with state.storage.incoming() as incoming:
            incoming.write(path.read_bytes())
            digest = state.storage.keep(incoming)
            with state.sessions.begin() as session:
                upload = Upload(filename=path.name, media_type="text/csv")
                dataset = service.create(
                    session, name, upload, DatasetForm(), inspection, digest, incoming.size
                )
                made[name] = service.view(dataset).model_dump(mode="json")
    return made
