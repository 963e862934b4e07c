"""How many times a second the API tells a job's state, against an answer that needs no database."""

from __future__ import annotations

import socket
import time
from concurrent.futures import ThreadPoolExecutor
from io import BufferedReader
from pathlib import Path
from urllib.parse import urlsplit

from benchmarks.report import Line, ratio
from benchmarks.service import warm_service

CLIENTS = 4
SECONDS = 3.0


def measure(folder: Path, rounds: int) -> list[Line]:
    """Clients on this machine, each asking again as soon as it is answered."""
    status: list[float] = []
    health: list[float] = []
    with warm_service(folder) as service:
        job = service.http.get("/v1/jobs").json()["data"][0]["id"]
        for _ in range(rounds):
            status.append(_per_second(service.address, f"/v1/jobs/{job}"))
            health.append(_per_second(service.address, "/healthz"))
    what = f"GET a job, {CLIENTS} clients"
    return [Line(what, _range(status), f"GET /healthz: {_range(health)}", ratio(status, health))]


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
