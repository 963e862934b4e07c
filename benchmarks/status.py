"""How many times a second the API tells a job's state, against an answer that needs no database.

And how long that takes while hundreds wait for a job and follow its events.
"""

from __future__ import annotations

import socket
import statistics
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from io import BufferedReader
from pathlib import Path
from urllib.parse import urlsplit

from benchmarks.report import Line, ratio
from benchmarks.service import example_job, warm_service

CLIENTS = 4
SECONDS = 3.0
WAITING = 300
"""Requests that wait for a job, and as many streams of its events."""

LONGEST_WITH_WAITING = 0.05
"""Seconds: the aim for the median of a status request meanwhile, on an idle machine."""

LEAST_OF_HEALTH = 0.5
"""The aim for status requests: at least this share of as many that need no database."""

ASKED = 200


def measure(folder: Path, rounds: int) -> list[Line]:
    """Clients on this machine, each asking again as soon as it is answered."""
    status: list[float] = []
    health: list[float] = []
    with warm_service(folder) as service:
        job = service.http.get("/v1/jobs").json()["data"][0]["id"]
        for _ in range(rounds):
            status.append(_per_second(service.address, f"/v1/jobs/{job}"))
            health.append(_per_second(service.address, "/healthz"))
        open_job = service.http.post("/v1/jobs", json=example_job(1)).json()["id"]
        service.http.post(f"/v1/jobs/{open_job}:pause")
        while service.http.get(f"/v1/jobs/{open_job}").json()["state"] != "paused":
            time.sleep(0.1)
        alone = _latencies(service.address, f"/v1/jobs/{job}")
        with _waiting(service.address, open_job):
            beside = _latencies(service.address, f"/v1/jobs/{job}")
    what = f"GET a job, {CLIENTS} clients"
    share, slowed = ratio(status, health), ratio(beside, alone)
    least = f">= {LEAST_OF_HEALTH:g}"
    met = statistics.median(beside) <= LONGEST_WITH_WAITING
    return [
        Line(what, _range(status), f"GET /healthz: {_range(health)}", share, least, share >= LEAST_OF_HEALTH),
        Line(
            f"GET a job while {WAITING} wait and {WAITING} follow its events",
            _milliseconds(beside),
            f"alone: {_milliseconds(alone)}",
            slowed,
            f"<= {LONGEST_WITH_WAITING * 1000:.0f} ms",
            met,
        ),
    ]


@contextmanager
def _waiting(address: str, job: str) -> Iterator[None]:
    """Requests that wait for a job that stays as it is, and streams that have sent what there is."""
    host = urlsplit(address)
    wait = f"GET /v1/jobs/{job}?wait=300 HTTP/1.1\r\nHost: {host.netloc}\r\n\r\n"
    stream = f"GET /v1/jobs/{job}/events HTTP/1.1\r\nHost: {host.netloc}\r\nAccept: text/event-stream\r\n\r\n"
    with ExitStack() as opened:
        streams = []
        for request in (wait, stream):
            for _ in range(WAITING):
                connection = opened.enter_context(socket.create_connection((host.hostname, host.port)))
                connection.sendall(request.encode())
                if request == stream:
                    streams.append(connection)
        for connection in streams:
            connection.recv(1)
        yield


def _latencies(address: str, path: str) -> list[float]:
    """Seconds of requests, one after the other on one connection."""
    host = urlsplit(address)
    request = f"GET {path} HTTP/1.1\r\nHost: {host.netloc}\r\n\r\n".encode()
    took = []
    with socket.create_connection((host.hostname, host.port)) as connection:
        reader = connection.makefile("rb")
        for _ in range(ASKED):
            begin = time.perf_counter()
            connection.sendall(request)
            read_answer(reader)
            took.append(time.perf_counter() - begin)
    return took


def _milliseconds(values: list[float]) -> str:
    return f"{statistics.median(values) * 1000:.1f} ms ({max(values) * 1000:.0f} at most)"


def _range(values: list[float]) -> str:
    middle = sorted(values)[len(values) // 2]
    return f"{middle:,.0f}/s ({min(values):,.0f} to {max(values):,.0f})"


def _per_second(address: str, path: str) -> float:
    begin = time.perf_counter()
    with ThreadPoolExecutor(CLIENTS) as clients:
        asking = [clients.submit(_ask_until, address, path, begin + SECONDS) for _ in range(CLIENTS)]
        answered = sum(client.result() for client in asking)
    return answered / (time.perf_counter() - begin)


def _ask_until(address: str, path: str, end: float) -> int:
    """Requests answered on one connection. An HTTP library would cost more than the server's answer."""
    host = urlsplit(address)
    request = f"GET {path} HTTP/1.1\r\nHost: {host.netloc}\r\n\r\n".encode()
    answered = 0
    with socket.create_connection((host.hostname, host.port)) as connection:
        reader = connection.makefile("rb")
        while time.perf_counter() < end:
            connection.sendall(request)
            read_answer(reader)
            answered += 1
    return answered


def read_answer(reader: BufferedReader) -> None:
    """An answer to its end; raises RuntimeError where its status is not 200."""
    head = iter(reader.readline, b"\r\n")
    status = next(head).split()[1]
    fields = dict(line.lower().split(b":", 1) for line in head)
    body = reader.read(int(fields[b"content-length"]))
    if status != b"200":
        raise RuntimeError(f"Expected the status 200. Received: {status.decode()} {body.decode()}")
