"""An API on a socket, and servers that answer what they are told to."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import uvicorn
from fastapi.testclient import TestClient

from app.client import Client
from tests.app.conftest import served


@pytest.fixture(autouse=True)
def _no_file_of_the_user(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))


@pytest.fixture
def address(client: TestClient) -> Iterator[str]:
    with served(uvicorn.Config(client.app, lifespan="off", log_level="warning")) as address:
        yield address


@pytest.fixture
def service(address: str) -> Iterator[Client]:
    with Client(address) as service:
        yield service


class Answers(threading.Thread):
    """A server that answers each request with the next of these, as they are on the wire."""

    def __init__(self, *answers: bytes) -> None:
        super().__init__(daemon=True)
        self.listening = socket.create_server(("127.0.0.1", 0))
        self.answers, self.requests = list(answers), list[bytes]()
        self.address = f"http://127.0.0.1:{self.listening.getsockname()[1]}"
        self.start()

    def run(self) -> None:
        for answer in self.answers:
            connection, _ = self.listening.accept()
            with connection:
                request = b""
                while b"\r\n\r\n" not in request:
                    request += connection.recv(65536)
                self.requests.append(request)
                connection.sendall(answer)
        self.listening.close()


def ok(body: bytes, *headers: str) -> bytes:
    head = ["HTTP/1.1 200 OK", f"Content-Length: {len(body)}", "Connection: close", *headers]
    return "\r\n".join([*head, "", ""]).encode() + body
