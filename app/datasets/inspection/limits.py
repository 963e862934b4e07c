"""What a process that opens untrusted files may use."""

from __future__ import annotations

import math
import sys

if sys.platform != "win32":
    import resource  # here, so that a fork of the server that has imported this opens no file for it

_THREADS = 3  # that compute at once: two parse, one looks at what they made


def limit_process(memory_bytes: int, seconds: float) -> None:
    """Bound this process's data in memory, its processor time, and forbid it to write files.

    Where the platform knows no such limits (Windows; macOS for memory), only the caller's timeout holds.
    """
    if sys.platform == "win32":
        return
    _lower(resource.RLIMIT_CORE, 0)
    _lower(resource.RLIMIT_FSIZE, 0)
    _lower(resource.RLIMIT_CPU, math.ceil(_THREADS * seconds) + 1)
    if sys.platform == "linux":  # elsewhere it counts other things, or nothing
        _lower(resource.RLIMIT_DATA, memory_bytes)


def _lower(kind: int, value: int) -> None:
    _, hard = resource.getrlimit(kind)
    allowed = value if hard == resource.RLIM_INFINITY else min(value, hard)
    resource.setrlimit(kind, (allowed, allowed))
