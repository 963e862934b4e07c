"""A received file on its way to a data set: validated, kept, and followed while that takes its time."""

from __future__ import annotations

import json
import queue
import time
from collections.abc import AsyncIterator, Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack

from fastapi import Request
from fastapi.exceptions import RequestValidationError
from fastapi.sse import format_sse_event
from pydantic import ValidationError
from starlette.concurrency import run_in_threadpool

from app.datasets import inspector, service
from app.datasets.schema import DatasetError, Inspection, Limits
from app.datasets.schemas import DatasetForm, DatasetView
from app.datasets.upload import Upload
from app.errors import ServiceError, problem_of
from app.idempotency import find, once
from app.settings import Settings
from app.storage import Incoming

_SECONDS_BETWEEN = 1.0


def create(
    request: Request, upload: Upload, incoming: Incoming, on_rows: Callable[[int], None] | None = None
) -> DatasetView:
    """Validate and keep the file; `on_rows` is told how many rows were read so far.

    Raises:
        ServiceError, RequestValidationError: the file or what is said of it is refused.
    """
    form, key = _form(upload), request.headers.get("idempotency-key")
    name = service.name_of(form, upload.filename)
    asked = ["POST", request.url.path, form.model_dump(mode="json"), incoming.digest]
    with request.app.state.readers() as session:
        known = find(session, key, asked, DatasetView)
    if known is not None:
        return known
    inspection = _inspect(request, form, incoming, on_rows)
    digest = request.app.state.storage.keep(incoming)
    with request.app.state.sessions.begin() as session:

        def make() -> DatasetView:
            return service.view(
                service.create(session, name, upload, form, inspection, digest, incoming.size)
            )

        return once(session, key, asked, DatasetView, make)[0]


async def followed(
    request: Request, upload: Upload, incoming: Incoming, held: ExitStack
) -> AsyncIterator[bytes]:
    """Server-sent events: `validating` with the rows and seconds so far, then `dataset` or `problem`.

    `held` is closed at the end, also if nobody listens any more.
    """
    told: queue.SimpleQueue[int] = queue.SimpleQueue()
    began = time.monotonic()
    with held, ThreadPoolExecutor(1) as pool:
        made = pool.submit(create, request, upload, incoming, told.put)
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


def _inspect(
    request: Request, form: DatasetForm, incoming: Incoming, on_rows: Callable[[int], None] | None
) -> Inspection:
    settings = request.app.state.settings
    incoming.flush()
    with request.app.state.inspections:
        try:
            return inspector.run(
                incoming.path,
                form.declaration(),
                limits=_limits(settings),
                memory_bytes=settings.inspection_memory_bytes,
                seconds=settings.inspection_seconds,
                on_rows=on_rows,
            )
        except DatasetError as error:
            raise service.refusal(error) from error
