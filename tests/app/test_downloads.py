from __future__ import annotations

import email
from email.message import Message
from typing import Any

import pytest
from fastapi.testclient import TestClient

from tests.stored import store

CONTENT = b"a,b,y\n" + b"".join(b"%d,%d,%s\n" % (n, n % 7, b"pq"[n % 2 : n % 2 + 1]) for n in range(60))
SIZE = len(CONTENT)
PATH = "/v1/datasets/d/content"

pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)


@pytest.fixture(autouse=True)
def etag(client: TestClient) -> str:
    """Stores the file; its ETag."""
    store(client, "d", CONTENT, label="y")
    tag: str = client.get(PATH).headers["etag"]
    return tag


def asked(client: TestClient, range_: str, **more: str) -> Any:
    return client.get(PATH, headers={"Range": range_, **more})


@pytest.mark.parametrize(
    ("range_", "first", "end"),
    [
        ("bytes=0-3", 0, 4),
        ("bytes=5-", 5, SIZE),
        ("bytes=-5", SIZE - 5, SIZE),
        ("bytes=0-99999999999999999999999", 0, SIZE),
        ("bytes=-" + "9" * 5000, 0, SIZE),
        ("bytes=00000-3", 0, 4),
        ("BYTES= 0-3 ,", 0, 4),
        ("bytes=0-3,2-9", 0, 10),
        ("bytes=0-3,999999-", 0, 4),  # one that the file has is enough
        ("bytes=0-3,-0", 0, 4),
    ],
)
def test_a_range_is_answered_with_its_bytes(client: TestClient, range_: str, first: int, end: int) -> None:
    answer = asked(client, range_)
    assert (answer.status_code, answer.content) == (206, CONTENT[first:end])
    assert answer.headers["content-range"] == f"bytes {first}-{end - 1}/{SIZE}"
    assert answer.headers["content-length"] == str(end - first)


def test_several_ranges_come_as_parts(client: TestClient) -> None:
    answer = asked(client, "bytes=8-9,0-1")
    assert answer.status_code == 206
    assert answer.headers["content-length"] == str(len(answer.content))
    head = f"Content-Type: {answer.headers['content-type']}\r\n\r\n".encode()
    parts = email.message_from_bytes(head + answer.content).get_payload()
    assert isinstance(parts, list)
    found = [
        (part["content-range"], part.get_payload(decode=True)) for part in parts if isinstance(part, Message)
    ]
    assert found == [(f"bytes 0-1/{SIZE}", CONTENT[0:2]), (f"bytes 8-9/{SIZE}", CONTENT[8:10])]


@pytest.mark.parametrize(
    "range_", [f"bytes={SIZE}-", "bytes=-0", "bytes=" + "9" * 5000 + "-", "bytes=999999-,-0"]
)
def test_a_range_beyond_the_end_is_a_problem_that_tells_the_size(client: TestClient, range_: str) -> None:
    answer = asked(client, range_)
    assert answer.status_code == 416
    assert answer.headers["content-range"] == f"bytes */{SIZE}"
    assert answer.headers["content-type"] == "application/problem+json"
    problem = answer.json()
    assert (problem["code"], problem["status"]) == ("range_not_satisfiable", 416)
    assert f"{SIZE} bytes. Received: bytes=" in problem["detail"]
    assert len(answer.content) < 1000


@pytest.mark.parametrize(
    "range_",
    [
        "items=0-1",
        "bytes",
        "bytes=",
        "bytes=,",
        "bytes=-",
        "bytes=a-b",
        "bytes=5-2",
        "bytes=+1-2",
        "bytes=1_0-20",
        "bytes=0-1,x",
        "bytes=0 -1",
        "bytes=1-2-3",
        "bytes=0x0-0x1",
        b"bytes=\xb2-\xb3".decode("latin-1"),
        "bytes=" + ",".join(f"{n}-{n}" for n in range(0, 2000, 2)),
        "bytes=" + "0-," * 101,
        "bytes=" + "9" * 10_000 + "-",
    ],
)
def test_a_range_that_says_nothing_is_ignored(client: TestClient, range_: str) -> None:
    answer = client.get(PATH, headers={"Range": range_.encode("latin-1")})
    assert (answer.status_code, answer.content) == (200, CONTENT)
    assert "content-range" not in answer.headers


def test_a_range_of_another_version_of_the_file_is_ignored(client: TestClient, etag: str) -> None:
    assert asked(client, "bytes=999999-", **{"If-Range": '"other"'}).status_code == 200
    assert asked(client, "bytes=0-3", **{"If-Range": f"W/{etag}"}).status_code == 200
    assert asked(client, "bytes=0-3", **{"If-Range": etag}).status_code == 206


def test_a_download_is_asked_for_its_headers_alone(client: TestClient, etag: str) -> None:
    whole = client.get(PATH).headers
    for more in ({}, {"Range": "bytes=0-3"}, {"Range": "bytes=999999-"}):  # ranges are for GET
        answer = client.head(PATH, headers=more)
        assert (answer.status_code, answer.content) == (200, b"")
        for name in ("content-length", "content-type", "content-disposition", "repr-digest", "accept-ranges"):
            assert answer.headers[name] == whole[name]
        assert answer.headers["etag"] == etag
    assert client.head(PATH, headers={"If-None-Match": etag}).status_code == 304


def test_a_download_says_of_its_type_what_was_said_at_its_upload_and_no_more(client: TestClient) -> None:
    file = {"file": ("d.csv", CONTENT.decode().encode("utf-16"), "text/csv")}
    assert client.post("/v1/datasets", files=file, data={"name": "utf-16", "label": "y"}).status_code == 201
    assert client.get("/v1/datasets/utf-16/content").headers["content-type"] == "text/csv"


def test_downloads_declare_what_they_answer(client: TestClient) -> None:
    routes = client.get("/openapi.json").json()["paths"]
    for path in (
        "/v1/datasets/{dataset}/content",
        "/v1/models/{model}/download",
        "/v1/jobs/{job}/model",
    ):
        answers = routes[path]["get"]["responses"]
        assert {"200", "206", "304", "416"} <= answers.keys()
        assert "content" not in answers["304"]
        assert list(answers["416"]["content"]) == ["application/problem+json"]
        assert "Content-Range" in answers["206"]["headers"]
