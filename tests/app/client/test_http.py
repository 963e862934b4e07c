from __future__ import annotations

import json
from collections.abc import Callable

import pytest
from typer.testing import CliRunner

from app.cli import cli
from app.client import ApiError, Client, NotReachable
from app.client.client import _pause
from tests.app.client.conftest import Answers, ok
from tests.conftest import free_port

JOB = {"model": "m", "source": {"dataset": "source"}, "target": {"dataset": "target"}}
BUSY = b"HTTP/1.1 503 Service Unavailable\r\nRetry-After: 0\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"


def test_where_nothing_answers_the_address_is_told() -> None:
    address = f"http://127.0.0.1:{free_port()}"
    with Client(address) as nobody:
        assert not nobody.is_ready()
        with pytest.raises(NotReachable, match=f"{address}.*MODEL_TRANSFER_URL"):
            nobody.start(JOB)


def test_what_may_be_sent_twice_is_sent_again_while_the_service_is_away() -> None:
    away = Answers(BUSY, b"", ok(b'{"data": [], "has_more": false}'))
    with Client(away.address) as service:
        assert list(service.datasets()) == []
    assert len(away.requests) == 3


def test_a_job_that_is_sent_again_has_the_key_of_the_first_time() -> None:
    away = Answers(BUSY, b"", BUSY, BUSY)
    with Client(away.address) as service, pytest.raises(ApiError):
        service.start(JOB)
    keys = {line for request in away.requests for line in request.split(b"\r\n") if b"dempotency-" in line}
    assert (len(away.requests), len(keys)) == (4, 1)


def test_an_answer_that_is_not_the_service_s_is_told_as_such() -> None:
    other = Answers(b"HTTP/1.1 404 Not Found\r\nContent-Length: 4\r\nConnection: close\r\n\r\nnope")
    with Client(other.address) as service, pytest.raises(ApiError, match="Is this the service's address"):
        service.dataset("a")


REDIRECTED = (
    b"HTTP/1.1 302 Found\r\nLocation: https://login.example.org/\r\nContent-Length: 0\r\n"
    b"Connection: close\r\n\r\n"
)


@pytest.mark.parametrize(
    "answer",
    [REDIRECTED, ok(b"<html>", "Content-Type: text/html"), ok(b""), ok(b"[]")],
    ids=["redirection", "page", "nothing", "list"],
)
@pytest.mark.parametrize("what", ["json", "stream", "events"])
def test_something_else_at_the_address_is_told_as_such(what: str, answer: bytes) -> None:
    other = Answers(answer)
    ask: dict[str, Callable[[Client], object]] = {
        "json": lambda service: service.job("j"),
        "stream": lambda service: service.is_ready(),
        "events": lambda service: list(service.events("j")),
    }
    with Client(other.address) as service, pytest.raises(ApiError, match="Expected an answer of the service"):
        ask[what](service)


def test_a_stream_of_events_that_is_refused_for_now_is_asked_for_again() -> None:
    event = {"id": 7, "level": "info", "type": "t", "message": "m", "created_at": "2026-01-01T00:00:00Z"}
    stream = ok(f"data: {json.dumps(event)}\n\n".encode(), "Content-Type: text/event-stream")
    job = {"id": "j", "name": "j", "model": "m", "state": "succeeded", "terminal": True}
    ended = ok(json.dumps({**job, "created_at": "2026-01-01T00:00:00Z"}).encode())
    busy = BUSY.replace(b"503 Service Unavailable", b"429 Too Many Requests")
    away = Answers(busy, BUSY, stream, ended, ok(b'{"data": [], "has_more": false}'))
    with Client(away.address) as service:
        assert [event.id for event in service.events("j")] == [7]
    assert [b"/events " in request.split(b"\r\n")[0] for request in away.requests[:4]] == [True] * 3 + [False]
    with Client(Answers(*[BUSY] * 6).address) as service, pytest.raises(ApiError) as refused:
        list(service.events("j"))
    assert (refused.value.status, refused.value.retry_after) == (503, 0)


def test_the_service_is_waited_for_as_long_as_it_asks_within_bounds() -> None:
    error = ApiError(429, "too_many_requests", "", retry_after=30)
    assert _pause(error, 1) == 30
    error.retry_after = 3600
    assert _pause(error, 1) == 60
    error.retry_after = None
    assert [_pause(error, breaks) for breaks in (1, 2, 5)] == [0.5, 1, 8]


def test_the_key_is_sent_with_every_request() -> None:
    keyed = Answers(ok(b'{"data": [], "has_more": false}'))
    with Client(keyed.address, "mt_secret") as service:
        assert list(service.datasets()) == []
    assert b"uthorization: Bearer mt_secret" in keyed.requests[0]


def test_a_key_that_is_none_is_exit_2_and_not_shown() -> None:
    environment = {"MODEL_TRANSFER_API_KEY": "mt_a secret"}
    wrong = CliRunner().invoke(cli, ["jobs", "list"], env=environment)
    assert wrong.exit_code == 2
    assert "Expected an API key" in wrong.stderr
    assert "secret" not in wrong.output


def test_where_no_service_is_the_address_is_told_and_exit_3() -> None:
    address = f"http://127.0.0.1:{free_port()}"
    nobody = CliRunner().invoke(cli, ["jobs", "pause", "j"], env={"MODEL_TRANSFER_URL": address})
    assert (nobody.exit_code, address in nobody.stderr) == (3, True)
