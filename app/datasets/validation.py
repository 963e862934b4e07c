"""A received file on its way to a data set: validated, kept, and followed while that takes its time."""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import ExitStack
from contextvars import copy_context
from pathlib import Path
from typing import Any, Self

from fastapi import Request
from fastapi.exceptions import RequestValidationError
from pydantic import ValidationError

from app.access import audit
from app.access.caller import Caller
from app.access.quotas import require_room
from app.datasets import service
from app.datasets.child_process import Inspector, Stopped
from app.datasets.file_limits import file_limits
from app.datasets.followers import cut_off, inspection_ended, service_ends
from app.datasets.process_start import ServerEnded
from app.datasets.reading.declaration import Declaration
from app.datasets.reading.errors import DatasetError
from app.datasets.reading.profile import Inspection
from app.datasets.schemas import REPEATABLE, DatasetForm, DatasetView
from app.datasets.upload import LARGE, Upload
from app.datasets.validation_queues import QueueName, ValidationQueues
from app.errors import ServiceError, did_you_mean, field_problem
from app.idempotency import find, once
from app.settings import Settings
from app.storage import Incoming
from app.texts import unstorable

log = logging.getLogger(__name__)

_SECONDS_OF_ANY, _SECONDS_A_MIB = 60.0, 10.0  # many times what the slowest honest files take


class TooSlowForSmallLane(Exception):
    """A small upload takes longer to validate than small ones may."""


class Validation:
    """The validation of one upload, which begins while a large file is still being received.

    A context manager: nothing of it is left at its end.
    """

    def __init__(self, request: Request, caller: Caller, incoming: Incoming) -> None:
        self._request, self._caller, self._workspace = request, caller, caller.workspace
        self._queues: ValidationQueues = request.app.state.validations
        self._incoming = incoming
        self._rows: Incoming | None = None
        self._early: Inspector | None = None
        self._inspecting: Inspector | None = None
        self._held = ExitStack()
        self._deciding = threading.Lock()
        self._is_stopped = self._is_left = self._is_kept = False
        self._submitted: Future[None] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._release()

    def _release(self) -> None:
        self._early = None
        self._held.close()

    def abandon(self) -> None:
        """Leave no file and no process behind, though a thread may still be at work."""
        for file in (self._incoming, self._rows):
            if file is not None:
                file.discard()
        self._stop()

    def leave(self) -> None:
        """End the validation, since its client is gone; what is being kept by now is kept."""
        self._is_left = True
        if self._stop() and not self._request.app.state.stopping.is_set():
            log.info("the client of an upload left; its validation is ended and nothing kept")

    def _stop(self) -> bool:
        """Whether it was in time."""
        with self._deciding:
            if self._is_kept:
                return False
            self._is_stopped = True
            inspecting, submitted = self._inspecting or self._early, self._submitted
        if submitted is not None:
            submitted.cancel()  # of one that still waits
        if inspecting is not None:
            inspecting.kill()
        return True

    def _check_wanted(self) -> None:
        if self._is_stopped:
            raise Stopped

    def begin(self, upload: Upload) -> None:
        """Read the file as it comes, by the fields that came before it.

        Nobody waits here: uploads that are slow would keep others from their turn.
        """
        try:
            declaration = _form(upload).declaration()
        # The missing or wrong field may be mended by those to come.
        except (RequestValidationError, ServiceError):
            return
        if self._queues.early.acquire(blocking=False):
            # How large it gets is not known yet.
            seconds = self._request.app.state.settings.inspection_seconds
            self._held.callback(self._queues.early.release)
            self._early = self._held.enter_context(self._inspector(declaration, seconds))

    def known(self, upload: Upload) -> DatasetView | None:
        """What was answered to the request before; all that can be refused without the file's contents is.

        Raises:
            ServiceError, RequestValidationError: a field or the key is refused.
        """
        form = _form(upload)
        service.name_of(form, upload.filename)
        if self._early is not None and self._early.declaration != form.declaration():
            self._release()  # what came after the file says that it is to be read otherwise
        with self._request.app.state.readers() as session:
            return find(session, self._workspace, self._key, self._asked(form), DatasetView)

    def create(
        self, upload: Upload, held: ExitStack, on_rows: Callable[[int], None] | None = None
    ) -> Future[DatasetView]:
        """Validate and keep the file in its turn; `on_rows` is told how many rows were read so far.

        `held` is what the file needs until then. It is closed at the end, whether anybody still waits or not.
        The future's result raises ServiceError where the file is refused, and where it was stopped.
        """
        made: Future[DatasetView] = Future()

        def end(view: DatasetView | None, error: BaseException | None) -> None:
            held.close()  # before anybody hears of the end
            if view is not None:
                made.set_result(view)
            else:
                made.set_exception(
                    self._stop_error() if error is None or isinstance(error, Stopped) else error
                )

        def run_in(queue: QueueName) -> None:
            try:
                with self._queues.running(self.abandon):
                    view = self._create(upload, queue, on_rows)
            except TooSlowForSmallLane:
                wait_in("large")
            except BaseException as error:  # noqa: BLE001  # whatever it is, who waits has to hear of it
                end(None, error)
            else:
                end(view, None)

        def on_done(submitted: Future[None]) -> None:
            if submitted.cancelled():  # it never came
                end(None, None)

        def wait_in(queue: QueueName) -> None:
            with self._deciding:
                context = copy_context()  # its log lines name the key of the request
                submitted = (
                    None
                    if self._is_stopped
                    else self._queues.submit(lambda: context.run(run_in, queue), queue)
                )
                self._submitted = submitted
            if submitted is None:
                end(None, None)
            else:
                submitted.add_done_callback(on_done)

        wait_in(self._lane)
        return made

    def _stop_error(self) -> ServiceError:
        """What is told of a validation that was stopped."""
        return cut_off() if self._is_left else service_ends()

    @property
    def _lane(self) -> QueueName:
        if self._early is not None:
            return "early"
        self._incoming.flush()
        return "small" if max(self._incoming.size, _unpacked(self._incoming.path)) < LARGE else "large"

    @property
    def _key(self) -> str | None:
        return self._request.headers.get("idempotency-key")

    def _asked(self, form: DatasetForm) -> list[Any]:
        return ["POST", self._request.url.path, form.model_dump(mode="json"), self._incoming.digest]

    def _create(self, upload: Upload, queue: QueueName, on_rows: Callable[[int], None] | None) -> DatasetView:
        form, state = _form(upload), self._request.app.state
        name = service.name_of(form, upload.filename)
        with state.storage.incoming() as rows:
            self._rows = rows
            inspection = self._inspect(form.declaration(), queue, on_rows, rows)
            with self._deciding:
                self._check_wanted()
                self._is_kept = True
            files = service.Files(
                state.storage.keep(self._incoming), self._incoming.size, state.storage.keep(rows), rows.size
            )
        with state.sessions.begin() as session:

            def make() -> DatasetView:
                kept = service.create(session, self._workspace, name, upload, form, inspection, files)
                require_room(session, self._workspace, state.settings, is_kept=True)
                audit.record(session, self._caller, "dataset.created", service.ref(kept), sha256=kept.digest)
                return service.view(kept)

            return once(session, self._workspace, self._key, self._asked(form), DatasetView, make)[0]

    def _inspect(
        self,
        declaration: Declaration,
        queue: QueueName,
        on_rows: Callable[[int], None] | None,
        rows: Incoming,
    ) -> Inspection:
        self._incoming.flush()
        try:
            if self._early is not None:
                with self._deciding:
                    self._check_wanted()
                    self._inspecting = self._early
                return self._early.finish(on_rows, rows.write)
            with self._inspector(declaration, self._seconds(queue)) as inspector:
                with self._deciding:
                    self._check_wanted()
                    self._inspecting = inspector
                return inspector.finish(on_rows, rows.write)
        except DatasetError as error:
            if error.code == "inspection_too_slow" and queue == "small" and self._is_limited:
                raise TooSlowForSmallLane from error
            raise service.refusal(error) from error
        except ServerEnded as error:
            raise inspection_ended() from error

    def _seconds(self, queue: QueueName) -> float:
        """How long the file may be read: no upload holds a place for longer than its size can justify."""
        settings: Settings = self._request.app.state.settings
        if queue == "small":
            return min(settings.small_inspection_seconds, settings.inspection_seconds)
        of_its_size = _SECONDS_OF_ANY + _SECONDS_A_MIB * (self._incoming.size >> 20)
        return min(settings.inspection_seconds, of_its_size)

    @property
    def _is_limited(self) -> bool:
        """Whether small files are given less time than they have among large ones."""
        return self._seconds("small") < self._seconds("large")

    def _inspector(self, declaration: Declaration, seconds: float) -> Inspector:
        settings: Settings = self._request.app.state.settings
        return Inspector(
            self._incoming.path,
            declaration,
            file_limits(settings),
            memory_bytes=settings.inspection_memory_bytes,
            seconds=seconds,
        )


