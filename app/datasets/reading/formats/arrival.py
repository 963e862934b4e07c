"""The one file that a process inspects, read while it is still being received.

Whether it is whole is a fact of the process: it is, unless `expect` was called.
"""

from __future__ import annotations

import io
import os
import threading
import time
from pathlib import Path
from typing import IO

_SECONDS_BETWEEN = 0.005

_whole = threading.Event()
_whole.set()


def expect(told: IO[bytes]) -> None:
    """Take the file for unfinished until `told` has a line; if it ends without, nobody wants the answer."""
    _whole.clear()

    def listen() -> None:
        if not told.readline():
            os._exit(1)
        _whole.set()

    threading.Thread(target=listen, daemon=True).start()


def is_whole() -> bool:
    """Whether the last byte is there."""
    return _whole.is_set()


def wait() -> None:
    """Return when the file is whole."""
    _whole.wait()


class Arriving(io.RawIOBase):
    """The file's bytes from the start; where there are no more, it waits for some, or for the whole."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("rb", buffering=0)

    def readable(self) -> bool:
        """It is."""
        return True

    def readinto(self, buffer: bytearray | memoryview, /) -> int:  # type: ignore[override]
        """Some of the next bytes; none at the end."""
        while True:
            ended = is_whole()  # asked first: what came before it was said is read below
            count = self._file.readinto(buffer)
            if count or ended:
                return count or 0
            time.sleep(_SECONDS_BETWEEN)

    def close(self) -> None:
        """Close the file."""
        self._file.close()
        super().close()
