from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import httpx2
import pytest
import uvicorn
from fastapi.testclient import TestClient

from app.serving.server import uvicorn_config
from app.settings import Settings
from tests.conftest import wait_for

pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)

FORWARDED = {"x-forwarded-proto": "https", "x-forwarded-for": "192.0.2.7", "host": "models.example"}


@contextmanager
def served(client: TestClient, settings: Settings) -> Iterator[str]:
    """The application as the service's own server answers it."""
    config = uvicorn_config(settings)
    config.app, config.factory, config.port, config.lifespan = client.app, False, 0, "off"
    config.access_log = False
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run)
    thread.start()
    wait_for(lambda: server.started)
    yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    server.should_exit = True
    thread.join()


def seen_scheme(address: str) -> str:
    """What the service takes its own address for: it redirects a path with a slash too many."""
    headers = {**FORWARDED, "host": address.removeprefix("http://")}
    answer = httpx2.get(f"{address}/v1/jobs/", headers=headers, follow_redirects=False)
    assert answer.status_code == 307
    return answer.headers["location"].partition(":")[0]


def test_forwarded_headers_are_believed_of_nobody_by_default(
    client: TestClient, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FORWARDED_ALLOW_IPS", "*")  # uvicorn's own variable, which is none of the settings
    with served(client, settings) as address:
        assert seen_scheme(address) == "http"


@pytest.mark.parametrize(
    ("proxies", "scheme"),
    [("127.0.0.1", "https"), ("10.0.0.0/8, 127.0.0.0/8", "https"), ("10.0.0.1", "http")],
)
def test_forwarded_headers_are_believed_of_the_proxies_that_are_listed(
    client: TestClient, settings: Settings, proxies: str, scheme: str
) -> None:
    with served(client, settings.model_copy(update={"trusted_proxies": proxies})) as address:
        assert seen_scheme(address) == scheme
