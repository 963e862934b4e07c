"""In which queue does an upload wait for its validation, and how many run at once?"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import Literal, get_args

QueueName = Literal["small", "large", "early"]
"""Of uploads under 8 MB, of larger ones, and of those whose validation began while they came."""


class ValidationQueues:
    """The validations that run at once: so many in each queue, so that small files wait for small ones alone.

    They have threads of their own. Uploads that wait for their turn hold none, so that other requests are
    answered meanwhile.
    """

    def __init__(self, at_once: int) -> None:
        self.early = threading.BoundedSemaphore(at_once)
        self._pools: dict[QueueName, ThreadPoolExecutor] = {
            queue: ThreadPoolExecutor(at_once, f"validation {queue}") for queue in get_args(QueueName)
        }
        self._abandon: set[Callable[[], None]] = set()

    def submit(self, act: Callable[[], None], queue: QueueName) -> Future[None] | None:
        """Run `act` in a thread of the queue, as soon as one is free. None: the service is stopping."""
        try:
            return self._pools[queue].submit(act)
        except RuntimeError:
            return None

    def waiting(self, queue: QueueName) -> int:
        """How many wait for a thread."""
        return self._pools[queue]._work_queue.qsize()

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
