"""From where requests may come, asked over HTTP."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import product

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import Engine

from app.addresses import origin_of
from app.main import create_app
from app.serving.listening_socket import CannotServe, open_listening_socket
from app.settings import Settings

CSV = b"a,y\n" + b"1,up\n2,down\n3,up\n4,down\n5,up\n" * 4
FORM = {"file": ("t.csv", CSV, "text/csv")}
JOB = {"model": "m", "source": {"dataset": "source"}, "target": {"dataset": "target"}}
HERE = "http://127.0.0.1:8000"


@contextmanager
def service(settings: Settings, **changed: object) -> Iterator[TestClient]:
    """A client of a service with other settings, called by the usual address."""
    app = create_app(Settings(**{**settings.model_dump(), **changed}))  # type: ignore[arg-type]
    with TestClient(app, base_url=HERE) as client:
        yield client


STRANGE = (
    "evil.example",
    "evil.example:8000",
    "127.0.0.1.evil.example",
    "localhost.evil.example",
    "evil.example@127.0.0.1",
    "127.0.0.1:x",
    "192.168.1.5:8000",
    "[::1",
    "",
    "127.0.0.1/evil.example",
    "127.0.0.1 evil.example",
    "localhost#evil.example",
    "localhost?x",
    "[::1]evil.example",
    "localhost:",
)


def test_a_request_that_calls_the_service_by_a_foreign_name_is_refused(
    settings: Settings, engine: Engine
) -> None:
    with service(settings) as client:
        for host, method in product(STRANGE, ("GET", "DELETE", "POST")):
            answer = client.request(method, "/v1/datasets/t", headers={"host": host})
            assert answer.status_code == 421, host
            assert answer.headers["content-type"] == "application/problem+json"
            assert answer.json()["code"] == "host_not_allowed"
            assert "MODEL_TRANSFER_PUBLIC_URL" in answer.json()["detail"]


def test_a_page_whose_name_is_made_to_lead_here_reads_and_deletes_nothing(
    settings: Settings, engine: Engine
) -> None:
    with service(settings) as client:
        client.post("/v1/datasets?name=t&label=y", content=CSV).raise_for_status()
        rebound = {"host": "evil.example:8000", "origin": "http://evil.example:8000"}
        for method in ("GET", "DELETE"):
            assert client.request(method, "/v1/datasets/t", headers=rebound).status_code == 421
        assert client.get("/v1/datasets/t").status_code == 200


def test_loopback_and_the_public_address_are_allowed_as_names(settings: Settings, engine: Engine) -> None:
    hosts = ("localhost", "LOCALHOST:9000", "127.0.0.1:1234", "127.0.0.2", "[::1]:8000", "models.example")
    with service(settings, public_url="https://models.example/api") as client:
        for host in hosts:
            assert client.get("/healthz", headers={"host": host}).status_code == 200, host


def test_the_address_that_a_containers_port_is_published_on_is_allowed(
    settings: Settings, engine: Engine
) -> None:
    published = {"host": "0.0.0.0", "published_host": "192.0.2.1", "allow_anonymous": True}
    with service(settings, **published) as client:
        assert client.get("/healthz", headers={"host": "192.0.2.1:8000"}).status_code == 200
        assert client.get("/healthz", headers={"host": "192.0.2.2:8000"}).status_code == 421


def test_further_names_are_allowed_by_a_setting(settings: Settings, engine: Engine) -> None:
    with service(settings, allowed_hosts="api, api.internal") as client:
        assert client.get("/healthz", headers={"host": "api:8000"}).status_code == 200
        assert client.get("/healthz", headers={"host": "other:8000"}).status_code == 421


FOREIGN = [
    {"origin": "https://evil.example"},
    {"origin": "null"},
    {"origin": "http://localhost:3000"},
    {"origin": "http://127.0.0.1:8001"},
    {"origin": "file://"},
    {"origin": f"{HERE}.evil.example"},
    {"sec-fetch-site": "cross-site"},
    {"sec-fetch-site": "same-site"},
    {"origin": "https://evil.example", "sec-fetch-site": "none"},
    {"origin": "http://x@127.0.0.1:8000"},
]


def test_a_page_of_elsewhere_can_send_nothing_that_a_browser_lets_it_send_unasked(
    settings: Settings, engine: Engine
) -> None:
    with service(settings) as client:
        answers = [
            answer
            for headers in FOREIGN
            for answer in (
                client.post("/v1/datasets", files=FORM, data={"name": "t", "label": "y"}, headers=headers),
                client.post(
                    "/v1/datasets?name=t&label=y",
                    content=CSV,
                    headers={**headers, "content-type": "text/plain"},
                ),
                client.post(
                    "/v1/datasets?name=t&label=y",
                    content=CSV,
                    headers={**headers, "content-type": "application/x-www-form-urlencoded"},
                ),
                client.post("/v1/jobs", json=JOB, headers=headers),
                client.post("/v1/jobs/j:cancel", headers=headers),
                client.delete("/v1/datasets/t", headers=headers),
                client.put("/v1/models/m/aliases/champion", json={"version": 1}, headers=headers),
            )
        ]
        assert {answer.status_code for answer in answers} == {403}
        assert {answer.json()["code"] for answer in answers} == {"origin_not_allowed"}
        assert all("MODEL_TRANSFER_CORS_ORIGINS" in answer.json()["hint"] for answer in answers)
        assert client.get("/v1/datasets").json()["data"] == []


OUR_OWN: list[dict[str, str]] = [
    {},
    {"origin": HERE, "sec-fetch-site": "same-origin"},
    {"sec-fetch-site": "none"},
    {"origin": "https://models.example", "sec-fetch-site": "cross-site"},
    {"origin": "https://127.0.0.1", "host": "127.0.0.1"},
]


def test_programs_and_pages_of_the_service_itself_may_write(settings: Settings, engine: Engine) -> None:
    with service(settings, public_url="https://models.example") as client:
        for headers in OUR_OWN:
            answer = client.post("/v1/jobs/j:cancel", headers=headers)
            assert answer.json()["code"] == "job_not_found", headers


def test_no_page_of_elsewhere_reads_anything_unless_its_origin_is_listed(
    settings: Settings, engine: Engine
) -> None:
    page = {"origin": "https://notebooks.example"}
    asked = {
        **page,
        "access-control-request-method": "POST",
        "access-control-request-headers": "content-type",
    }
    with service(settings) as client:
        assert "access-control-allow-origin" not in client.get("/v1/jobs", headers=page).headers
        assert client.options("/v1/jobs", headers=asked).status_code == 403
    with service(settings, cors_origins="https://notebooks.example") as client:
        allowed = client.options("/v1/jobs", headers=asked)
        assert (allowed.status_code, allowed.headers["access-control-allow-origin"]) == (200, page["origin"])
        written = client.post("/v1/datasets", files=FORM, data={"label": "y"}, headers=page)
        assert written.status_code == 201
        assert written.headers["access-control-allow-origin"] == page["origin"]
        assert (
            client.post("/v1/jobs", json=JOB, headers={"origin": "https://evil.example"}).status_code == 403
        )


@pytest.mark.parametrize("path", ["/docs", "/redoc", "/v1/jobs", "/nope", "/"])
def test_every_answer_tells_browsers_to_load_and_frame_nothing_of_elsewhere(
    client: TestClient, path: str
) -> None:
    headers = client.get(path, follow_redirects=False).headers
    assert "frame-ancestors 'none'" in headers["content-security-policy"]
    assert "http" not in headers["content-security-policy"]
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["x-frame-options"] == "DENY"
    # A page's own forms say where they come from, which `no-referrer` would hide even from the service.
    assert headers["referrer-policy"] == ("same-origin" if path == "/" else "no-referrer")
    assert headers["cross-origin-resource-policy"] == "same-origin"


def test_an_unforeseen_error_has_these_headers_too(settings: Settings, engine: Engine) -> None:
    app = create_app(settings)
    app.add_api_route("/fails", lambda: [][0])
    with TestClient(app, raise_server_exceptions=False) as client:
        answer = client.get("/fails")
    assert (answer.status_code, answer.json()["code"]) == (500, "internal_error")
    assert answer.headers["x-content-type-options"] == "nosniff"


def test_a_refused_request_has_these_headers_too(client: TestClient) -> None:
    refused = client.get("/docs", headers={"host": "evil.example"})
    assert refused.status_code == 421
    assert "frame-ancestors 'none'" in refused.headers["content-security-policy"]


@pytest.mark.parametrize(
    ("url", "origin"),
    [
        ("https://models.example/api/", "https://models.example"),
        ("http://models.example:80", "http://models.example"),
        ("https://models.example:8443", "https://models.example:8443"),
        ("http://[::1]:8000", "http://[::1]:8000"),
    ],
)
def test_an_origin_is_written_as_browsers_do(url: str, origin: str) -> None:
    assert origin_of(url) == origin


@pytest.mark.parametrize("host", ["0.0.0.0", "", "::", "0"])
def test_an_address_beyond_loopback_is_refused_unless_anyone_may_use_it(host: str) -> None:
    with pytest.raises(CannotServe, match="MODEL_TRANSFER_ALLOW_ANONYMOUS=true"):
        open_listening_socket(Settings(host="0.0.0.0", port=0).model_copy(update={"host": host}))
    open_listening_socket(Settings(host="0.0.0.0", port=0, allow_anonymous=True)).close()


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "127.1.2.3", "::1"])
def test_addresses_of_loopback_need_no_leave(host: str) -> None:
    open_listening_socket(Settings(host=host, port=0)).close()


def test_a_container_listens_on_all_its_addresses_where_its_port_is_published_on_loopback() -> None:
    open_listening_socket(Settings(host="0.0.0.0", port=0, published_host="127.0.0.1")).close()
    with pytest.raises(CannotServe, match=r"192\.0\.2\.1"):
        open_listening_socket(Settings(host="0.0.0.0", port=0, published_host="192.0.2.1"))


def test_an_inherited_socket_beyond_loopback_is_refused_as_well() -> None:
    with socket.socket() as listener:
        listener.bind(("0.0.0.0", 0))
        with pytest.raises(CannotServe):
            open_listening_socket(Settings(listen_fd=os.dup(listener.fileno())))
