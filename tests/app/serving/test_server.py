from __future__ import annotations

import httpx2
import pytest
import uvicorn
from fastapi.testclient import TestClient

from app.serving.server import uvicorn_config
from app.settings import Settings
from tests.app.conftest import served

pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)

FORWARDED = {"x-forwarded-proto": "https", "x-forwarded-for": "192.0.2.7", "host": "models.example"}


def config(client: TestClient, settings: Settings) -> uvicorn.Config:
    """What the service's own server is started with."""
    config = uvicorn_config(settings)
    config.app, config.factory, config.lifespan, config.access_log = client.app, False, "off", False
    return config


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
    with served(config(client, settings)) as address:
        assert seen_scheme(address) == "http"


@pytest.mark.parametrize(
    ("proxies", "scheme"),
    [("127.0.0.1", "https"), ("10.0.0.0/8, 127.0.0.0/8", "https"), ("10.0.0.1", "http")],
)
def test_forwarded_headers_are_believed_of_the_proxies_that_are_listed(
    client: TestClient, settings: Settings, proxies: str, scheme: str
) -> None:
    trusting = settings.model_copy(update={"trusted_proxies": proxies})
    with served(config(client, trusting)) as address:
        assert seen_scheme(address) == scheme
