from __future__ import annotations

import hashlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx2
import psutil
import pytest

from app.settings import Settings
from tests.conftest import WriteCsv, free_port
from tests.e2e.conftest import Service, start


def refused(data_dir: Path, port: int) -> str:
    """What `serve` says when it cannot start."""
    env = {**os.environ, "MODEL_TRANSFER_DATA_DIR": str(data_dir), "MODEL_TRANSFER_PORT": str(port)}
    ended = subprocess.run(
        [sys.executable, "-m", "app", "serve"], env=env, capture_output=True, text=True, timeout=200
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
    assert "which another `serve` uses" in second
    assert service.stop(signal.SIGTERM) == 0
    _, alive = psutil.wait_procs(children, timeout=60)
    assert alive == []
    again = start(tmp_path / "data")
    assert again.http.get("/v1/datasets/d").json() == made
    handed = again.events_until(job, "job.queued")
    assert handed["message"] == "Its worker shut down; the job is back in the queue."
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


@pytest.fixture(scope="module")
def service_of_two(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A service whose API is two processes; its folder could be entered by others when it was started.

    The path to that folder is longer than that to a socket may be.
    """
    data_dir = tmp_path_factory.mktemp("service_of_two") / ("long" * 30)
    data_dir.mkdir()
    data_dir.chmod(0o755)
    service = start(data_dir, umask=0, API_PROCESSES="2")
    data_dir.chmod(0o700)
    yield service
    assert service.stop() == 0
    shutil.rmtree(Settings(data_dir=data_dir).broker_socket.parent)


@pytest.mark.parametrize(
    ("which", "names"),
    [
        pytest.param("service", ["api"], id="1"),
        pytest.param("service_of_two", ["api 1", "api 2"], id="2", marks=pytest.mark.slow),
    ],
)
def test_a_rolling_restart_of_the_api_loses_no_request(
    request: pytest.FixtureRequest, which: str, names: list[str], tmp_path: Path, write_csv: WriteCsv
) -> None:
    service: Service = request.getfixturevalue(which)
    assert len(apis(service)) == len(names)
    service.upload("restart", write_csv(tmp_path / "d.csv", 400))
    over, answers = threading.Event(), Counter[int | str]()

    def ask() -> None:
        while not over.is_set():
            try:
                answers[httpx2.get(f"{service.address}/v1/jobs", timeout=200).status_code] += 1
            except httpx2.TransportError as error:
                answers[repr(error)] += 1

    data = {"dataset": "restart"}
    job = service.post(model="restart", source=data, target=data, training={"epochs": 100_000})["id"]
    service.http.post(f"/v1/jobs/{job}:pause").raise_for_status()  # the requests alone count
    with ThreadPoolExecutor(5) as pool:
        asking = [pool.submit(ask) for _ in range(4)]
        try:
            for name, process in zip(names, apis(service), strict=True):
                poll = pool.submit(httpx2.get, f"{service.address}/v1/jobs/{job}?wait=3", timeout=200)
                process.terminate()
                assert (poll.result().status_code, poll.result().json()["terminal"]) == (200, False)
                service.wait_for_line(f"The {name} was killed by SIGTERM; restarting it.", 1)
        finally:  # else the threads ask for ever, and the process of the tests never ends
            over.set()
        for one in asking:
            one.result()
    service.http.post(f"/v1/jobs/{job}:cancel")
    assert set(answers) == {200}


@pytest.mark.slow
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
                assert process.wait(200) == 0
            else:
                processes.append(process)
        service = Service(processes[0], f"http://127.0.0.1:{port}", tmp_path / "one", follow=False)
        service.wait_until_answering()
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
            process.wait(200)


def environment(data_dir: Path, **settings: str) -> dict[str, str]:
    """What a verb of the command line is started with."""
    given = {"DATA_DIR": str(data_dir), **settings}
    return {**os.environ, **{f"MODEL_TRANSFER_{name}": value for name, value in given.items()}}


def open_to_others(folder: Path) -> dict[str, str]:
    """Files, folders and sockets that other accounts may read, write or enter, with their permissions."""
    modes = {
        str(path): path.lstat().st_mode for path in (folder, *folder.rglob("*")) if not path.is_symlink()
    }
    return {path: oct(mode) for path, mode in modes.items() if mode & 0o077}


@pytest.mark.parametrize(
    "which",
    [
        pytest.param("service", id="short"),
        pytest.param("service_of_two", id="beyond a socket's path", marks=pytest.mark.slow),
    ],
)
def test_what_serve_writes_is_its_accounts_alone_and_its_broker_is_found_by_others(
    request: pytest.FixtureRequest, tmp_path: Path, write_csv: WriteCsv, which: str
) -> None:
    service: Service = request.getfixturevalue(which)
    data_dir = service.data_dir
    service.upload("private", write_csv(tmp_path / "d.csv", 400))
    data = {"dataset": "private"}
    alone = {"seeds": 1, "baseline": False, "control": False}
    asked = {"model": "private", "source": data, "target": data, "training": {"epochs": 1}}
    job = service.post(**asked, evaluation=alone)["id"]
    assert service.wait(job)["state"] == "succeeded"
    made = list(data_dir.rglob("*"))
    names = {path.name for path in made}
    assert {"model-transfer.db", "serve.lock", "broker.log", "blobs", "known"} <= names
    assert open_to_others(data_dir) == {}
    socket_ = Settings(data_dir=data_dir).broker_socket
    assert socket_.is_socket()
    assert open_to_others(socket_.parent) == {}
    assert len(str(socket_)) < 108
    this = [sys.executable, "-m", "app"]
    command = [*this, "doctor"]
    examined = subprocess.run(
        command, env=environment(data_dir), capture_output=True, text=True, timeout=200, check=False
    )
    assert "ok      broker: 0 messages in default" in examined.stderr
    assert "ok      workers: " in examined.stderr
    assert "ok      folder: " in examined.stderr
    backup = [*this, "backup", str(tmp_path / "backup")]
    subprocess.run(backup, env=environment(data_dir), check=True, timeout=200, umask=0)
    assert open_to_others(tmp_path / "backup") == {}


@pytest.mark.slow
def test_serve_tells_of_a_folder_that_other_accounts_can_enter(service_of_two: Service) -> None:
    assert any("chmod -R go=" in line for line in service_of_two.lines)


def test_a_database_that_migrate_makes_is_its_accounts_alone(tmp_path: Path) -> None:
    this = [sys.executable, "-m", "app", "migrate"]
    subprocess.run(this, env=environment(tmp_path / "a" / "data"), check=True, timeout=200, umask=0)
    assert (tmp_path / "a" / "data" / "model-transfer.db").is_file()
    assert open_to_others(tmp_path / "a") == {}


@pytest.mark.parametrize(
    ("log_format", "verb"),
    [
        pytest.param(log_format, verb, marks=[pytest.mark.slow] if (first + second) % 2 else [])
        for first, log_format in enumerate(["text", "json"])
        for second, verb in enumerate(["serve", "api", "worker", "sweeper", "migrate", "backup", "doctor"])
    ],
)
def test_no_verb_tells_the_passwords_of_what_it_cannot_reach(
    tmp_path: Path, verb: str, log_format: str
) -> None:
    env = environment(
        tmp_path / "data",
        DATABASE_URL="postgresql://me:s3cret-pw%2F@127.0.0.1:1/db?sslpassword=s3cret-key",
        BROKER_URL="redis://me:s3cret-pw%40@127.0.0.1:1/0",
        STORAGE_SECRET_KEY="s3cret-of-store",
        LOG_FORMAT=log_format,
        LOG_LEVEL="debug",
        PORT="0",
    )
    words = [verb, str(tmp_path / "backup")] if verb == "backup" else [verb]
    with subprocess.Popen(
        [sys.executable, "-m", "app", *words],
        env=env,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as process:
        assert process.stdout is not None
        lines = []
        for line in process.stdout:
            lines.append(line)
            # The worker and the sweeper try again and again.
            if verb in ("worker", "sweeper") and ("Cannot connect" in line or "refused" in line):
                process.kill()
    assert lines
    assert "s3cret" not in "".join(lines)
