"""The processes that read uploads, as a test sees them."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil
import pytest

from app.datasets import process_start
from app.datasets.process_start import Process
from tests.conftest import wait_for


def inspecting() -> list[psutil.Process]:
    """Those that run now."""
    forked = [child for server in fork_servers() for child in _children(server)]
    return forked + _running("app.datasets.inspection.child")


def fork_servers() -> list[psutil.Process]:
    """Those that fork them: one at most."""
    return _running("app.datasets.inspection.fork_server")


def _running(module: str) -> list[psutil.Process]:
    found = []
    for child in psutil.Process().children():
        with suppress(psutil.NoSuchProcess):  # it ended while it was looked at
            if module in child.cmdline() and child.status() != psutil.STATUS_ZOMBIE:
                found.append(child)
    return found


def _children(server: psutil.Process) -> list[psutil.Process]:
    try:
        return [child for child in server.children() if child.status() != psutil.STATUS_ZOMBIE]
    except psutil.NoSuchProcess:
        return []


def suspend_one() -> None:
    """Wait for one that waits for its file, and stop it: until it is killed, it goes no further."""
    wait_for(_suspended)


def _suspended() -> bool:
    found = inspecting()
    if not found or not all(map(is_ready, found)):
        return False
    for child in found:
        child.suspend()
    return True


def is_ready(child: psutil.Process) -> bool:
    """Whether it has closed what the server that forked it has open, and ends with that server."""
    files = Path(f"/proc/{child.pid}/fd")
    with suppress(FileNotFoundError):  # it ended, or one was closed while it was looked at
        return not any("socket:" in str(file.readlink()) for file in files.iterdir())
    return not files.exists()


@contextmanager
def next_suspended() -> Iterator[Callable[[], None]]:
    """The next process that is started is stopped before its request; answers what waits for that."""
    suspended = threading.Event()
    start = process_start.start

    def start_suspended() -> Process:
        process = start()
        if not suspended.is_set():
            suspend_one()
            suspended.set()
        return process

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(process_start, "start", start_suspended)
        yield lambda: wait_for(suspended.is_set)
