from __future__ import annotations

from uuid import uuid4

from fastapi.testclient import TestClient
from sqlalchemy import Engine

from app.main import create_app
from app.settings import Settings
from tests.app.access.callers import make_key


def limited(settings: Settings, rate: str, address: str) -> TestClient:
    app = create_app(settings.model_copy(update={"request_rate": rate}))
    return TestClient(app, client=(address, 1))


def test_beyond_the_rate_a_client_is_told_how_long_to_wait(
    settings: Settings, engine: Engine, redis_url: str
) -> None:
    address = uuid4().hex  # that nobody else has, in a Redis that the tests share
    with limited(settings, "3/hour", address) as one, limited(settings, "3/hour", address) as another:
        told = [client.get("/v1/jobs").headers["ratelimit"] for client in (one, another, one)]
        assert [field.split(";")[1] for field in told] == ["r=2", "r=1", "r=0"]
        refused = another.get("/v1/jobs")
        assert (refused.status_code, refused.json()["code"]) == (429, "too_many_requests")
        assert 0 < int(refused.headers["retry-after"]) <= 3600
        assert refused.headers["ratelimit-policy"] == '"default";q=3;w=3600'
        assert one.get("/healthz").status_code == 200


def test_a_key_is_counted_wherever_it_is_used_and_beside_the_others_of_its_address(
    settings: Settings, engine: Engine, redis_url: str
) -> None:
    home, away = uuid4().hex, uuid4().hex
    with limited(settings, "2/hour", home) as here, limited(settings, "2/hour", away) as there:
        ana, bob = (make_key(here, name) for name in ("ana", "bob"))
        there.app.state.keyring.forget()  # type: ignore[attr-defined]
        assert here.get("/v1/jobs", headers=ana.headers).headers["ratelimit"].startswith('"default";r=1;')
        assert there.get("/v1/jobs", headers=ana.headers).headers["ratelimit"].startswith('"default";r=0;')
        assert there.get("/v1/jobs", headers=ana.headers).status_code == 429
        assert here.get("/v1/jobs", headers=bob.headers).status_code == 200
        # What needs no key is counted by address.
        assert [here.get("/openapi.json").status_code for _ in range(3)] == [200, 200, 429]


def test_where_the_counters_are_away_nobody_is_refused(settings: Settings, engine: Engine) -> None:
    away = settings.model_copy(update={"broker_url": "redis+socket:///nowhere/broker.sock"})
    with limited(away, "1/hour", "nowhere") as client:
        assert [client.get("/v1/jobs").status_code for _ in range(3)] == [200] * 3


def test_without_a_rate_nothing_is_counted(client: TestClient) -> None:
    assert "ratelimit" not in client.get("/v1/jobs").headers
