"""Clients that leave, of a real server on a real socket: what they asked for ends with them."""

from __future__ import annotations

import gzip
import io
import logging
import os
import socket
import struct
import threading
import time
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx2
import pytest
import uvicorn
from fastapi import FastAPI
from sqlalchemy import Engine

from app.main import create_app
from app.settings import Settings
from tests.app.conftest import served
from tests.app.datasets.inspections import inspecting, next_suspended, suspend_one
from tests.conftest import wait_for

CSV = b"a,y\n" + b"1,u\n2,v\n3,u\n4,u\n" * 10


@dataclass
class Service:
    """The API behind a socket, in a thread of this process."""

    app: FastAPI
    port: int
    http: httpx2.Client

    @property
    def incoming(self) -> list[Path]:
        """The files on their way in."""
        return list((self.app.state.storage.folder / "incoming").iterdir())

    def connect(self, query: str, length: int, **headers: str) -> socket.socket:
        """The begin of a raw upload of so many bytes."""
        connection = socket.create_connection(("127.0.0.1", self.port))
        given = {"host": f"127.0.0.1:{self.port}", "content-length": str(length), **headers}
        lines = [
            f"POST /v1/datasets?{query} HTTP/1.1",
            *(f"{name}: {value}" for name, value in given.items()),
        ]
        connection.sendall("\r\n".join([*lines, "", ""]).encode())
        return connection


@pytest.fixture
def service(settings: Settings, engine: Engine) -> Iterator[Service]:
    """A server with one place in each lane."""
    app = create_app(settings.model_copy(update={"inspection_concurrency": 1}))
    config = uvicorn.Config(app, log_config=None, access_log=False)
    with served(config) as address, httpx2.Client(base_url=address, timeout=60) as http:
        yield Service(app, http.base_url.port or 0, http)


def told(caplog: pytest.LogCaptureFixture) -> list[str]:
    """What the service said, and its server where something is wrong."""
    return [
        f"{record.levelname} {record.getMessage()}"
        for record in caplog.records
        if record.name.startswith("app") or record.levelno > logging.INFO
    ]


