from __future__ import annotations

import hashlib
import os
import signal
import socket
import subprocess
import sys
import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx2
import psutil
import pytest

from tests.conftest import WriteCsv
from tests.e2e.conftest import Service, free_port, start


def refused(data_dir: Path, port: int) -> str:
    """What `serve` says when it cannot start."""
    env = {**os.environ, "MODEL_TRANSFER_DATA_DIR": str(data_dir), "MODEL_TRANSFER_PORT": str(port)}
    ended = subprocess.run(
        [sys.executable, "-m", "app", "serve"], env=env, capture_output=True, text=True, timeout=60
    )
    assert ended.returncode == 1
    assert "Traceback" not in ended.stderr
    lines = ended.stderr.splitlines()
    assert len(lines) == 1, lines
    return lines[0]


def test_a_port_in_use_gets_one_clear_line(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        line = refused(tmp_path, port)
    assert f"Received: 127.0.0.1 port {port}" in line
    assert "MODEL_TRANSFER_PORT" in line


def test_a_folder_that_cannot_be_written_gets_one_clear_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    line = refused(tmp_path / "file" / "data", 0)
    assert "Expected a data folder that can be written" in line
    assert "MODEL_TRANSFER_DATA_DIR" in line


def test_stopping_stops_every_process_and_the_next_start_finds_the_data_and_goes_on(
    tmp_path: Path, write_csv: WriteCsv
) -> None:
    service = start(tmp_path / "data")
    made = service.upload("d", write_csv(tmp_path / "d.csv", 400))
    job = service.post(
        model="m", source={"dataset": "d"}, target={"dataset": "d"}, training={"epochs": 100_000}
    )["id"]
    service.events_until(job, "stage.started")
    children = psutil.Process(service.process.pid).children(recursive=True)
    assert len(children) >= 4
    second = refused(tmp_path / "data", 0)
    assert "which another `serve` is using" in second
    assert service.stop(signal.SIGTERM) == 0
    _, alive = psutil.wait_procs(children, timeout=5)
    assert alive == []
    again = start(tmp_path / "data")
    assert again.http.get("/v1/datasets/d").json() == made
    handed = again.events_until(job, "job.queued")
    assert handed["message"] == "Its worker shut down and handed it back."
    assert again.events_until(job, "job.started", after=handed["id"])["attempt"] == 2
    again.http.post(f"/v1/jobs/{job}:cancel")
    assert again.wait(job)["state"] == "cancelled"
    assert again.stop() == 0


def test_the_main_job_runs_on_postgresql_and_redis(
    tmp_path: Path, write_csv: WriteCsv, postgresql_url: str, redis_url: str
) -> None:
    service = start(tmp_path / "data", DATABASE_URL=postgresql_url, BROKER_URL=redis_url)
    commands = [" ".join(child.cmdline()) for child in psutil.Process(service.process.pid).children()]
    assert not any("broker.sock" in command for command in commands)
    service.upload("d", write_csv(tmp_path / "d.csv", 200))
    job = service.post(model="m", source={"dataset": "d"}, target={"dataset": "d"}, training={"epochs": 3})
    ended = service.wait(job["id"])
    assert ended["state"] == "succeeded", ended
    assert service.http.get("/v1/models/m").json()["version"] == 1
    assert service.stop() == 0


def apis(service: Service) -> list[psutil.Process]:
    """The processes that answer requests."""
    children = psutil.Process(service.process.pid).children()
    return [process for process in children if process.cmdline()[1:4] == ["-m", "app", "api"]]


@pytest.mark.parametrize("processes", [1, 2])
def test_a_rolling_restart_of_the_api_loses_no_request(
    processes: int, tmp_path: Path, write_csv: WriteCsv
) -> None:
    service = start(tmp_path / "data", CHECKPOINT_SECONDS="0.5", API_PROCESSES=str(processes))
    names = ["api"] if processes == 1 else ["api 1", "api 2"]
    assert len(apis(service)) == processes
    service.upload("d", write_csv(tmp_path / "d.csv", 400))
    over, answers = threading.Event(), Counter[int | str]()

    def ask() -> None:
        while not over.is_set():
            try:
                answers[httpx2.get(f"{service.address}/v1/jobs", timeout=60).status_code] += 1
            except httpx2.TransportError as error:
                answers[repr(error)] += 1

    job = service.post(
        model="m", source={"dataset": "d"}, target={"dataset": "d"}, training={"epochs": 100_000}
    )["id"]
    service.events_until(job, "stage.started")
    with ThreadPoolExecutor(5) as pool:
        asking = [pool.submit(ask) for _ in range(4)]
        try:
            for name, process in zip(names, apis(service), strict=True):
                poll = pool.submit(httpx2.get, f"{service.address}/v1/jobs/{job}?wait=3", timeout=60)
                process.terminate()
                assert (poll.result().status_code, poll.result().json()["terminal"]) == (200, False)
                service.wait_for_line(f"The {name} was killed by SIGTERM; it is started again.", 1)
        finally:  # else the threads ask for ever, and the process of the tests never ends
            over.set()
        for one in asking:
            one.result()
    service.http.post(f"/v1/jobs/{job}:cancel")
    assert set(answers) == {200}
    assert service.stop() == 0


def test_machines_that_share_no_folder_work_through_an_object_store(
    tmp_path: Path, write_csv: WriteCsv, postgresql_url: str, redis_url: str, bucket: dict[str, str]
) -> None:
    shared = {"DATABASE_URL": postgresql_url, "BROKER_URL": redis_url, "LOG_LEVEL": "warning"}
    shared |= {name.upper(): value for name, value in bucket.items()}
    port = free_port()
    verbs = {"migrate": "one", "api": "one", "sweeper": "two", "worker": "three"}
    processes = []
    try:
        for verb, machine in verbs.items():
            given = {**shared, "DATA_DIR": str(tmp_path / machine), "PORT": str(port)}
            env = {**os.environ, **{f"MODEL_TRANSFER_{name}": value for name, value in given.items()}}
            process = subprocess.Popen(
                [sys.executable, "-m", "app", verb], env=env, stderr=subprocess.DEVNULL
            )
            if verb == "migrate":
                assert process.wait(60) == 0
            else:
                processes.append(process)
        service = Service(processes[0], f"http://127.0.0.1:{port}", follow=False)
        service.wait_until_answering(60)
        service.upload("d", write_csv(tmp_path / "d.csv", 200))
        job = service.post(
            model="m", source={"dataset": "d"}, target={"dataset": "d"}, training={"epochs": 3}
        )
        ended = service.wait(job["id"])
        assert ended["state"] == "succeeded", ended
        model = service.http.get("/v1/models/m/download")
        assert hashlib.sha256(model.content).hexdigest() == model.headers["etag"].strip('"')
        assert not list((tmp_path / "one").glob("**/*.keras"))
        service.http.close()
    finally:
        for process in processes:
            process.terminate()
        for process in processes:
            process.wait(60)
