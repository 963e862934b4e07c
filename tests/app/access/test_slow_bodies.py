from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest
from starlette.types import Message, Receive, Scope, Send

from app.access.slow_bodies import SlowBodies
from app.errors import ServiceError

NEVER = 3600.0


async def received(messages: Sequence[Message], *, seconds: float, rate: int) -> list[Message]:
    """What an application gets of these messages, after which nothing comes any more."""
    coming, got = iter(messages), []

    async def receive() -> Message:
        for message in coming:
            return message
        await asyncio.sleep(NEVER)
        raise AssertionError

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        while not got or got[-1]["more_body"]:
            got.append(await receive())

    async def send(message: Message) -> None:
        raise AssertionError(message)

    await SlowBodies(app, seconds, rate)({"type": "http"}, receive, send)
    return got


def chunk(body: bytes, *, more: bool = True) -> Message:
    return {"type": "http.request", "body": body, "more_body": more}


def test_a_body_that_comes_at_once_is_passed_on_as_it_is() -> None:
    messages = [chunk(b"a"), chunk(b"b"), chunk(b"", more=False)]
    assert asyncio.run(received(messages, seconds=NEVER, rate=10**9)) == messages


@pytest.mark.parametrize("rate", [1024, 0])
def test_a_body_that_stops_coming_ends_with_408(rate: int) -> None:
    with pytest.raises(ServiceError, match=r"Received: 0 bytes in 0\.01 seconds") as refused:
        asyncio.run(received([chunk(b"")], seconds=0.01, rate=rate))
    assert (refused.value.status, refused.value.headers) == (408, {"Connection": "close"})


def test_what_came_before_a_pause_counts_once() -> None:
    # The first window has enough bytes, the second has none.
    with pytest.raises(ServiceError, match="Received: 0 bytes"):
        asyncio.run(received([chunk(b"x" * 1000)], seconds=0.01, rate=100))


def test_what_comes_too_slowly_ends_though_it_comes() -> None:
    with pytest.raises(ServiceError, match="Received: 1 bytes"):
        asyncio.run(received([chunk(b"x")], seconds=0.01, rate=1000))