@pytest.mark.parametrize("accept", ["application/json", "text/event-stream"])
@pytest.mark.parametrize("key", ["", "once"])
def test_a_validation_whose_client_leaves_ends_with_it_and_leaves_one_line(
    service: Service, accept: str, key: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    headers = {"accept": accept, **({"idempotency-key": key} if key else {})}
    with next_suspended() as wait, service.connect("name=t&label=y", len(CSV), **headers) as connection:
        connection.sendall(CSV)
        wait()
        caplog.clear()
    left = time.monotonic()
    wait_for(lambda: bool(told(caplog)) and not inspecting() and not service.incoming)
    assert time.monotonic() - left < 30  # by itself it would go on for a minute; here it takes half a second
    assert told(caplog) == ["INFO the client of an upload left; its validation is ended and nothing kept"]
    assert service.http.get("/v1/datasets").json()["data"] == []
    again = service.http.post("/v1/datasets?name=t&label=y", content=CSV, headers={"idempotency-key": "once"})
    assert (again.status_code, again.json()["ref"]) == (201, "t@1")


@pytest.mark.parametrize("accept", ["application/json", "text/event-stream"])
def test_a_waiting_validation_whose_client_leaves_is_dropped_from_the_queue(
    service: Service, accept: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    over, queues = threading.Event(), service.app.state.validations
    queues.submit(over.wait, "small")
    try:
        with service.connect("name=t&label=y", len(CSV), accept=accept) as connection:
            connection.sendall(CSV)
            wait_for(lambda: queues.waiting("small") == 1)
        wait_for(lambda: bool(told(caplog)) and not service.incoming)
        assert told(caplog) == ["INFO the client of an upload left; its validation is ended and nothing kept"]
    finally:
        over.set()
    assert service.http.post("/v1/datasets?name=t&label=y", content=CSV).json()["ref"] == "t@1"


def test_a_large_upload_whose_client_leaves_at_its_end_gives_back_the_turn_it_began_early_with(
    service: Service, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    content = b"a,y\n" + b"1,u\n2,v\n" * (10 << 17)
    with service.connect("name=t&label=y", len(content)) as connection:
        connection.sendall(content[: 9 << 20])
        suspend_one()
        connection.sendall(content[9 << 20 :])
        wait_for(lambda: len(content) in [file.stat().st_size for file in service.incoming])
        wait_for(lambda: service.app.state.validations.active == 1)
    wait_for(lambda: bool(told(caplog)) and not inspecting() and not service.incoming)
    assert told(caplog) == ["INFO the client of an upload left; its validation is ended and nothing kept"]
    assert service.app.state.validations.early.acquire(blocking=False)
    service.app.state.validations.early.release()


@pytest.mark.parametrize("sent", [10, 9 << 20])
def test_a_client_that_leaves_during_its_upload_is_one_line_and_leaves_nothing(
    service: Service, sent: int, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    with service.connect("name=t&label=y", 20 << 20) as connection:
        connection.sendall((b"a,y\n" + b"1,u\n2,v\n" * (sent // 8))[:sent])
        wait_for(lambda: len(service.incoming) == 1)
        if sent > 8 << 20:
            wait_for(lambda: len(inspecting()) == 1)
    wait_for(lambda: bool(told(caplog)) and not inspecting() and not service.incoming)
    assert told(caplog) == ["INFO the client of an upload left before its end; nothing is kept"]


def test_a_client_that_leaves_during_a_json_request_is_one_line(
    service: Service, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    with socket.create_connection(("127.0.0.1", service.port)) as connection:
        head = f"POST /v1/jobs HTTP/1.1\r\nhost: 127.0.0.1:{service.port}\r\ncontent-length: 100\r\n"
        connection.sendall(f'{head}content-type: application/json\r\n\r\n{{"mod'.encode())
    wait_for(lambda: bool(told(caplog)))
    assert told(caplog) == ["INFO the client of POST /v1/jobs left before its request was whole"]


def test_a_small_gzip_file_of_a_large_one_waits_with_the_large_ones(service: Service) -> None:
    over, queues = threading.Event(), service.app.state.validations
    queues.submit(over.wait, "large")
    packed = gzip.compress(b"a,y\n" + b"1,u\n2,v\n" * 2_000_000)
    assert len(packed) < 1 << 17
    try:
        with service.connect("name=large&label=y&format=csv", len(packed)) as connection:
            connection.sendall(packed)
            wait_for(lambda: queues.waiting("large") == 1)
            assert service.http.post("/v1/datasets?name=small&label=y", content=CSV).status_code == 201
    finally:
        over.set()


def bomb(images: int, side: int) -> bytes:
    """A zip of images that are a few kilobytes each and megabytes of pixels."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = struct.pack(">IIBBBBB", side, side, 1, 0, 0, 0, 0)
    packer = zlib.compressobj(9)
    pixels = b"".join(packer.compress(bytes(side // 8 + 1)) for _ in range(side)) + packer.flush()
    image = b"\x89PNG\r\n\x1a\n" + b"".join(
        (chunk(b"IHDR", head), chunk(b"IDAT", pixels), chunk(b"IEND", b""))
    )
    sink = io.BytesIO()
    with zipfile.ZipFile(sink, "w") as archive:
        for number in range(images):
            archive.writestr(f"{'ab'[number % 2]}/{number}.png", image)
    return sink.getvalue()


def test_archives_of_little_bytes_and_many_pixels_are_refused_before_they_are_all_decoded(
    service: Service,
) -> None:
    content = bomb(70, 8192)
    assert len(content) < 650_000
    began = os.times().children_user
    answer = service.http.post("/v1/datasets?name=t&filename=a.zip", content=content)
    assert (answer.status_code, answer.json()["code"]) == (422, "archive_too_large")
    assert os.times().children_user - began < 30  # of 4.7 gigapixels, which take minutes


def test_a_small_upload_is_validated_while_large_ones_hold_their_places(service: Service) -> None:
    over, queues = threading.Event(), service.app.state.validations
    queues.submit(over.wait, "large")
    try:
        answer = service.http.post("/v1/datasets?name=small&label=y", content=CSV)
        assert answer.status_code == 201
        assert queues.waiting("large") == 0
    finally:
        over.set()


def test_a_small_upload_that_takes_long_gives_its_place_to_other_small_ones(
    service: Service, caplog: pytest.LogCaptureFixture
) -> None:
    service.app.state.settings.small_inspection_seconds = 3.0
    over, queues = threading.Event(), service.app.state.validations
    queues.submit(over.wait, "large")
    try:
        with (
            next_suspended() as wait,
            service.connect("name=slow&label=y", len(CSV), accept="text/event-stream") as connection,
        ):
            connection.sendall(CSV)
            wait()
            wait_for(lambda: queues.waiting("large") == 1)
            assert inspecting() == []
            assert service.http.post("/v1/datasets?name=small&label=y", content=CSV).status_code == 201
            over.set()
            connection.settimeout(60)
            answer = b""
            while b"event: dataset" not in answer:
                answer += connection.recv(1 << 16)
    finally:
        over.set()
    assert service.http.get("/v1/datasets/slow").status_code == 200
    assert told(caplog) == []
