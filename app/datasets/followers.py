"""How does a client hear of its validation, and what happens when it leaves?"""

from __future__ import annotations

import asyncio
import json
import logging
import queue
import time
from collections.abc import AsyncIterator
from concurrent.futures import Future
from typing import Any, Protocol

from fastapi import Request
from fastapi.sse import format_sse_event

from app.datasets.schemas import DatasetView
from app.errors import ServiceError, problem_of

log = logging.getLogger(__name__)

_SECONDS_BETWEEN = 1.0


class Left(Protocol):
    """A validation that can be told that its client is gone."""

    def leave(self) -> None:
        """End it."""


async def wait_for_dataset(request: Request, validation: Left, made: Future[DatasetView]) -> DatasetView:
    """What `made` brings, as long as the client is there; the validation of one that left is stopped.

    Raises:
        ServiceError: the file is refused, or the client left and hears nothing.
    """
    waiting = asyncio.wrap_future(made)
    leaving = asyncio.create_task(_left(request))
    try:
        both: list[asyncio.Future[Any]] = [waiting, leaving]
        await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
        if not waiting.done():
            validation.leave()
        return await waiting
    except asyncio.CancelledError:  # a server may say so in this way
        validation.leave()
        waiting.add_done_callback(_ignore_result)
        raise
    finally:
        leaving.cancel()


async def _left(request: Request) -> None:
    """Return when the client is gone. Its request was read whole: there is nothing else to come."""
    while (await request.receive())["type"] != "http.disconnect":
        pass


def _ignore_result(done: asyncio.Future[Any]) -> None:
    """An error that nobody is left to hear of is no warning."""
    if not done.cancelled():
        done.exception()


def client_left() -> ServiceError:
    """The client left before its upload was whole."""
    log.info("the client of an upload left before its end; nothing is kept")
    return cut_off()


def cut_off() -> ServiceError:
    """What is answered to nobody: the client left before its data set was made."""
    message = "Expected a client that waits for the answer. Received: a closed connection."
    return ServiceError(400, "cut_off", message, hint="Send the upload again; nothing of it was stored.")


def service_ends() -> ServiceError:
    """What is answered where the service ends before the file is validated."""
    message = "Expected the service to run until the file is validated. Received: a shutdown."
    return ServiceError(503, "unavailable", message, hint="Send the file again; nothing of it was stored.")


def inspection_ended() -> ServiceError:
    """The system, or somebody on it, ended the process that validates, and the one after it."""
    log.error("the process that forks those of inspections was ended again; the upload is given up")
    message = (
        "Expected a process that validates the file. Received: one that was ended from outside, repeatedly."
    )
    return ServiceError(503, "unavailable", message, hint="Send the file again; nothing of it was stored.")


async def stream_progress(
    request: Request, validation: Left, made: Future[DatasetView], progress: queue.SimpleQueue[int]
) -> AsyncIterator[bytes]:
    """Server-sent events: `validating` with the rows and seconds so far, then `dataset` or `problem`.

    `progress` brings the rows. Where nobody listens any more, the validation is stopped.
    """
    began, rows = time.monotonic(), 0
    waiting = asyncio.wrap_future(made)
    waiting.add_done_callback(_ignore_result)
    try:
        while not waiting.done():
            await asyncio.wait([waiting], timeout=_SECONDS_BETWEEN)
            while not progress.empty():
                rows = progress.get_nowait()
            if not waiting.done():
                seconds = round(time.monotonic() - began, 1)
                yield _event("validating", json.dumps({"rows": rows, "seconds": seconds}))
    finally:
        if not waiting.done():
            validation.leave()
    yield _outcome(request, made)


def _outcome(request: Request, made: Future[DatasetView]) -> bytes:
    error = made.exception()  # the answer has begun: whatever happened, its last event tells
    if error is not None:
        return _event("problem", problem_of(request, error).model_dump_json())
    return _event("dataset", made.result().model_dump_json())


def _event(kind: str, data: str) -> bytes:
    return format_sse_event(data_str=data, event=kind)
