from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import Engine

from app.db.session import Sessions
from app.jobs import transitions
from app.main import create_app
from app.settings import Settings
from tests.kinds import table
from workers.killed import end_their_jobs, oom_kills

EVENTS = "low 0\nhigh 3\nmax 9\noom 4\noom_kill 7\n"
CONTROL = "oom_kill_disable 0\nunder_oom 0\noom_kill 7\n"
JOB = {"model": "m", "source": {"dataset": "table"}, "target": {"dataset": "table"}}


@pytest.fixture
def client(settings: Settings, engine: Engine, tmp_path: Path) -> Iterator[TestClient]:
    """The API, with a data set."""
    with TestClient(create_app(settings)) as client:
        content = table(tmp_path / "table.csv").read_bytes()
        client.post("/v1/datasets?name=table&label=y", content=content).raise_for_status()
        yield client


def write(root: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return root


@pytest.mark.parametrize(
    "files",
    [
        {"proc/self/cgroup": "0::/a/b\n", "sys/fs/cgroup/a/b/memory.events": EVENTS},
        {"proc/self/cgroup": "0::/../x\n", "sys/fs/cgroup/memory.events": EVENTS},
        {"proc/self/cgroup": "4:memory:/c\n0::/\n", "sys/fs/cgroup/memory/c/memory.oom_control": CONTROL},
        {"proc/self/cgroup": "4:memory:/docker/x\n", "sys/fs/cgroup/memory/memory.oom_control": CONTROL},
        {"proc/self/cgroup": "0::/\n", "proc/vmstat": "nr_free_pages 5\noom_kill 7\n"},
    ],
    ids=["version 2", "version 2 in a container", "version 1", "version 1 in a container", "no group"],
)
def test_the_kernels_count_of_processes_killed_for_memory_is_found(
    tmp_path: Path, files: dict[str, str]
) -> None:
    assert oom_kills(write(tmp_path, files)) == 7


def test_where_no_kernel_counts_nothing_is_known(tmp_path: Path) -> None:
    assert oom_kills(tmp_path) is None
    assert (
        oom_kills(write(tmp_path, {"proc/self/cgroup": "0::/\n", "proc/vmstat": "nr_free_pages 5\n"})) is None
    )


def claimed(client: TestClient, sessions: Sessions, process: int, host: str = "") -> str:
    """A job at work in this process."""
    job: dict[str, Any] = client.post("/v1/jobs", json=JOB).json()
    with sessions.begin() as session:
        assert transitions.claim(session, job["id"], f"{host or socket.gethostname()}/{process}", 60.0)
    return str(job["id"])


def test_jobs_of_processes_that_are_gone_fail_once_memory_was_why(
    client: TestClient, sessions: Sessions
) -> None:
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    lost = claimed(client, sessions, gone.pid)
    alive = claimed(client, sessions, os.getpid())
    elsewhere = claimed(client, sessions, gone.pid, host=f"{socket.gethostname()}-2")
    assert end_their_jobs(sessions) == [lost]
    job = client.get(f"/v1/jobs/{lost}").json()
    assert (job["state"], job["error"]["code"], job["attempt"]) == ("failed", "out_of_memory", 1)
    assert "training.batch_size" in job["error"]["hint"]
    assert "estimated to need" in job["error"]["message"]
    for other in (alive, elsewhere):
        assert client.get(f"/v1/jobs/{other}").json()["state"] == "running"
    assert end_their_jobs(sessions) == []
