"""Who is next where many ask for a few places: workspaces in turn, each with a bound of its own.

One workspace that asks a thousand times at once makes itself wait; another's single request is the next one.
"""

from __future__ import annotations

import asyncio
from collections import Counter, OrderedDict, deque
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any, TypeVar

from anyio import CapacityLimiter, to_thread

Told = TypeVar("Told")


class TooManyWait(Exception):
    """As many of a workspace wait as may; says how many."""


class Turns:
    """Places that calls take for as long as they run, each in a thread of its own.

    most: calls that run at once; of_one: of them, those of one workspace, fewer where a place is always to be
    left for the others; waiting_of_one: calls of one workspace that may wait. For one event loop.
    """

    def __init__(self, most: int, of_one: int | None = None, waiting_of_one: int | None = None) -> None:
        self._most, self._of_one = most, most if of_one is None else of_one
        self._waiting_of_one = waiting_of_one
        self._running: Counter[str] = Counter()
        self._waiting: OrderedDict[str, deque[asyncio.Future[None]]] = OrderedDict()
        """Those of each workspace, in the order of the workspaces' turns."""
        self._threads = CapacityLimiter(most)

    async def run(self, workspace: str, call: Callable[..., Told], *args: Any) -> Told:
        """What the call returns, once it is its turn.

        Raises:
            TooManyWait: so many calls of the workspace wait already.
        """
        async with self._place(workspace):
            return await to_thread.run_sync(call, *args, limiter=self._threads)

    @asynccontextmanager
    async def _place(self, workspace: str) -> AsyncIterator[None]:
        await self._take(workspace)
        try:
            yield
        finally:
            self._free(workspace)

    async def _take(self, workspace: str) -> None:
        if self._running.total() < self._most and self._running[workspace] < self._of_one:
            # Whoever waits beside a free place is of a workspace that has all it may have.
            self._running[workspace] += 1
            return
        count = len(self._waiting.get(workspace, ()))
        if self._waiting_of_one is not None and count >= self._waiting_of_one:
            raise TooManyWait(f"{count:,} requests of the workspace wait")
        turn = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(workspace, deque()).append(turn)
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():
                self._free(workspace)  # it was given a place that it has no use for
            else:
                self._forget(workspace, turn)
            raise

    def _free(self, workspace: str) -> None:
        """Give the place to the first of the workspace whose turn it is, which then goes to the end."""
        self._running[workspace] -= 1
        if workspace in self._waiting:  # it was served just now: who came meanwhile goes first
            self._waiting.move_to_end(workspace)
        for name in list(self._waiting):
            if self._running[name] >= self._of_one:
                continue
            waiting = self._waiting.pop(name)
            turn = waiting.popleft()
            if waiting:
                self._waiting[name] = waiting
            self._running[name] += 1
            turn.set_result(None)
            break
        self._running = +self._running  # without those of nobody

    def _forget(self, workspace: str, turn: asyncio.Future[None]) -> None:
        waiting = self._waiting.get(workspace, deque())
        if turn in waiting:
            waiting.remove(turn)
        if not waiting:
            self._waiting.pop(workspace, None)
