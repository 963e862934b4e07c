"""A received file on its way to a data set: validated, kept, and followed while that takes its time."""

from __future__ import annotations

import asyncio
import json
import queue
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from typing import Any, Self

from fastapi import Request
from fastapi.exceptions import RequestValidationError
from fastapi.sse import format_sse_event
from pydantic import ValidationError

from app.datasets import service
from app.datasets.inspector import Inspector
from app.datasets.schema import DatasetError, Declaration, Inspection, Limits
from app.datasets.schemas import DatasetForm, DatasetView
from app.datasets.upload import Upload
from app.errors import ServiceError, field_problem, problem_of
from app.idempotency import find, once
from app.settings import Settings
from app.storage import Incoming
from app.texts import unstorable

_SECONDS_BETWEEN = 1.0


class Turns:
    """The validations that run at once: so many of whole files, and as many of files that still come.

    They have threads of their own. Uploads that wait for their turn hold none, so that other requests are
    answered meanwhile.
    """

    def __init__(self, at_once: int) -> None:
        self.early = threading.BoundedSemaphore(at_once)
        self._pools = [ThreadPoolExecutor(at_once, f"validation {what}") for what in ("whole", "early")]
        self._running: set[Validation] = set()

    def take(self, make: Callable[[], DatasetView], *, is_early: bool) -> Future[DatasetView]:
        """What is made in its turn; one that began early has its turn already."""
        return self._pools[is_early].submit(make)

    @contextmanager
    def running(self, validation: Validation) -> Iterator[None]:
        """While a validation runs, it is ended with the service."""
        self._running.add(validation)
        try:
            yield
        finally:
            self._running.discard(validation)

    def close(self) -> None:
        """Begin none any more, and end those that run: the process does not wait for them."""
        for pool in self._pools:
            pool.shutdown(wait=False, cancel_futures=True)
        for validation in list(self._running):
            validation.abandon()


class Validation:
    """The validation of one upload, which begins while a large file is still being received.

    A context manager: nothing of it is left at its end.
    """

    def __init__(self, request: Request, incoming: Incoming) -> None:
        self._request = request
        self._turns: Turns = request.app.state.validations
        self._incoming = incoming
        self._early: Inspector | None = None
        self._inspecting: Inspector | None = None
        self._held = ExitStack()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._give_up()

    def _give_up(self) -> None:
        self._early = None
        self._held.close()

    def abandon(self) -> None:
        """Leave no file and no process behind, though a thread may still be at work."""
        self._incoming.discard()
        if self._inspecting is not None:
            self._inspecting.kill()

    def begin(self, upload: Upload) -> None:
        """Read the file as it comes, by the fields that came before it.

        Nobody waits here: uploads that are slow would keep others from their turn.
        """
        try:
            declaration = _form(upload).declaration()
        except (
            RequestValidationError,
            ServiceError,
        ):  # the missing or wrong field may be mended by those to come
            return
        if self._turns.early.acquire(blocking=False):
            self._held.callback(self._turns.early.release)
            self._early = self._held.enter_context(self._inspector(declaration))

    def known(self, upload: Upload) -> DatasetView | None:
        """What was answered to the request before; all that can be refused without the file's contents is.

        Raises:
            ServiceError, RequestValidationError: a field or the key is refused.
        """
        form = _form(upload)
        service.name_of(form, upload.filename)
        if self._early is not None and self._early.declaration != form.declaration():
            self._give_up()  # what came after the file says that it is to be read otherwise
        with self._request.app.state.readers() as session:
            return find(session, self._key, self._asked(form), DatasetView)

    def create(
        self, upload: Upload, held: ExitStack, on_rows: Callable[[int], None] | None = None
    ) -> Future[DatasetView]:
        """Validate and keep the file in its turn; `on_rows` is told how many rows were read so far.

        `held` is what the file needs until then. It is closed at the end, whether anybody still waits or not.
        The future's result raises ServiceError where the file is refused.
        """

        def make() -> DatasetView:
            with held, self._turns.running(self):
                return self._create(upload, on_rows)

        made = self._turns.take(make, is_early=self._early is not None)
        made.add_done_callback(lambda _: held.close())  # of one whose turn never came
        return made

    @property
    def _key(self) -> str | None:
        return self._request.headers.get("idempotency-key")

    def _asked(self, form: DatasetForm) -> list[Any]:
        return ["POST", self._request.url.path, form.model_dump(mode="json"), self._incoming.digest]

    def _create(self, upload: Upload, on_rows: Callable[[int], None] | None) -> DatasetView:
        form, state = _form(upload), self._request.app.state
        name = service.name_of(form, upload.filename)
        inspection = self._inspect(form.declaration(), on_rows)
        digest, size = state.storage.keep(self._incoming), self._incoming.size
        with state.sessions.begin() as session:

            def make() -> DatasetView:
                return service.view(service.create(session, name, upload, form, inspection, digest, size))

            return once(session, self._key, self._asked(form), DatasetView, make)[0]

    def _inspect(self, declaration: Declaration, on_rows: Callable[[int], None] | None) -> Inspection:
        self._incoming.flush()
        try:
            if self._early is not None:
                self._inspecting = self._early
                return self._early.finish(on_rows)
            with self._inspector(declaration) as self._inspecting:
                return self._inspecting.finish(on_rows)
        except DatasetError as error:
            raise service.refusal(error) from error

    def _inspector(self, declaration: Declaration) -> Inspector:
        settings: Settings = self._request.app.state.settings
        return Inspector(
            self._incoming.path,
            declaration,
            _limits(settings),
            memory_bytes=settings.inspection_memory_bytes,
            seconds=settings.inspection_seconds,
        )


async def followed(
    request: Request, made: Future[DatasetView], told: queue.SimpleQueue[int]
) -> AsyncIterator[bytes]:
    """Server-sent events: `validating` with the rows and seconds so far, then `dataset` or `problem`.

    `told` brings the rows. Who stops listening ends nothing but the events.
    """
    began, rows = time.monotonic(), 0
    waiting = asyncio.wrap_future(made)
    waiting.add_done_callback(lambda done: done.cancelled() or done.exception())  # heard, whoever is gone
    while not waiting.done():
        await asyncio.wait([waiting], timeout=_SECONDS_BETWEEN)
        while not told.empty():
            rows = told.get_nowait()
        if not waiting.done():
            seconds = round(time.monotonic() - began, 1)
            yield _event("validating", json.dumps({"rows": rows, "seconds": seconds}))
    yield _outcome(request, made)


def _outcome(request: Request, made: Future[DatasetView]) -> bytes:
    error = made.exception()  # the answer has begun: whatever happened, its last event tells
    if error is not None:
        return _event("problem", problem_of(request, error).model_dump_json())
    return _event("dataset", made.result().model_dump_json())


def _event(kind: str, data: str) -> bytes:
    return format_sse_event(data_str=data, event=kind)


def _form(upload: Upload) -> DatasetForm:
    given = {name: value for name, value in upload.fields.items() if value != ""}
    for name, value in given.items():
        if problem := unstorable(name) or unstorable(value):
            raise field_problem(name, "Unicode text", problem)
    try:
        return DatasetForm.model_validate({**given, "filename": upload.filename or None})
    except ValidationError as error:
        raise RequestValidationError(error.errors()) from error


def _limits(settings: Settings) -> Limits:
    return Limits(
        entries=settings.max_archive_files,
        unpacked_bytes=settings.max_unpacked_bytes,
        example_bytes=settings.max_example_bytes,
        pixels=settings.max_image_pixels,
    )
