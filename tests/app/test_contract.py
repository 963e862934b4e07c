"""The API keeps to its OpenAPI document: requests made from it, right and wrong, are answered as it says.

Schemathesis makes the requests and judges the answers, as `schemathesis.toml` says: alike in every run.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import uvicorn
from fastapi.testclient import TestClient

from tests.app.access.callers import make_key
from tests.app.conftest import Publish, served
from tests.app.reports.test_routes import RECEIPT, proved
from tests.conftest import DATABASES

pytestmark = pytest.mark.parametrize("database_url", DATABASES[-1:], indirect=True)  # the stricter one

CONFIG = Path(__file__).with_name("schemathesis.toml")
EXAMPLES, MORE_EXAMPLES = 5, 100
WITHOUT_EDGES = "examples,fuzzing,stateful"
"""What needs no minutes: at the edges of each field there are thousands of requests."""


@pytest.fixture
def address(client: TestClient, publish: Publish) -> Iterator[str]:
    """A server with two data sets, a model, a job that waits no more and one that ended."""
    publish("helped", RECEIPT, proved(3), name="ended")
    job = {"model": "m", "source": {"dataset": "source"}, "target": {"dataset": "target"}, "name": "known"}
    client.post("/v1/jobs", json=job).raise_for_status()
    client.post("/v1/jobs/known:pause").raise_for_status()
    with served(uvicorn.Config(client.app, lifespan="off", log_level="warning")) as address:
        yield address


@pytest.fixture
def key(client: TestClient, address: str) -> str:
    """An admin's key. What is asked without it, or with a wrong one, is answered as the document says."""
    return make_key(client, "admin", "admin").text


def drawn(
    address: str, key: str, examples: int, folder: Path, *options: str
) -> subprocess.CompletedProcess[str]:
    """What Schemathesis says after so many examples of each route, and those at the edges of each field.

    It keeps what failed in the folder it is started from, to try it again: an empty one keeps runs alike.
    """
    program = [sys.executable, "-m", "schemathesis.cli", "--config-file", str(CONFIG), "run"]
    about = [f"--max-examples={examples}", "--no-color", "--header", f"Authorization: Bearer {key}"]
    command = [*program, f"{address}/openapi.json", *about, *options]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)


def test_every_drawn_request_is_answered_as_the_document_says(address: str, key: str, tmp_path: Path) -> None:
    told = drawn(address, key, EXAMPLES, tmp_path, f"--phases={WITHOUT_EDGES}")
    assert told.returncode == 0, told.stdout[-20_000:] + told.stderr[-2000:]


@pytest.mark.slow
def test_every_one_of_many_drawn_requests_is_answered_as_the_document_says(
    address: str, key: str, tmp_path: Path
) -> None:
    told = drawn(address, key, MORE_EXAMPLES, tmp_path)
    assert told.returncode == 0, told.stdout[-20_000:] + told.stderr[-2000:]
