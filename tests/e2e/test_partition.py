"""A worker on a host of its own whose network falls silent, and comes back."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from tests.conftest import WriteCsv, free_port
from tests.e2e.chaos import HASTE, postgres, wait_for_database
from tests.e2e.conftest import Service

NAME, OURS, THEIRS, NETWORK = "mt-worker", "10.77.0.1", "10.77.0.2", "10.77.0.0/24"

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        sys.platform != "linux"
        or os.geteuid() != 0
        or not all(map(shutil.which, ("ip", "initdb", "postgres", "redis-server"))),
        reason="needs root, network namespaces and the programs of PostgreSQL and Redis",
    ),
]


def ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True)


@pytest.fixture
def host() -> Iterator[None]:
    """A network namespace that one cable leads to."""
    ip("netns", "add", NAME)
    try:
        ip("link", "add", "mt-here", "type", "veth", "peer", "name", "mt-there", "netns", NAME)
        ip("addr", "add", f"{OURS}/24", "dev", "mt-here")
        ip("link", "set", "mt-here", "up")
        ip("-n", NAME, "addr", "add", f"{THEIRS}/24", "dev", "mt-there")
        ip("-n", NAME, "link", "set", "mt-there", "up")
        ip("-n", NAME, "link", "set", "lo", "up")
        yield
    finally:
        ip("netns", "del", NAME)


@contextmanager
def running(command: list[str], env: dict[str, str], log: Path) -> Iterator[subprocess.Popen[bytes]]:
    with log.open("ab") as file:
        process = subprocess.Popen(command, env=env, stdout=file, stderr=file)
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


@pytest.mark.usefixtures("host")
def test_a_worker_that_is_cut_off_loses_its_job_to_another_and_serves_again_when_it_is_back(
    tmp_path: Path, write_csv: WriteCsv
) -> None:
    ports = {"postgres": free_port(), "redis": free_port(), "api": free_port()}
    with ExitStack() as held:
        place = Path(held.enter_context(tempfile.TemporaryDirectory(prefix="partition-")))
        server = postgres(place / "pg", ports["postgres"], NETWORK)()
        held.callback(server.wait)
        held.callback(server.send_signal, signal.SIGINT)  # ends connections rather than waiting for them
        settings = {
            "DATABASE_URL": f"postgresql+psycopg://postgres@{OURS}:{ports['postgres']}/postgres",
            "BROKER_URL": f"redis://{OURS}:{ports['redis']}/0",
            "DATA_DIR": str(tmp_path / "data"),
            "PORT": str(ports["api"]),
            **HASTE,
        }
        env = {**os.environ, **{f"MODEL_TRANSFER_{name}": value for name, value in settings.items()}}
        redis = ["redis-server", "--port", str(ports["redis"]), "--protected-mode", "no", "--save", ""]
        held.enter_context(running(redis, env, tmp_path / "redis.log"))
        wait_for_database(settings["DATABASE_URL"])
        this = [sys.executable, "-m", "app"]
        subprocess.run([*this, "migrate"], env=env, check=True, stderr=subprocess.DEVNULL)
        for verb in ("api", "sweeper"):
            held.enter_context(running([*this, verb], env, tmp_path / f"{verb}.log"))
        away = ["ip", "netns", "exec", NAME, *this, "worker"]
        held.enter_context(running(away, env, tmp_path / "away.log"))
        service = Service(server, f"http://127.0.0.1:{ports['api']}", tmp_path / "data", follow=False)  # type: ignore[arg-type]
        held.callback(service.http.close)
        service.wait_until_answering(60)
        service.upload("d", write_csv(tmp_path / "d.csv", 400))
        d = {"dataset": "d"}
        job = service.post(model="m", source=d, target=d, training={"epochs": 1500, "seed": 1})["id"]
        service.events_until(job, "stage.started")
        ip("-n", NAME, "link", "set", "mt-there", "down")
        lost = service.events_until(job, "job.lease_expired")
        with running([*this, "worker"], env, tmp_path / "here.log"):
            ended = service.wait(job)
            assert ended["state"] == "succeeded", ended
            assert ended["attempt"] == 2
        ip("-n", NAME, "link", "set", "mt-there", "up")
        again = service.wait(service.post(model="n", source=d, target=d, training={"epochs": 3})["id"])
        assert again["state"] == "succeeded", again
        versions = service.http.get("/v1/models/m/versions").json()["data"]
        assert [version["version"] for version in versions] == [1]
        events = service.http.get(f"/v1/jobs/{job}/events", params={"after": lost["id"]}).json()["data"]
        assert {event["attempt"] for event in events} == {2}
