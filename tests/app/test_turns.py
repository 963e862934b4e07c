from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable

import pytest

from app.turns import TooManyWait, Turns


class Calls:
    """Calls that end when they are let go; those that have begun are known in their order."""

    def __init__(self) -> None:
        self.begun: list[str] = []
        self._go = threading.Semaphore(0)

    def call(self, name: str) -> str:
        self.begun.append(name)
        assert self._go.acquire(timeout=60)
        return name

    def end(self, count: int = 1) -> None:
        self._go.release(count)

    async def until(self, is_so: Callable[[], bool]) -> None:
        async with asyncio.timeout(60):
            while not is_so():
                await asyncio.sleep(0)


async def _asked(turns: Turns, calls: Calls, workspace: str, count: int) -> list[asyncio.Task[str]]:
    made = [
        asyncio.create_task(turns.run(workspace, calls.call, f"{workspace}{number}"))
        for number in range(count)
    ]
    for _ in range(3):  # so that each waits for its place
        await asyncio.sleep(0)
    return made


def test_a_single_call_of_another_workspace_is_the_next_after_one_of_a_flood() -> None:
    async def flood() -> list[str]:
        turns, calls = Turns(1), Calls()
        many = await _asked(turns, calls, "a", 5)
        few = [*await _asked(turns, calls, "b", 2), *await _asked(turns, calls, "c", 1)]
        calls.end(8)
        assert await asyncio.gather(*few) == ["b0", "b1", "c0"]
        await asyncio.gather(*many)
        return calls.begun

    assert asyncio.run(flood()) == ["a0", "b0", "c0", "a1", "b1", "a2", "a3", "a4"]


def test_a_place_is_left_for_others_whatever_one_asks_for() -> None:
    async def flood() -> None:
        turns, calls = Turns(3, of_one=2), Calls()
        many = await _asked(turns, calls, "a", 5)
        await calls.until(lambda: len(calls.begun) == 2)
        one = await _asked(turns, calls, "b", 1)
        await calls.until(lambda: calls.begun[2:] == ["b0"])
        calls.end(6)
        await asyncio.gather(*many, *one)

    asyncio.run(flood())


def test_more_of_a_workspace_than_may_wait_are_refused_and_others_are_not() -> None:
    async def flood() -> None:
        turns, calls = Turns(1, waiting_of_one=2), Calls()
        many = await _asked(turns, calls, "a", 3)
        with pytest.raises(TooManyWait, match="2 requests of the workspace wait"):
            await turns.run("a", calls.call, "a3")
        others = await _asked(turns, calls, "b", 1)
        calls.end(4)
        assert await asyncio.gather(*many, *others) == ["a0", "a1", "a2", "b0"]

    asyncio.run(flood())


def test_who_leaves_while_it_waits_takes_no_place_with_it() -> None:
    async def leave() -> None:
        turns, calls = Turns(1), Calls()
        first, gone, also_gone, last = await _asked(turns, calls, "a", 4)
        await calls.until(lambda: calls.begun == ["a0"])
        gone.cancel()
        await asyncio.sleep(0)
        calls.end()
        await first
        also_gone.cancel()  # whatever it was given meanwhile
        calls.end(2)
        assert await last == "a3"
        (again,) = await _asked(turns, calls, "b", 1)
        calls.end()
        assert await again == "b0"

    asyncio.run(leave())


def test_a_call_that_fails_gives_its_place_back() -> None:
    async def fail() -> None:
        turns, calls = Turns(1), Calls()
        with pytest.raises(ZeroDivisionError):
            await turns.run("a", divmod, 1, 0)
        calls.end()
        assert await turns.run("a", calls.call, "a") == "a"

    asyncio.run(fail())
