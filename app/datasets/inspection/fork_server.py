"""The program that forks a process for each upload: `python -m app.datasets.inspection.fork_server`.

It has imported what an inspection needs, so that no upload waits for that. It opens no file of a user's, and
has one thread, so that its forks are whole. Linux only.

Standard input is a socket of packets. Each packet brings four descriptors: the new process's standard input,
output and error, and a connection, on which its exit status is answered. The process is killed where the
other end of that connection is shut. It ends with this program, and this program with its standard input.
"""

from __future__ import annotations

import ctypes
import gc
import os
import selectors
import signal
import socket
import sys
import traceback
from contextlib import suppress
from typing import NoReturn

from app.datasets.inspection import child

_DESCRIPTORS = 4
_SET_DEATH_SIGNAL = 1  # PR_SET_PDEATHSIG of prctl(2)


def main() -> NoReturn:
    """Serve until standard input ends."""
    for number in (signal.SIGINT, signal.SIGTERM):  # who stops the API ends this by its standard input
        signal.signal(number, signal.SIG_IGN)
    child.load()
    gc.collect()
    gc.freeze()  # a collection in a fork would write to, and so copy, the pages of all that is imported
    _Server(socket.socket(fileno=sys.stdin.fileno())).serve()
    os._exit(0)


class _Server:
    def __init__(self, requests: socket.socket) -> None:
        self._requests = requests
        self._running: dict[int, socket.socket] = {}
        self._selector = selectors.DefaultSelector()
        self._ended, ending = socket.socketpair()
        ending.setblocking(False)
        self._ending = ending
        signal.signal(signal.SIGCHLD, lambda *_: None)  # it is to wake the selector up
        signal.set_wakeup_fd(ending.fileno(), warn_on_full_buffer=False)
        for source in (requests, self._ended):
            self._selector.register(source, selectors.EVENT_READ)

    def serve(self) -> None:
        """Fork, kill and reap as asked, until nobody is left to ask."""
        while True:
            for key, _ in self._selector.select():
                if key.fileobj is self._requests:
                    if not self._receive():
                        return
                elif key.fileobj is self._ended:
                    self._reap()
                else:
                    self._kill(key.data)

    def _receive(self) -> bool:
        """Fork for the next packet; False where there will be none any more."""
        packet, descriptors, _, _ = socket.recv_fds(self._requests, 16, _DESCRIPTORS)
        if not packet:
            return False
        try:
            if len(descriptors) == _DESCRIPTORS:  # fewer where this process may open no more
                self._fork(descriptors[:3], descriptors[3])
        except OSError:  # the connection, which is closed without a status, tells that it failed
            traceback.print_exc()
        finally:
            for descriptor in descriptors:
                os.close(descriptor)
        return True

    def _fork(self, streams: list[int], connection: int) -> None:
        server = os.getpid()
        pid = os.fork()
        if not pid:
            _become_child(streams, server)
        self._running[pid] = socket.socket(fileno=os.dup(connection))
        self._selector.register(self._running[pid], selectors.EVENT_READ, pid)

    def _kill(self, pid: int) -> None:
        if pid in self._running:  # what was reaped just now may be another's number by now
            os.kill(pid, signal.SIGKILL)
            with suppress(KeyError):
                self._selector.unregister(self._running[pid])

    def _reap(self) -> None:
        self._ended.recv(4096)
        while self._running:
            pid, status = os.waitpid(-1, os.WNOHANG)
            if not pid:
                return
            connection = self._running.pop(pid)
            with suppress(KeyError):  # of one that was killed
                self._selector.unregister(connection)
            with connection, suppress(BrokenPipeError):  # nobody wants to know
                connection.send(str(os.waitstatus_to_exitcode(status)).encode())


def _become_child(streams: list[int], server: int) -> NoReturn:
    """Be the process that a new Python with these streams would be."""
    status = 1
    try:
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        ctypes.CDLL(None).prctl(_SET_DEATH_SIGNAL, signal.SIGKILL)
        if os.getppid() == server:  # it has not ended before it was asked to take this one along
            for number, stream in enumerate(streams):
                os.dup2(stream, number)
            _close_others(len(streams))
            child.main()
            status = 0
    except BaseException:  # noqa: BLE001  # who started it reads what it was
        traceback.print_exc()
    finally:
        os._exit(status)


def _close_others(first: int) -> None:
    for name in os.listdir("/proc/self/fd"):
        if int(name) >= first:
            with suppress(OSError):  # that of the listing itself
                os.close(int(name))


if __name__ == "__main__":
    main()
