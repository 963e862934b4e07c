from __future__ import annotations

import re
import threading
from typing import Any

import pytest
from fastapi.testclient import TestClient

from tests.app.access.callers import make_key
from tests.app.conftest import Publish
from tests.stored import store

VERBS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "BREW")


def paths(client: TestClient) -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = client.get("/openapi.json").json()["paths"]
    return found


def allowed(answer: Any) -> set[str]:
    return set(answer.headers["allow"].split(", "))


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_each_path_names_all_of_its_methods_to_each_other_one(client: TestClient) -> None:
    client.headers.update(make_key(client, "admin", "admin").headers)
    for form, operations in paths(client).items():
        path = re.sub(r"\{[^}]*\}", "x", form)
        takes = {verb.upper() for verb in operations}
        takes |= {"HEAD"} if "GET" in takes else set()
        for verb in set(VERBS) - takes:
            answer = client.request(verb, path)
            assert (answer.status_code, allowed(answer)) == (405, takes), (verb, path)
            assert answer.headers["content-type"] == "application/problem+json"
            if verb != "HEAD":
                problem = answer.json()
                assert problem["code"] == "method_not_allowed"
                assert problem["detail"].endswith(f"at {path}. Received: {verb}.")
                assert all(method in problem["detail"] for method in takes)


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
@pytest.mark.parametrize(
    ("path", "takes"),
    [
        ("/v1/jobs", {"GET", "HEAD", "POST"}),
        ("/v1/models/m@1", {"GET", "HEAD", "DELETE"}),
        ("/v1/models/m/aliases/champion", {"PUT", "DELETE"}),
        ("/v1/jobs/grades-1:cancel", {"POST"}),  # and not those of a job of this name
        ("/v1/presets/hf://owner/model", {"GET", "HEAD"}),
        ("/docs", {"GET", "HEAD"}),
        ("/", {"GET", "HEAD"}),
    ],
)
def test_a_path_that_several_routes_share_has_the_methods_of_all(
    client: TestClient, path: str, takes: set[str]
) -> None:
    assert allowed(client.patch(path)) == takes


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_a_list_is_asked_for_its_headers_alone(client: TestClient) -> None:
    for path in ("/v1/jobs", "/v1/datasets", "/v1/models", "/v1/presets", "/healthz", "/docs"):
        whole, headers = client.get(path), client.head(path)
        assert (headers.status_code, headers.content) == (200, b"")
        assert headers.headers["content-length"] == str(len(whole.content))
    assert client.head("/v1/jobs/nope").status_code == 404


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_the_headers_of_a_stream_come_while_the_job_waits(client: TestClient, datasets: Any) -> None:
    body = {"name": "j", "model": "m", "source": {"dataset": "source"}, "target": {"dataset": "target"}}
    assert client.post("/v1/jobs", json=body).status_code == 202
    answers: list[Any] = []
    asking = threading.Thread(
        target=lambda: answers.append(
            client.head("/v1/jobs/j/events", headers={"Accept": "text/event-stream"})
        )
    )
    asking.start()
    asking.join(20)
    assert not asking.is_alive()  # the stream itself lasts until the job has ended
    assert answers[0].status_code == 200
    assert answers[0].headers["content-type"].startswith("text/event-stream")
    assert answers[0].content == b""


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_what_answers_without_a_body_declares_and_sends_none(client: TestClient, publish: Publish) -> None:
    publish("helped")
    publish("helped", champion="always")
    client.put("/v1/models/m/aliases/first", json={"version": 1})
    content = "a,y\n" + "".join(f"{n},{n % 2}\n" for n in range(20))
    store(client, "unused", content.encode(), label="y")
    for path in ("/v1/models/m/aliases/first", "/v1/models/m@1", "/v1/datasets/unused"):
        answer = client.delete(path)
        assert (answer.status_code, answer.content) == (204, b"")
        assert not {"content-type", "content-length"} & answer.headers.keys()
    for operations in paths(client).values():
        for operation in operations.values():
            assert "content" not in operation["responses"].get("204", {})
            assert "content" not in operation["responses"].get("304", {})
