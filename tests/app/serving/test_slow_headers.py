from __future__ import annotations

import socket
from urllib.parse import urlsplit

import uvicorn
from starlette.types import Receive, Scope, Send

from app.serving.slow_headers import impatient
from tests.app.conftest import served


async def hello(scope: Scope, receive: Receive, send: Send) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]})
    await send({"type": "http.response.body", "body": b"hi"})


def test_headers_that_never_end_are_cut_off_and_other_requests_are_answered() -> None:
    config = uvicorn.Config(hello, lifespan="off", log_level="warning", http=impatient(0.05))
    with served(config) as address:
        place = (urlsplit(address).hostname, urlsplit(address).port)
        with socket.create_connection(place) as slow, socket.create_connection(place) as silent:
            slow.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n")
            for connection in (slow, silent):
                answer = connection.makefile("rb").read()  # until it is closed
                assert answer.startswith(b"HTTP/1.1 408 ")
        with socket.create_connection(place) as quick:
            quick.sendall(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
            assert quick.makefile("rb").read().endswith(b"hi")
