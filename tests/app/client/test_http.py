from __future__ import annotations

import pytest
from typer.testing import CliRunner

from app.cli import cli
from app.client import ApiError, Client, NotReachable
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


def test_the_key_is_sent_with_every_request() -> None:
    keyed = Answers(ok(b'{"data": [], "has_more": false}'))
    with Client(keyed.address, "mt_secret") as service:
        assert list(service.datasets()) == []
    assert b"uthorization: Bearer mt_secret" in keyed.requests[0]


def test_where_no_service_is_the_address_is_told_and_exit_3() -> None:
    address = f"http://127.0.0.1:{free_port()}"
    nobody = CliRunner().invoke(cli, ["jobs", "pause", "j"], env={"MODEL_TRANSFER_URL": address})
    assert (nobody.exit_code, address in nobody.stderr) == (3, True)
