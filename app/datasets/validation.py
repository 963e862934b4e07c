"""A received file on its way to a data set: validated, kept, and followed while that takes its time."""

from __future__ import annotations

import json
import queue
import time
from collections.abc import AsyncIterator, Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from typing import Self

from fastapi import Request
from fastapi.exceptions import RequestValidationError
from fastapi.sse import format_sse_event
from pydantic import ValidationError
from starlette.concurrency import run_in_threadpool

from app.datasets import service
from app.datasets.inspector import Inspector
from app.datasets.schema import DatasetError, Declaration, Inspection, Limits
from app.datasets.schemas import DatasetForm, DatasetView
from app.datasets.upload import Upload
from app.errors import ServiceError, problem_of
from app.idempotency import find, once
from app.settings import Settings
from app.storage import Incoming

_SECONDS_BETWEEN = 1.0


class Validation:
    """The validation of one upload, which begins while a large file is still being received.

    A context manager: nothing of it is left at its end.
    """

    def __init__(self, request: Request, incoming: Incoming) -> None:
        self._request = request
        self._incoming = incoming
        self._early: Inspector | None = None
        self._held = ExitStack()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._give_up()

    def _give_up(self) -> None:
        self._early = None
        self._held.close()

    def begin(self, upload: Upload) -> None:
        """Read the file as it comes, by the fields that came before it.

        Nobody waits here: uploads that are slow would keep others from their turn.
        """
        try:
            declaration = _form(upload).declaration()
        except RequestValidationError:  # the missing or wrong field may be mended by those to come
            return
        turns = self._request.app.state.early_inspections
        if turns.acquire(blocking=False):
            self._held.callback(turns.release)
            self._early = self._held.enter_context(self._inspector(declaration))

    def create(self, upload: Upload, on_rows: Callable[[int], None] | None = None) -> DatasetView:
        """Validate and keep the file; `on_rows` is told how many rows were read so far.

        Raises:
            ServiceError, RequestValidationError: the file or what is said of it is refused.
        """
        form, state = _form(upload), self._request.app.state
        name, key = service.name_of(form, upload.filename), self._request.headers.get("idempotency-key")
        asked = ["POST", self._request.url.path, form.model_dump(mode="json"), self._incoming.digest]
        with state.readers() as session:
            known = find(session, key, asked, DatasetView)
        if known is not None:
            return known
        inspection = self._inspect(form.declaration(), on_rows)
        digest, size = state.storage.keep(self._incoming), self._incoming.size
        with state.sessions.begin() as session:

            def make() -> DatasetView:
                return service.view(service.create(session, name, upload, form, inspection, digest, size))

            return once(session, key, asked, DatasetView, make)[0]

    def _inspect(self, declaration: Declaration, on_rows: Callable[[int], None] | None) -> Inspection:
        self._incoming.flush()
        try:
            if self._early is not None and self._early.declaration == declaration:
                return self._early.finish(on_rows)
            self._give_up()
            with self._request.app.state.inspections, self._inspector(declaration) as inspector:
                return inspector.finish(on_rows)
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
    request: Request, validation: Validation, upload: Upload, held: ExitStack
) -> AsyncIterator[bytes]:
    """Server-sent events: `validating` with the rows and seconds so far, then `dataset` or `problem`.

    `held` is closed at the end, also if nobody listens any more.
    """
    told: queue.SimpleQueue[int] = queue.SimpleQueue()
    began = time.monotonic()
    with held, ThreadPoolExecutor(1) as pool:
        made = pool.submit(validation.create, upload, told.put)
        rows = 0
        while not made.done():
            rows = await run_in_threadpool(_newest, told, made, rows)
            if not made.done():
                seconds = round(time.monotonic() - began, 1)
                yield _event("validating", json.dumps({"rows": rows, "seconds": seconds}))
        yield _outcome(request, made)


def _newest(told: queue.SimpleQueue[int], made: Future[DatasetView], rows: int) -> int:
    """The last number of rows told within a second, or by the end."""
    deadline = time.monotonic() + _SECONDS_BETWEEN
    while not made.done() and time.monotonic() < deadline:
        try:
            rows = told.get(timeout=0.05)
        except queue.Empty:
            continue
    return rows


def _outcome(request: Request, made: Future[DatasetView]) -> bytes:
    try:
        return _event("dataset", made.result().model_dump_json())
    except (ServiceError, RequestValidationError) as error:
        return _event("problem", problem_of(request, error).model_dump_json())


def _event(kind: str, data: str) -> bytes:
    return format_sse_event(data_str=data, event=kind)


def _form(upload: Upload) -> DatasetForm:
    given = {name: value for name, value in upload.fields.items() if value != ""}
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
