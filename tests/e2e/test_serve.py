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


def test_stopping_stops_every_process_and_the_next_start_finds_the_data(
    tmp_path: Path, write_csv: WriteCsv
) -> None:
    service = start(tmp_path / "data")
    made = service.upload("d", write_csv(tmp_path / "d.csv", 40))
    children = psutil.Process(service.process.pid).children(recursive=True)
    assert len(children) >= 4
    second = refused(tmp_path / "data", 0)
    assert "which another `serve` is using" in second
    assert service.stop(signal.SIGTERM) == 0
    _, alive = psutil.wait_procs(children, timeout=5)
    assert alive == []
    again = start(tmp_path / "data")
    assert again.http.get("/v1/datasets/d").json() == made
    assert again.stop() == 0


def test_a_job_goes_on_after_broker_api_and_worker_were_killed(tmp_path: Path, write_csv: WriteCsv) -> None:
    service = start(tmp_path / "data", LEASE_SECONDS="3", SWEEP_SECONDS="0.5", RESEND_SECONDS="1")
    service.upload("d", write_csv(tmp_path / "d.csv", 400))
    body = {"source": {"dataset": "d"}, "target": {"dataset": "d"}, "training": {"epochs": 150}}
    job = service.post(model="m", **body)
    service.events_until(job["id"], "stage.started")
    killed = set()
    for process in psutil.Process(service.process.pid).children():
        command = " ".join(process.cmdline())
        for name in ("broker.sock", "app api", "celery"):
            if name in command:
                process.kill()
                killed.add(name)
    assert killed == {"broker.sock", "app api", "celery"}
    service.wait_until_answering()
    ended = service.wait(job["id"])
    assert ended["state"] == "succeeded", ended
    assert ended["attempt"] == 2
    told = "\n".join(service.lines)
    for name in ("broker", "api", "worker"):
        assert f"The {name} was killed by SIGKILL; it is started again." in told
    undisturbed = service.post(model="m", **body, evaluation={"control": False})
    assert service.wait(undisturbed["id"])["state"] == "succeeded"
    digests = {service.http.get(f"/v1/models/m@{n}").json()["weights_sha256"] for n in (1, 2)}
    assert len(digests) == 1
    assert service.stop() == 0


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


def test_stopping_hands_a_running_job_to_the_next_start(tmp_path: Path, write_csv: WriteCsv) -> None:
    service = start(tmp_path / "data")
    service.upload("d", write_csv(tmp_path / "d.csv", 400))
    job = service.post(
        model="m", source={"dataset": "d"}, target={"dataset": "d"}, training={"epochs": 400},
        evaluation={"control": False},
    )  # fmt: skip
    service.events_until(job["id"], "stage.started")
    assert service.stop() == 0
    again = start(tmp_path / "data")
    again.events_until(job["id"], "stage.started")
    ended = again.wait(job["id"])
    assert ended["state"] == "succeeded", ended
    events = again.http.get(f"/v1/jobs/{job['id']}/events").json()["data"]
    assert "Its worker shut down and handed it back." in [event["message"] for event in events]
    assert again.stop() == 0


def terminate(service: Service, words: list[str]) -> None:
    """Ask the process with these words in its command to end, as a rolling restart does."""
    for process in psutil.Process(service.process.pid).children():
        if process.cmdline()[1 : 1 + len(words)] == words:
            process.terminate()


def test_a_rolling_restart_of_api_and_worker_loses_no_request(tmp_path: Path, write_csv: WriteCsv) -> None:
    service = start(tmp_path / "data", CHECKPOINT_SECONDS="0.5")
    service.upload("d", write_csv(tmp_path / "d.csv", 400))
    over, answers = threading.Event(), Counter[int | str]()

    def ask() -> None:
        while not over.is_set():
            try:
                answers[httpx2.get(f"{service.address}/v1/jobs", timeout=60).status_code] += 1
            except httpx2.TransportError as error:
                answers[repr(error)] += 1

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    job = service.post(
        model="m", source={"dataset": "d"}, target={"dataset": "d"}, training={"epochs": 100_000}
    )["id"]
    service.events_until(job, "stage.started")
    for times in range(3):
        with ThreadPoolExecutor(1) as pool:
            poll = pool.submit(httpx2.get, f"{service.address}/v1/jobs/{job}?wait=3", timeout=60)
            terminate(service, ["-m", "app", "api"])
            assert (poll.result().status_code, poll.result().json()["terminal"]) == (200, False)
        service.wait_for_line("The api was killed by SIGTERM; it is started again.", times + 1)
    terminate(service, ["-m", "celery"])
    service.wait_for_line("The worker ended with code 0; it is started again.", 1)
    handed = service.events_until(job, "job.queued")
    assert "handed it back" in handed["message"]
    service.events_until(job, "job.started", after=handed["id"])
    service.http.post(f"/v1/jobs/{job}:cancel")
    over.set()
    for thread in threads:
        thread.join()
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
