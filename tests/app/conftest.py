"""The API in this process, on a real database, storage and broker."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Protocol

import pytest
import uvicorn
from fastapi.testclient import TestClient
from sqlalchemy import Engine

from app.db.tables import Job, JobStage
from app.jobs import transitions
from app.jobs.states import Stage
from app.main import create_app
from app.models import service as models
from app.settings import Settings
from tests.conftest import DATABASES, WriteCsv, migrated, wait_for
from tests.stored import Inspected, inspected, store_inspected


@pytest.fixture
def client(settings: Settings, engine: Engine) -> Iterator[TestClient]:
    """A client of the API."""
    with TestClient(create_app(settings)) as client:
        yield client


@pytest.fixture(scope="module", params=DATABASES)
def shared_client(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, broker_url: str
) -> Iterator[TestClient]:
    """A client for all tests of a module: each leaves nothing that the others mind.

    To start the API and to fill its database takes longer than most requests.
    """
    folder = tmp_path_factory.mktemp("shared")
    with migrated(request, request.param, folder) as url:
        settings = Settings(data_dir=folder / "data", database_url=url, broker_url=broker_url)
        with TestClient(create_app(settings)) as client:
            yield client


@contextmanager
def served(config: uvicorn.Config) -> Iterator[str]:
    """The address of an application that uvicorn serves on a free port, in a thread of this process."""
    config.port = 0
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        wait_for(lambda: server.started)
        yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join()


@pytest.fixture(scope="session")
def inspected_files(tmp_path_factory: pytest.TempPathFactory, write_csv: WriteCsv) -> dict[str, Inspected]:
    """Two files with the same columns, inspected once."""
    folder = tmp_path_factory.mktemp("inspected")
    paths = {
        name: write_csv(folder / f"{name}.csv", 80, seed=seed)
        for seed, name in enumerate(("source", "target"))
    }
    return {name: inspected(path) for name, path in paths.items()}


@pytest.fixture
def datasets(client: TestClient, inspected_files: dict[str, Inspected]) -> dict[str, dict[str, object]]:
    """The two files as the data sets `source` and `target`."""
    return {name: store_inspected(client, name, made) for name, made in inspected_files.items()}


class Publish(Protocol):
    """Ends a job with this verdict and answers it, as it was posted; `asked` is more of the request."""

    def __call__(
        self,
        verdict: str | None,
        receipt: dict[str, Any] | None = None,
        evaluated: dict[str, Any] | None = None,
        findings: dict[str, Any] | None = None,
        backbone: dict[str, Any] | None = None,
        trained_rows: Sequence[dict[str, Any]] = (),
        **asked: Any,
    ) -> dict[str, Any]: ...


@pytest.fixture
def publish(client: TestClient, datasets: dict[str, dict[str, object]]) -> Publish:
    """Publishes a version as a worker does."""

    def publish(
        verdict: str | None,
        receipt: dict[str, Any] | None = None,
        evaluated: dict[str, Any] | None = None,
        findings: dict[str, Any] | None = None,
        backbone: dict[str, Any] | None = None,
        trained_rows: Sequence[dict[str, Any]] = (),
        compared: dict[str, Any] | None = None,
        **asked: Any,
    ) -> dict[str, Any]:
        request = {"model": "m", "source": {"dataset": "source"}, "target": {"dataset": "target"}, **asked}
        job: dict[str, Any] = client.post("/v1/jobs", json=request).json()
        facts: dict[str, Any] = {
            "signature": {
                "columns": [{"name": "a", "type": "number"}],
                "label": "y",
                "task": "binary",
                "classes": ["fail", "pass"],
            },
            "network": job["network"],
            "receipt": receipt or {},
            "metrics": {},
            "verdict": verdict,
            "gain": None,
            "lineage": {
                "job": job["name"],
                "source": {"dataset": "source@1"},
                "target": {"dataset": "target@1"},
                "method": job["method"],
                "training": job["training"],
                "findings": findings or {},
                "backbone": backbone or {"layers": 2, "in_sequence": True},
                "versions": {"model-transfer": "1"},
            },
            "weights_digest": "0" * 64,
        }
        seen = dict.fromkeys(("test", "test_rows", "validation", "validation_rows"), 0)
        result = {"verdict": verdict, "verdict_details": [], "reason": "", "gain": None, "metrics": {}}
        nothing = {**seen, "datasets": [], "unknown": []}
        result["rows_seen"] = (evaluated or {}).get("rows_seen", nothing)
        result["choices"] = (evaluated or {}).get("choices", {})
        result["control"] = (evaluated or {}).get("control")
        result["verdict_details"] = (evaluated or {}).get("verdict_details", [])
        result["rows_needed"] = (evaluated or {}).get("rows_needed")
        of_the_baseline = (
            "baseline",
            "versus_control",
            "versus_baseline",
            "recommendation",
            "recommendation_reason",
        )
        result |= {name: (evaluated or {}).get(name) for name in of_the_baseline}
        if evaluated and "cost" in evaluated:
            result["cost"] = evaluated["cost"]
        with client.app.state.sessions.begin() as session:  # type: ignore[attr-defined]
            lease = transitions.claim(session, job["id"], "worker", 60.0)
            assert lease is not None
            session.get_one(JobStage, (job["id"], Stage.EVALUATE)).output = evaluated
            version = models.publish(
                session, session.get_one(Job, job["id"]), facts, [], trained_rows, compared
            )
            transitions.succeed(session, lease, {**result, "version": models.ref(version)})
        return job

    return publish
