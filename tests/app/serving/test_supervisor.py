"""Real processes that live, fail and are killed."""

import signal
import sys
import threading

import pytest

from app.serving import supervisor
from app.serving.supervisor import RESTARTS, Child, GaveUp, Supervisor


def _child(program: str) -> Child:
    return Child("sleeper", [sys.executable, "-c", program], stop_seconds=5)


def test_a_process_that_fails_again_and_again_ends_the_service(monkeypatch):
    monkeypatch.setattr(supervisor, "SHORTEST_PAUSE", 0.001)
    said: list[str] = []
    watching = Supervisor(said.append)
    watching.add(_child("raise SystemExit(3)"))
    with pytest.raises(GaveUp, match="The sleeper ended with code 3 soon after its start"):
        watching.watch()
    assert len(said) == RESTARTS - 1


def test_a_process_that_is_killed_is_started_again_however_often(monkeypatch):
    monkeypatch.setattr(supervisor, "SHORTEST_PAUSE", 0.001)
    program = "import time; time.sleep(60)"
    killed: list[str] = []
    enough = threading.Event()

    def say(line: str) -> None:
        killed.append(line)
        if len(killed) > RESTARTS:
            enough.set()

    watching = Supervisor(say)
    child = _child(program)
    watching.add(child)
    thread = threading.Thread(target=watching.watch)
    thread.start()
    while not enough.is_set():
        process = child.process
        assert process is not None
        process.send_signal(signal.SIGKILL)
        process.wait()
    watching.over.set()
    thread.join()
    watching.stop()  # not before it is over: what was just killed would be started once more
    assert child.failures == 0
    assert "was killed by SIGKILL" in killed[0]
