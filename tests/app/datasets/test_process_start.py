"""Processes of inspections, forked and spawned."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import psutil
import pytest
from fastapi.testclient import TestClient

from app.datasets import child_process, process_start
from app.datasets.child_process import Inspector, Stopped
from app.datasets.inspection.inspect_file import inspect
from app.datasets.reading.declaration import Declaration
from app.datasets.reading.errors import DatasetError
from app.datasets.reading.limits import Limits
from app.datasets.reading.profile import Inspection
from tests.app.datasets.inspections import fork_servers, inspecting, is_ready, suspend_one
from tests.conftest import wait_for

MEMORY = 1 << 30
forked_only = pytest.mark.skipif(sys.platform != "linux", reason="elsewhere no process is forked")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A small file of three columns."""
    file = tmp_path / "upload"
    file.write_text("a,b,y\n" + "".join(f"{n},{'uv'[n % 2]},{n % 2}\n" for n in range(40)))
    return file


def run(path: Path) -> Inspection:
    return child_process.run(path, Declaration(), memory_bytes=MEMORY, seconds=60)


def started(path: Path) -> Inspector:
    return Inspector(path, Declaration(), Limits(), memory_bytes=MEMORY, seconds=60)


@pytest.fixture
def server(path: Path) -> Iterator[psutil.Process]:
    """The process that forks, which has forked one."""
    run(path)
    (server,) = fork_servers()
    yield server
    with suppress(psutil.NoSuchProcess):
        server.resume()


def test_a_new_python_answers_what_a_forked_one_does(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process_start, "start", process_start.spawn)
    assert run(path) == inspect(path, Declaration())
    path.write_text("a,y\n1,2\n3\n")
    with pytest.raises(DatasetError, match="Received: 1"):
        run(path)
    with started(path):
        wait_for(lambda: len(inspecting()) == 1)
    assert inspecting() == []


@forked_only
def test_processes_are_forked_from_one_that_has_a_single_thread_and_keeps_nothing_of_them(
    path: Path, server: psutil.Process
) -> None:
    def held() -> list[int]:
        return [os.getpid(), psutil.Process().num_fds(), server.num_fds(), server.num_threads()]

    before, memory = held(), server.memory_full_info().uss
    for _ in range(50):
        run(path)
    path.write_bytes(b"\x00" * 1000)
    for _ in range(50):
        with pytest.raises(DatasetError):
            run(path)
        with started(path):
            pass
    assert fork_servers() == [server]
    # What earlier tests left open here may be closed meanwhile, and the server closes what the last one had.
    wait_for(lambda: all(after <= first for after, first in zip(held(), before, strict=True)))
    assert before[-1] == 1
    assert server.memory_full_info().uss - memory < 1 << 20
    assert server.children() == []


@forked_only
def test_a_forked_process_has_no_open_files_but_its_streams(path: Path) -> None:
    with started(path):
        suspend_one()
        (child,) = inspecting()
        open_files = {int(name): os.readlink(f"/proc/{child.pid}/fd/{name}") for name in _descriptors(child)}
    beyond = [target for number, target in open_files.items() if number > 2]
    assert beyond in ([], [str(path)])
    assert all(open_files[number].startswith("pipe:") for number in range(3))


def _descriptors(child: psutil.Process) -> list[str]:
    return os.listdir(f"/proc/{child.pid}/fd")


@forked_only
def test_two_inspections_at_once_know_nothing_of_each_other(path: Path) -> None:
    with started(path) as first, started(path) as second:
        wait_for(lambda: len(inspecting()) == 2)
        first.kill()
        assert second.finish() == inspect(path, Declaration())
        with pytest.raises(Stopped):
            first.finish()


@forked_only
def test_a_server_that_was_killed_is_started_again(path: Path, server: psutil.Process) -> None:
    server.kill()
    assert run(path).description.rows == 40
    assert fork_servers() != [server]