def _unpacked(path: Path) -> int:
    """What a gzip file says that it unpacks to, in its last bytes, cut to 32 bits; 0 of any other file.

    It need not be true: a small file that takes long gives its place up all the same.
    """
    with path.open("rb") as file:
        if file.read(2) != b"\x1f\x8b" or file.seek(0, os.SEEK_END) < 18:
            return 0
        file.seek(-4, os.SEEK_END)
        return int.from_bytes(file.read(4), "little")


def _form(upload: Upload) -> DatasetForm:
    given: dict[str, str | list[str]] = {}
    for name, values in upload.fields.items():
        for value in values:
            if problem := unstorable(name) or unstorable(value):
                raise field_problem(name, "Unicode text", problem)
        if name not in REPEATABLE and len(values) > 1:
            raise field_problem(name, "this field only once", "several")
        if any(values):
            given[name] = values if name in REPEATABLE else values[0]
    unknown = next((name for name in given if name not in DatasetForm.model_fields), None)
    if unknown is not None and (hint := did_you_mean(unknown, DatasetForm.model_fields)):
        raise field_problem(unknown, "a field of an upload", "one that is none", hint=hint)
    try:
        return DatasetForm.model_validate({**given, "filename": upload.filename or None})
    except ValidationError as error:
        # What concerns several fields together has no place of its own.
        told = [{**one, "loc": one["loc"] or ("form",)} for one in error.errors()]
        raise RequestValidationError(told) from error
