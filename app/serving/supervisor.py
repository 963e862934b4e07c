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
from dataclasses import dataclass, field

RESTARTS = 5
"""Deaths of a process within `WINDOW_SECONDS` after which the service gives up."""

WINDOW_SECONDS = 60.0


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
    deaths: list[float] = field(default_factory=list)

    def start(self) -> None:
        """Start it in a session of its own: Ctrl-C reaches the supervisor alone, which stops it in order."""
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
            GaveUp: a child died `RESTARTS` times within a minute.
        """
        while not self.over.wait(0.1):
            for child in self.children:
                code = child.ended()
                if code is not None and not self.over.is_set():
                    self._restart(child, code)

    def _restart(self, child: Child, code: int) -> None:
        now = time.monotonic()
        child.deaths = [moment for moment in child.deaths if now - moment < WINDOW_SECONDS] + [now]
        how = f"was killed by {signal.Signals(-code).name}" if code < 0 else f"ended with code {code}"
        if len(child.deaths) >= RESTARTS:
            raise GaveUp(
                f"The {child.name} {how} for the {RESTARTS}th time within a minute; see its lines above."
            )
        self._say(f"The {child.name} {how}; it is started again.")
        if not self.over.wait(min(5.0, 0.1 * 2 ** len(child.deaths))):
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
