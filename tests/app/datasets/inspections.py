"""The processes that read uploads, as a test sees them."""

from __future__ import annotations

from contextlib import suppress

import psutil

from tests.conftest import wait_for


def inspecting() -> list[psutil.Process]:
    """Those that run now."""
    found = []
    for child in psutil.Process().children():
        with suppress(psutil.NoSuchProcess):  # it ended while it was looked at
            if "app.datasets.inspection.child" in child.cmdline():
                found.append(child)
    return found


def suspend_one() -> None:
    """Wait for one, and let it take its time: until it is killed, it goes no further."""
    wait_for(_suspended)


def _suspended() -> bool:
    found = inspecting()
    for child in found:
        child.suspend()
    return bool(found)
