"""How is the process of an inspection started: forked from one that is ready, or as a new Python?

On Linux a process that has imported everything is kept, and forked for each upload. Elsewhere libraries may
not work in a fork.
"""

from __future__ import annotations

import atexit
import os
import select
import socket
import subprocess
import sys
import threading
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import IO, Literal, Protocol

_ROOT = Path(__file__).resolve().parents[2]

_ANSWER_SECONDS = 5.0
"""A server that has not killed and reaped a process after so long is stuck: it takes milliseconds."""


class ServerEnded(Exception):
    """The process that forks and reaps others is gone, and all of them with it."""


class Process(Protocol):
    """A process with pipes to its standard streams."""

    @property
    def stdin(self) -> IO[bytes]:
        """Its standard input."""

    @property
    def stdout(self) -> IO[bytes]:
        """Its standard output."""

    @property
    def stderr(self) -> IO[bytes]:
        """Its standard error."""

    def kill(self) -> None:
        """End it at once; nothing happens where it has ended."""

    def wait(self) -> int:
        """Its exit status, as soon as it has ended; negative where a signal ended it.

        Raises:
            ServerEnded: nobody knows.
        """

    def close(self) -> None:
        """End it, and leave nothing of it."""


def start() -> Process:
    """Start `inspection.child`, which waits for its request."""
    return _server.fork() if sys.platform == "linux" else spawn()


def spawn() -> Process:
    """The same in a new Python."""
    pipe = subprocess.PIPE
    return _Spawned(_command("child"), stdin=pipe, stdout=pipe, stderr=pipe, env=_environment())


def _command(program: str) -> list[str]:
    return [sys.executable, "-m", f"app.datasets.inspection.{program}"]


def _environment() -> dict[str, str]:
    paths = [str(_ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]
    return {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(paths),
        "PYTHONUTF8": "1",
        # Arrow's allocator reserves 1 GB at once otherwise, which counts against the limit.
        "ARROW_DEFAULT_MEMORY_POOL": "mimalloc",
        "MIMALLOC_ARENA_EAGER_COMMIT": "0",
        # A process that is forked may have no threads, and these libraries start some when they are imported.
        "JE_ARROW_MALLOC_CONF": "background_thread:false",
        # NumPy multiplies no matrices here; a thread for each core would reserve memory of its own, too.
        "OPENBLAS_NUM_THREADS": "1",
    }


class _Spawned(subprocess.Popen[bytes]):
    stdin: IO[bytes]
    stdout: IO[bytes]
    stderr: IO[bytes]

    def close(self) -> None:
        self.kill()
        self.communicate()


class _Forked:
    """A process that the server forked, and the connection on which it tells how that ended."""

    def __init__(self, stdin: IO[bytes], stdout: IO[bytes], stderr: IO[bytes], server: socket.socket) -> None:
        self.stdin, self.stdout, self.stderr = stdin, stdout, stderr
        self._server = server
        self._status: int | None = None
        self._is_killed = False

    def kill(self) -> None:
        if self._status is not None:
            return
        with suppress(OSError):  # it has ended
            self._server.shutdown(socket.SHUT_WR)
            if not self._is_killed:
                self._is_killed = True
                late = threading.Timer(_ANSWER_SECONDS, self._end_stuck_server)
                late.daemon = True
                late.start()

    def _end_stuck_server(self) -> None:
        """Somebody may have stopped it, and whoever waits for this process would wait for ever."""
        with suppress(OSError, ValueError):  # closed: it has answered
            if self._status is None and not select.select([self._server], [], [], 0)[0]:
                _server.kill()

    def wait(self) -> int:
        if self._status is None:
            try:
                told = self._server.recv(16)
            except ConnectionResetError:
                told = b""
            if not told:
                raise ServerEnded
            self._status = int(told)
        return self._status

    def close(self) -> None:
        self.kill()
        for stream in (self.stdin, self.stdout, self.stderr):
            with suppress(BrokenPipeError):  # of what it did not read any more
                stream.close()
        with self._server, suppress(ServerEnded):
            self.wait()


class _ForkServer:
    """The server of this process, started at the first upload, and again where it was ended."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._program: subprocess.Popen[bytes] | None = None
        self._requests: socket.socket | None = None

    def fork(self) -> Process:
        """A process, which may not be there yet: the server has to start before."""
        with ExitStack() as here, ExitStack() as there:
            connection, other = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
            here.enter_context(connection)
            there.enter_context(other)
            ends = [_pipe(here, there, kept) for kept in ("write", "read", "read")]
            self._send([*(end for _, end in ends), other.fileno()])
            here.pop_all()
        stdin, stdout, stderr = (stream for stream, _ in ends)
        return _Forked(stdin, stdout, stderr, connection)

    def _send(self, descriptors: list[int]) -> None:
        with self._lock:
            if self._program is None or self._program.poll() is not None:
                self._start()
            assert self._requests is not None
            try:
                socket.send_fds(self._requests, [b"fork"], descriptors)
            except (BrokenPipeError, ConnectionResetError):  # it has just ended
                self._start()
                socket.send_fds(self._requests, [b"fork"], descriptors)

    def _start(self) -> None:
        self.close()
        self._requests, other = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with other:
            self._program = subprocess.Popen(
                _command("fork_server"), stdin=other.fileno(), stdout=subprocess.DEVNULL, env=_environment()
            )

    def kill(self) -> None:
        """End the server and all that it forked at once; the next process has another."""
        with self._lock:
            if self._program is not None:
                self._program.kill()

    def close(self) -> None:
        """End the server."""
        if self._requests is not None:
            self._requests.close()
        if self._program is not None:
            self._program.wait()


def _pipe(here: ExitStack, there: ExitStack, kept: Literal["read", "write"]) -> tuple[IO[bytes], int]:
    """The end of a new pipe that is kept here, and the other."""
    read, write = os.pipe()
    mine, other = (read, write) if kept == "read" else (write, read)
    there.callback(os.close, other)
    return here.enter_context(open(mine, "rb" if kept == "read" else "wb")), other


_server = _ForkServer()
atexit.register(_server.close)
