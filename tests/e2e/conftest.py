"""The real processes, driven over HTTP: `model-transfer serve` in a folder of its own."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx2
import pytest

from tests.conftest import free_port

START_SECONDS = 200


@dataclass
class Service:
    """A running `serve`, and a client of it."""

    process: subprocess.Popen[str]
    address: str
    data_dir: Path
    lines: list[str] = field(default_factory=list)
    ready: threading.Event = field(default_factory=threading.Event)
    follow: bool = True

    def __post_init__(self) -> None:
        self.http = httpx2.Client(base_url=self.address, timeout=120)
        self._reader = threading.Thread(target=self._read, daemon=True)
        if self.follow:
            self._reader.start()

    def _read(self) -> None:
        assert self.process.stderr is not None
        for line in self.process.stderr:
            self.lines.append(line.rstrip())
            if line.startswith("Ready."):
                self.ready.set()
        self.ready.set()

    def upload(self, name: str, path: Path, **fields: str) -> dict[str, Any]:
        with path.open("rb") as file:
            answer = self.http.post("/v1/datasets", files={"file": file}, data={"name": name, **fields})
        assert answer.status_code == 201, answer.text
        made: dict[str, Any] = answer.json()
        return made

    def post(self, **body: Any) -> dict[str, Any]:
        answer = self.http.post("/v1/jobs", json=body)
        assert answer.status_code == 202, answer.text
        made: dict[str, Any] = answer.json()
        return made

    def wait(self, job: str) -> dict[str, Any]:
        """The job when it has ended; how long that takes is a matter of the machine and its load."""
        while True:
            answer: dict[str, Any] = self.http.get(f"/v1/jobs/{job}", params={"wait": 100}).json()
            if answer["terminal"]:
                return answer

    def events_until(self, job: str, type_: str, after: int = 0) -> dict[str, Any]:
        """Follow the stream of events to the first of a type."""
        headers = {"accept": "text/event-stream", "last-event-id": str(after)}
        with self.http.stream("GET", f"/v1/jobs/{job}/events", headers=headers) as stream:
            for line in stream.iter_lines():
                if line.startswith("data: "):
                    event: dict[str, Any] = json.loads(line.removeprefix("data: "))
                    if event["type"] == type_:
                        return event
        raise AssertionError(f"{job} ended without {type_}")

    def wait_for_line(self, line: str, times: int, seconds: float = 200) -> None:
        """Until `serve` has said this so often."""
        deadline = time.monotonic() + seconds
        while self.lines.count(line) < times:
            assert time.monotonic() < deadline, self.lines
            time.sleep(0.05)

    def wait_until_answering(self, seconds: float = 200) -> None:
        """Until a restarted API listens again."""
        deadline = time.monotonic() + seconds
        while True:
            try:
                self.http.get("/healthz")
                return
            except httpx2.TransportError:
                assert time.monotonic() < deadline, self.lines
                time.sleep(0.05)

    def stop(self, number: signal.Signals = signal.SIGINT) -> int:
        """Ctrl-C, or another signal; answers the exit code."""
        self.process.send_signal(number)
        code = self.process.wait(200)
        self._reader.join()
        assert self.process.stderr is not None
        self.process.stderr.close()
        self.http.close()
        return code


def start(data_dir: Path, inside: Path | None = None, umask: int = -1, **settings: str) -> Service:
    """Start `serve` and wait until it is ready.

    `inside` is the list of processes of a control group; `umask` is what whoever starts it denies to others.
    """
    port = free_port()
    given = {"DATA_DIR": str(data_dir), "PORT": str(port), "HEARTBEAT_SECONDS": "0.5", **settings}
    env = {**os.environ, **{f"MODEL_TRANSFER_{name}": value for name, value in given.items()}}
    process = subprocess.Popen(
        [sys.executable, "-m", "app", "serve"],
        env=env,
        stderr=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        text=True,
        umask=umask,
        preexec_fn=None if inside is None else lambda: inside.write_text(str(os.getpid())) and None,
    )
    service = Service(process, f"http://127.0.0.1:{port}", data_dir)
    assert service.ready.wait(START_SECONDS), service.lines
    assert process.poll() is None, service.lines
    return service


@pytest.fixture(scope="package")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """One service for many tests, embedded: SQLite, a local folder, the bundled broker."""
    service = start(tmp_path_factory.mktemp("service"), umask=0)
    yield service
    service.stop()
