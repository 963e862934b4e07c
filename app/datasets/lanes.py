"""With which uploads does one wait for its validation, and how many run at once?"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import Literal, get_args

Lane = Literal["small", "large", "early"]
"""With which uploads one waits: those under 8 MB, larger ones, or those that began while they came."""


class ValidationLanes:
    """The validations that run at once: so many in each lane, so that small files wait for small ones alone.

    They have threads of their own. Uploads that wait for their turn hold none, so that other requests are
    answered meanwhile.
    """

    def __init__(self, at_once: int) -> None:
        self.early = threading.BoundedSemaphore(at_once)
        self._pools: dict[Lane, ThreadPoolExecutor] = {
            lane: ThreadPoolExecutor(at_once, f"validation {lane}") for lane in get_args(Lane)
        }
        self._abandon: set[Callable[[], None]] = set()

    def submit(self, act: Callable[[], None], lane: Lane) -> Future[None] | None:
        """Run `act` in a thread of the lane, as soon as one is free. None: the service is stopping."""
        try:
            return self._pools[lane].submit(act)
        except RuntimeError:
            return None

    def waiting(self, lane: Lane) -> int:
        """How many wait for a thread."""
        return self._pools[lane]._work_queue.qsize()

    @property
    def active(self) -> int:
        """How many validations run."""
        return len(self._abandon)

    @contextmanager
    def running(self, abandon: Callable[[], None]) -> Iterator[None]:
        """While a validation runs, it is ended with the service, by `abandon`."""
        self._abandon.add(abandon)
        try:
            yield
        finally:
            self._abandon.discard(abandon)

    def close(self) -> None:
        """Begin none any more, and end those that run: the process does not wait for them."""
        for pool in self._pools.values():
            pool.shutdown(wait=False, cancel_futures=True)
        for abandon in list(self._abandon):
            abandon()
