"""How fast rows are answered over HTTP, against the downloaded file called in a loop."""

from __future__ import annotations

import json
import socket
import statistics
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import urlsplit

from benchmarks.asking import environment
from benchmarks.data import FEATURES
from benchmarks.report import Line
from benchmarks.service import ROOT, Service, warm_service
from benchmarks.status import read_answer

ALONE, TOGETHER, SECONDS = 1000, 32, 5.0
ROW = {name: 0.1 * place for place, name in enumerate(FEATURES)}


def measure(folder: Path) -> list[Line]:
    """One row of a table, warm: alone, and from many clients; then a network of 5 MB that is not loaded."""
    with warm_service(folder) as service:
        version = service.http.get("/v1/jobs").json()["data"][0]["result"]["version"]
        plain = _plain(service, version, folder)
        _ask(service.address, version, 50)
        alone = sorted(_ask(service.address, version, ALONE))
        together = _rows_a_second(service.address, version)
        large, size = _large(service)
        (cold,) = _ask(service.address, large, 1)
    median, slowest = statistics.median(alone), alone[int(len(alone) * 0.99)]
    predict = plain["predict"]
    told = f"model.predict: {predict * 1e3:.1f} ms"
    return [
        Line("one row, median", _ms(median), told, median / predict, "5 ms", median <= 0.005),
        Line("one row, 99 %", _ms(slowest), told, slowest / predict, "20 ms", slowest <= 0.02),
        Line(
            f"{TOGETHER} clients",
            f"{together:,.0f} rows/s",
            f"a traced call in a loop: {plain['calls']:,.0f} rows/s",
            together / plain["calls"],
            "≥ 1",
            together >= plain["calls"],
        ),
        Line(f"cold, {size / 1e6:.1f} MB", _ms(cold), told, cold / predict, "1 s", cold <= 1),
    ]


def _ms(seconds: float) -> str:
    return f"{seconds * 1e3:.1f} ms"


def _plain(service: Service, version: str, folder: Path) -> dict[str, float]:
    path = folder / "downloaded.keras"
    path.write_bytes(service.http.get(f"/v1/models/{version}/download").content)
    command = [sys.executable, "-m", "benchmarks.predicting", str(path)]
    done = subprocess.run(
        command,
        cwd=ROOT,
        env=environment(),
        input=json.dumps(ROW),
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        check=True,
    )
    found: dict[str, float] = json.loads(done.stdout)
    return found


def _large(service: Service) -> tuple[str, int]:
    """A version of about 5 MB, and its size."""
    job = service.run(
        {
            "model": "large",
            "source": {"dataset": "source"},
            "target": {"dataset": "target"},
            "network": {"kind": "mlp", "hidden_units": [1100, 1100]},
            "training": {"epochs": 1},
            "evaluation": {"control": False, "baseline": False, "seeds": 1},
        }
    )
    version = job["result"]["version"]
    artifacts = service.http.get(f"/v1/models/{version}").json()["artifacts"]
    return version, next(one["size"] for one in artifacts if one["format"] == "keras")


def _request(address: str, version: str) -> bytes:
    body = json.dumps({"instances": [ROW]}).encode()
    head = [
        f"POST /v1/models/{version}:predict HTTP/1.1",
        f"Host: {urlsplit(address).netloc}",
        "Content-Type: application/json",
        f"Content-Length: {len(body)}",
    ]
    return "\r\n".join([*head, "", ""]).encode() + body


def _ask(address: str, version: str, times: int, end: float = float("inf")) -> list[float]:
    """Seconds of each answer, one after another on one connection."""
    host, request, seconds = urlsplit(address), _request(address, version), list[float]()
    with socket.create_connection((host.hostname, host.port)) as connection:
        reader = connection.makefile("rb")
        while len(seconds) < times and time.perf_counter() < end:
            begin = time.perf_counter()
            connection.sendall(request)
            read_answer(reader)
            seconds.append(time.perf_counter() - begin)
    return seconds


def _rows_a_second(address: str, version: str) -> float:
    begin = time.perf_counter()
    with ThreadPoolExecutor(TOGETHER) as clients:
        asking = [
            clients.submit(_ask, address, version, sys.maxsize, begin + SECONDS) for _ in range(TOGETHER)
        ]
        answered = sum(len(client.result()) for client in asking)
    return answered / (time.perf_counter() - begin)
