from __future__ import annotations

from collections.abc import Iterator

import pytest

from app.broker import Broker
from app.db.session import make_engine, make_sessions
from app.settings import Settings
from app.storage import Storage
from tests.conftest import migrated
from workers.tasks import Services


@pytest.fixture(autouse=True, scope="module")
def _graphs_are_kept(kept_graphs: None) -> None:
    """Jobs in this process trace what no job before them has traced."""


@pytest.fixture(scope="module")
def services(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, broker_url: str
) -> Iterator[Services]:
    """What a worker holds, for the jobs of a module."""
    folder = tmp_path_factory.mktemp("stages")
    with migrated(request, "sqlite", folder) as url:
        settings = Settings(data_dir=folder / "data", database_url=url, broker_url=broker_url)
        engine = make_engine(url)
        yield Services(settings, make_sessions(engine), Storage(settings.storage_dir), Broker(broker_url))
        engine.dispose()
