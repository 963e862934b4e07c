from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import Engine

from app.db.session import Sessions
from app.jobs import transitions
from app.jobs.transitions import Lease
from app.main import create_app
from app.settings import Settings
from tests.kinds import table
from tests.stored import store
from workers.oom_kills import RunningAttempt, count_oom_kills, end_job

EVENTS = "low 0\nhigh 3\nmax 9\noom 4\noom_kill 7\n"
CONTROL = "oom_kill_disable 0\nunder_oom 0\noom_kill 7\n"
JOB = {"model": "m", "source": {"dataset": "table"}, "target": {"dataset": "table"}}


@pytest.fixture
def client(settings: Settings, engine: Engine, tmp_path: Path) -> Iterator[TestClient]:
    """The API, with a data set."""
    with TestClient(create_app(settings)) as client:
        content = table(tmp_path / "table.csv").read_bytes()
        store(client, "table", content, label="y")
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
    assert count_oom_kills(write(tmp_path, files)) == 7


def test_where_no_kernel_counts_there_are_none(tmp_path: Path) -> None:
    assert count_oom_kills(tmp_path) == 0
    files = {"proc/self/cgroup": "0::/\n", "proc/vmstat": "nr_free_pages 5\n"}
    assert count_oom_kills(write(tmp_path, files)) == 0


def test_an_attempt_that_lost_its_process_is_told_by_kills_since_it_began() -> None:
    work = RunningAttempt()
    assert work.oom_killed(4) is None
    work.begin(Lease("job_1", 2), 4)
    assert work.oom_killed(4) is None  # those before it began were others
    assert work.oom_killed(5) == Lease("job_1", 2)
    work.end()
    assert work.oom_killed(5) is None


def test_the_job_of_a_process_that_was_killed_for_memory_fails_unless_another_attempt_has_it(
    client: TestClient, sessions: Sessions
) -> None:
    job: str = client.post("/v1/jobs", json=JOB).json()["id"]
    with sessions.begin() as session:
        lease = transitions.claim(session, job, "worker", 60.0)
    assert lease is not None
    assert not end_job(sessions, Lease(job, lease.attempt + 1))
    assert client.get(f"/v1/jobs/{job}").json()["state"] == "running"
    assert end_job(sessions, lease)
    ended = client.get(f"/v1/jobs/{job}").json()
    assert (ended["state"], ended["error"]["code"], ended["attempt"]) == ("failed", "out_of_memory", 1)
    assert "training.batch_size" in ended["error"]["hint"]
    assert "estimated to need" in ended["error"]["message"]