@forked_only
def test_an_inspection_whose_server_is_killed_begins_again(
    path: Path, server: psutil.Process, caplog: pytest.LogCaptureFixture
) -> None:
    with started(path) as child:
        suspend_one()
        (process,) = inspecting()
        server.kill()
        wait_for(lambda: not _lives(process))
        assert child.finish() == inspect(path, Declaration())
    assert "was ended" in caplog.text


@forked_only
def test_an_inspection_whose_server_is_killed_each_time_is_told_to_be_sent_again(
    client: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    start = process_start.start

    def start_for_nothing() -> process_start.Process:
        process = start()
        suspend_one()
        for server in fork_servers():
            server.kill()
        return process

    content = b"a,y\n" + b"1,u\n2,v\n3,u\n4,u\n" * 10
    with monkeypatch.context() as patch:
        patch.setattr(process_start, "start", start_for_nothing)
        answer = client.post("/v1/datasets?name=t&label=y", content=content)
    assert (answer.status_code, answer.json()["code"]) == (503, "unavailable")
    assert "Send the file again" in answer.json()["hint"]
    assert client.post("/v1/datasets?name=t&label=y", content=content).json()["ref"] == "t@1"


@forked_only
@pytest.mark.parametrize("is_wanted", [True, False])
def test_a_server_that_is_stopped_is_replaced_as_soon_as_an_inspection_is_to_end(
    path: Path, server: psutil.Process, monkeypatch: pytest.MonkeyPatch, is_wanted: bool
) -> None:
    monkeypatch.setattr(process_start, "_ANSWER_SECONDS", 0.1)
    server.suspend()
    with started(path) as child:
        start, seconds = child._start, child._seconds

        def start_with_all_the_time() -> process_start.Process:
            child._seconds = seconds
            return start()

        if is_wanted:  # the time that it may take ends
            monkeypatch.setattr(child, "_seconds", 0.1)
            monkeypatch.setattr(child, "_start", start_with_all_the_time)
            assert child.finish() == inspect(path, Declaration())
        else:
            child.kill()
            with pytest.raises(Stopped):
                child.finish()
    assert not _lives(server)


@forked_only
def test_an_inspection_that_was_killed_does_not_begin_again(path: Path, server: psutil.Process) -> None:
    with started(path) as child:
        suspend_one()
        child.kill()
        server.kill()
        with pytest.raises(Stopped):
            child.finish()
    assert inspecting() == []


@forked_only
def test_a_signal_to_all_of_a_terminals_processes_ends_no_inspection(
    path: Path, server: psutil.Process
) -> None:
    with started(path) as child:
        wait_for(lambda: len(inspecting()) == 1)
        for process in (server, *inspecting()):
            process.send_signal(signal.SIGINT)
            process.send_signal(signal.SIGTERM)
        assert child.finish().description.rows == 40
    assert fork_servers() == [server]


@forked_only
def test_nothing_outlives_a_process_that_is_killed_while_it_inspects(path: Path) -> None:
    program = """
import sys
from pathlib import Path
from app.datasets.child_process import Inspector
from app.datasets.reading.declaration import Declaration
from app.datasets.reading.limits import Limits

with Inspector(Path(sys.argv[1]), Declaration(), Limits(), memory_bytes=1 << 30, seconds=60):
    print("started", flush=True)
    sys.stdin.read()
"""
    pipe = subprocess.PIPE
    with subprocess.Popen([sys.executable, "-c", program, path], stdin=pipe, stdout=pipe) as parent:
        assert parent.stdout is not None
        parent.stdout.readline()
        wait_for(lambda: len(psutil.Process(parent.pid).children(recursive=True)) == 2)
        below = psutil.Process(parent.pid).children(recursive=True)
        wait_for(lambda: is_ready(below[1]))
        below[1].suspend()
        parent.kill()
    wait_for(lambda: not any(_lives(process) for process in below))


def _lives(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
