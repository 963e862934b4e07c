"""Starts the processes of the service on one machine, restarts what dies, and stops all of it."""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

RESTARTS = 5
"""Failures of a process in a row, each within `WELL_SECONDS` of its start, that end the service."""

WELL_SECONDS = 30.0
"""A process that lived as long can live: whatever ended it, starting it again is right."""

FROM_OUTSIDE = (0, -signal.SIGTERM, -signal.SIGKILL)
"""Exit codes of a process that somebody ended: no failure of its own."""

SHORTEST_PAUSE, LONGEST_PAUSE = 0.2, 5.0
"""Seconds before a process is started again: doubled with each failure."""


class GaveUp(RuntimeError):
    """A process dies again and again."""


def _die_with_parent() -> None:
    # Linux: a child whose supervisor was killed gets SIGTERM; elsewhere the next start cleans up.
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(1, signal.SIGTERM)


@dataclass
class Child:
    """A process that is kept alive."""

    name: str
    command: list[str]
    stop_seconds: float
    shared: tuple[int, ...] = ()
    """Descriptors that it inherits."""

    process: subprocess.Popen[bytes] | None = None
    started_at: float = 0.0
    failures: int = 0
    """Early failures in a row."""

    def start(self) -> None:
        """Start it in a session of its own: Ctrl-C reaches the supervisor alone, which stops it in order."""
        self.started_at = time.monotonic()
        self.process = subprocess.Popen(
            self.command, start_new_session=True, preexec_fn=_die_with_parent, pass_fds=self.shared
        )

    def ended(self) -> int | None:
        """The exit code of a process that ended."""
        return None if self.process is None else self.process.poll()

    def stop(self) -> None:
        """Ask it to end."""
        if self.process is not None and self.process.poll() is None:
            self.process.terminate()

    def wait(self) -> None:
        """Wait for its end; kill its whole session when it takes too long."""
        if self.process is None:
            return
        try:
            self.process.wait(self.stop_seconds)
        except subprocess.TimeoutExpired:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()


class Supervisor:
    """Keeps children alive until told to stop; children stop in the reverse of their order."""

    def __init__(self, say: Callable[[str], None]) -> None:
        self.children: list[Child] = []
        self.over = threading.Event()
        self._say = say

    def add(self, child: Child) -> None:
        """Start a child and keep it alive."""
        child.start()
        self.children.append(child)

    def watch(self) -> None:
        """Restart what dies, until `over`.

        Raises:
            GaveUp: a child failed `RESTARTS` times in a row soon after its start.
        """
        while not self.over.wait(0.1):
            for child in self.children:
                code = child.ended()
                if code is not None and not self.over.is_set():
                    self._restart(child, code)

    def _restart(self, child: Child, code: int) -> None:
        lived = time.monotonic() - child.started_at
        before = child.failures if lived < WELL_SECONDS else 0
        child.failures = before + (lived < WELL_SECONDS and code not in FROM_OUTSIDE)
        how = f"was killed by {signal.Signals(-code).name}" if code < 0 else f"ended with code {code}"
        if child.failures >= RESTARTS:
            raise GaveUp(
                f"The {child.name} {how} soon after its start, for the {RESTARTS}th time in a row; "
                "see its log lines above."
            )
        self._say(f"The {child.name} {how}; restarting it.")
        if not self.over.wait(min(LONGEST_PAUSE, SHORTEST_PAUSE * 2**child.failures)):
            child.start()

    def stop(self) -> None:
        """Stop every child. The first one, the broker, goes last: the others need it to the end."""
        self.over.set()
        for child in self.children[1:]:
            child.stop()
        for child in self.children[1:]:
            child.wait()
        for child in self.children[:1]:
            child.stop()
            child.wait()
