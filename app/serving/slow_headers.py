"""How long may a client take to say what it wants? uvicorn would wait for ever."""

from __future__ import annotations

import asyncio
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

_ANSWER = b"HTTP/1.1 408 Request Timeout\r\nconnection: close\r\ncontent-length: 0\r\n\r\n"


def impatient(seconds: float) -> type[HttpToolsProtocol]:
    """uvicorn's protocol, which closes a connection whose headers are not whole within so many seconds.

    They are counted from the connection's beginning, and for a further request from its first byte: between
    two requests uvicorn itself waits for five seconds.
    """

    class Impatient(HttpToolsProtocol):
        _deadline: asyncio.TimerHandle | None = None

        def connection_made(self, transport: Any) -> None:
            super().connection_made(transport)
            self._expect()

        def on_message_begin(self) -> None:
            super().on_message_begin()
            if self._deadline is None:
                self._expect()

        def on_headers_complete(self) -> None:
            self._relax()
            super().on_headers_complete()

        def connection_lost(self, exc: Exception | None) -> None:
            self._relax()
            super().connection_lost(exc)

        def _expect(self) -> None:
            self._deadline = self.loop.call_later(seconds, self._cut_off)

        def _relax(self) -> None:
            if self._deadline is not None:
                self._deadline.cancel()
                self._deadline = None

        def _cut_off(self) -> None:
            if not self.transport.is_closing():
                self.transport.write(_ANSWER)
                self.transport.close()

    return Impatient
