"""The service under measurement: `serve` with its defaults, in a folder of its own."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx2

from benchmarks.data import write_split

ROOT = Path(__file__).resolve().parents[1]
START_SECONDS = 90
JOB_SECONDS = 300


class Service:
    """A running service that has already done a job: its worker is warm, and idle."""

    def __init__(self, process: subprocess.Popen[bytes], address: str) -> None:
        self.process = process
        self.address = address
        self.http = httpx2.Client(base_url=address, timeout=JOB_SECONDS + 30)

    def upload(self, path: Path, **declared: str) -> None:
        """Upload a data set, named like its file."""
        with path.open("rb") as file:
            answer = self.http.post("/v1/datasets", files={"file": file}, data=declared)
        if answer.is_error:
            raise RuntimeError(f"Expected a data set that is accepted. Received: {answer.text}")

    def run_job(self, seed: int) -> dict[str, Any]:
        """Run the example as a job and answer it as it ended.

        Another seed trains the source anew; the same one would find it trained.
        """
        return self.run(example_job(seed))

    def run(self, request: dict[str, Any]) -> dict[str, Any]:
        """Run a job and answer it as it ended."""
        answer = self.http.post("/v1/jobs", json=request)
        if answer.is_error:
            raise RuntimeError(f"Expected a job that is accepted. Received: {answer.text}")
        location = answer.headers["location"]
        job: dict[str, Any] = {"terminal": False}
        while not job["terminal"]:
            job = self.http.get(location, params={"wait": JOB_SECONDS}).json()
        if job["state"] != "succeeded":
            raise RuntimeError(f"Expected a job that succeeds. Received: {job['state']}, {job['error']}.")
        return job

    def report(self, job: str) -> dict[str, Any]:
        """The job's report."""
        answer = self.http.get(f"/v1/jobs/{job}/report")
        answer.raise_for_status()
        report: dict[str, Any] = answer.json()
        return report

    def peak_memory(self) -> int | None:
        """Bytes of the most memory the API process ever had (VmHWM); None where there is no /proc."""
        for pid in _children(self.process.pid):
            command = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
            if command[1:4] == [b"-m", b"app", b"api"]:
                return _peak(pid)
        return None

    def worker_peak_memory(self) -> int | None:
        """Bytes of the most memory that a process running jobs ever had; None where there is no /proc."""
        peaks = [
            _peak(fork)
            for pid in _children(self.process.pid)
            if b"celery" in Path(f"/proc/{pid}/cmdline").read_bytes()
            for fork in _children(pid)
        ]
        return max(peaks, default=None)


def tree_seconds(pid: int) -> float:
    """Processor seconds that a process and its children have used, ended ones included."""
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    own = sum(map(int, fields[11:15])) / os.sysconf("SC_CLK_TCK")
    return own + sum(map(tree_seconds, _children(pid)))


def _peak(pid: int) -> int:
    fields = dict(line.split(":", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines())
    return int(fields["VmHWM"].split()[0]) * 1024


def example_job(seed: int) -> dict[str, Any]:
    """What `benchmarks.example` does, as a job: no control, no scaling, one learning rate for all layers."""
    return {
        "model": "benchmark",
        "source": {"dataset": "source"},
        "target": {"dataset": "target"},
        "method": {"kind": "parameter", "strategy": "full", "backbone_learning_rate_factor": 1.0},
        "network": {"kind": "mlp", "hidden_units": [64, 64], "preprocessing": False},
        "training": {"epochs": 10, "batch_size": 32, "learning_rate": 0.001, "seed": seed},
        "evaluation": {"control": False},
    }


@contextmanager
def warm_service(folder: Path) -> Iterator[Service]:
    """Start the service, upload `source` and `target` (left in `folder` as CSV), and run a first job.

    Raises:
        RuntimeError: it does not start, or its first job fails.
    """
    port = free_port()
    log = folder / "serve.log"
    environment = _environment(folder / "service", port)
    compiled = [
        sys.executable,
        "-c",
        "import app.main, app.serving.server, kombu.pools, kombu.transport.redis",
    ]
    subprocess.run(compiled, cwd=ROOT, env=environment, check=True)
    with log.open("wb") as file:
        command = [sys.executable, "-m", "app", "serve"]
        process = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=file, stderr=file)
    service = Service(process, f"http://127.0.0.1:{port}")
    try:
        _wait_until_ready(service, log)
        service.upload(write_split(folder / "source.csv", train=1000, test=0, seed=1))
        service.upload(write_split(folder / "target.csv", train=200, test=100, seed=2))
        service.run_job(seed=0)
        yield service
    finally:
        service.http.close()
        process.send_signal(signal.SIGINT)
        process.wait(60)


def _environment(data_dir: Path, port: int) -> dict[str, str]:
    """The defaults: what this shell has set for its own service must not change the numbers.

    Nor must it keep Python from writing compiled modules: to compile them anew costs each start a second, and
    the API 20 MB.
    """
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith("MODEL_TRANSFER_") and name != "PYTHONDONTWRITEBYTECODE"
    }
    return {**kept, "MODEL_TRANSFER_DATA_DIR": str(data_dir), "MODEL_TRANSFER_PORT": str(port)}


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _wait_until_ready(service: Service, log: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and service.process.poll() is None:
        try:
            if service.http.get("/readyz").status_code == 200:
                return
        except httpx2.TransportError:
            time.sleep(0.1)
    tail = log.read_text(errors="replace")[-2000:]
    raise RuntimeError(f"Expected a service that is ready in {START_SECONDS} s. Received:\n{tail}")


def _children(pid: int) -> list[int]:
    listed = Path(f"/proc/{pid}/task/{pid}/children")
    return [int(child) for child in listed.read_text().split()] if listed.exists() else []
