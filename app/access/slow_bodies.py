"""How slowly may a body come in? A client that sends a byte now and then must not hold what others need."""

from __future__ import annotations

import asyncio
import contextlib
import time

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.errors import ServiceError


class SlowBodies:
    """ASGI middleware that ends requests whose body comes in too slowly, with 408.

    Only the time counts in which the service waits for the client: each `seconds` of it must bring `rate`
    bytes a second, or at least one byte.
    """

    def __init__(self, app: ASGIApp, seconds: float, rate: int) -> None:
        self._app, self._seconds, self._rate = app, seconds, rate

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, its body watched."""
        if scope["type"] == "http":
            receive = _Watched(receive, self._seconds, self._rate).receive
        await self._app(scope, receive, send)


class _Watched:
    """The end of a connection that the body comes in at."""

    def __init__(self, receive: Receive, seconds: float, rate: int) -> None:
        self._receive, self._seconds, self._rate = receive, seconds, rate
        self._left, self._bytes = seconds, 0
        self._is_whole = False

    async def receive(self) -> Message:
        """What comes next.

        Raises:
            ServiceError: 408, too little came for too long.
        """
        if self._is_whole:  # then nothing comes but that the client leaves
            return await self._receive()
        message = None
        while message is None:
            message = await self._within_the_window()
        self._is_whole = not message.get("more_body", False)
        return message

    async def _within_the_window(self) -> Message | None:
        """What comes before the window of time is over; at its end, was it enough?"""
        begin, message = time.monotonic(), None
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._left):
                message = await self._receive()
        self._left -= time.monotonic() - begin
        self._bytes += len(message.get("body", b"")) if message else 0
        if message is None or self._left <= 0:
            if self._bytes < max(1, self._rate * self._seconds):
                raise self._too_slow()
            self._left, self._bytes = self._seconds, 0
        return message

    def _too_slow(self) -> ServiceError:
        message = (
            f"Expected at least {self._rate} bytes of the body a second. "
            f"Received: {self._bytes} bytes in {self._seconds:g} seconds."
        )
        hint = "Send it again over a faster connection; the operator can set MODEL_TRANSFER_MIN_BODY_RATE."
        # What is still on its way is not read.
        return ServiceError(408, "too_slow", message, hint=hint, headers={"Connection": "close"})
