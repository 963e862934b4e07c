"""An upload on its way in: multipart or raw body, streamed to disk with a running digest."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from email.message import Message
from pathlib import PurePath
from typing import TYPE_CHECKING, Self

from fastapi import Request
from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header
from starlette.concurrency import run_in_threadpool

from app.errors import ServiceError, field_problem
from app.storage import Incoming
from app.texts import shown

if TYPE_CHECKING:
    from python_multipart.multipart import MultipartCallbacks

MAX_FIELDS = 100  # parts of a form; python-multipart limits their headers
LARGE = 8 << 20  # bytes; what is smaller is here before its validation has started
_MEDIA_TYPE = re.compile(r"[\w!#$&^.+-]+/[\w!#$&^.+-]+( *; *[\w.-]+=(?:[\w.:-]+|\"[\w .:-]*\"))*", re.ASCII)
_LONGEST_NAME = 300  # bytes of what may be a path in the place of a file
_GATHERED = 1 << 18  # bytes written at once; more take memory and save no time


@dataclass
class Upload:
    """The fields that came with a file; the file itself is in the `Incoming` it was written to."""

    fields: dict[str, list[str]] = field(default_factory=dict)
    filename: str = ""
    media_type: str = "application/octet-stream"


Begun = Callable[[Upload], None]
"""Told once that a large file is coming, with what is known of it: of a form, the fields before the file."""


async def receive(
    request: Request, incoming: Incoming, begun: Begun, *, max_bytes: int, max_field_bytes: int
) -> Upload:
    """Stream the request's file into `incoming`. Memory stays at a few chunks.

    Raises:
        ServiceError: 413 beyond `max_bytes`, and for fields of more than `max_field_bytes` together; 400 for
            a broken or cut-off body, 422 without a file.
    """
    announced = request.headers.get("content-length", "")
    if announced.isdecimal() and len(announced) < 20 and int(announced) > max_bytes + max_field_bytes:
        raise _too_large(int(announced), max_bytes)
    media_type, options = parse_options_header(request.headers.get("content-type", ""))
    if media_type == b"multipart/form-data":
        if request.query_params:
            received = f"{', '.join(request.query_params)} in the URL"
            raise field_problem(
                "form",
                "the fields in the form",
                received,
                hint="Send them as form fields, with curl: -F name=… -F label=…",
            )
        form = _Form(max_field_bytes)
        async with _Writer(incoming, max_bytes, lambda: begun(form.upload)) as writer:
            await _receive_multipart(request, form, writer, options.get(b"boundary", b""))
        return form.upload
    upload = _raw_upload(request)
    has_lines = media_type != b"application/x-www-form-urlencoded"
    async with _Writer(incoming, max_bytes, lambda: begun(upload)) as writer:
        async for chunk in request.stream():
            has_lines = has_lines or b"\n" in chunk
            await writer.write(chunk)
    if not has_lines:
        hint = "curl's -d takes the lines of a file apart: send it with -T data.csv, or -F file=@data.csv"
        raise field_problem("content-type", "a file", "a web form without lines", hint=hint)
    return upload


def _raw_upload(request: Request) -> Upload:
    fields = {name: request.query_params.getlist(name) for name in request.query_params}
    for name, values in fields.items():
        if len(values) > MAX_FIELDS:
            hint = "Send one JSON list or object."
            raise field_problem(name, f"at most {MAX_FIELDS} parameters of this name", "more", hint=hint)
    filename = "".join(fields.pop("filename", [])) or _filename(
        request.headers.get("content-disposition", "")
    )
    media_type = request.headers.get("content-type", "").partition(";")[0].strip()
    return Upload(fields, _file_name(filename), _media_type(media_type))


def _file_name(given: str) -> str:
    """The name without its folders, fit to be kept and to stand in a header."""
    name = PurePath(given.replace("\\", "/")).name
    if len(name) > 255 or shown(name) != name:
        expected = "a file name of at most 255 characters, without control characters"
        raise field_problem("filename", expected, name)
    return name


def _media_type(given: str) -> str:
    """What the file is said to be, as it is answered when the file is downloaded."""
    if given and (len(given) > 100 or not _MEDIA_TYPE.fullmatch(given)):
        expected = "a media type of at most 100 characters, such as text/csv"
        raise field_problem(
            "content-type",
            expected,
            given,
            hint="Leave out the header `Content-Type` of the file, or correct it.",
        )
    return given or "application/octet-stream"


def _filename(content_disposition: str) -> str:
    message = Message()
    message["content-disposition"] = content_disposition
    try:
        return message.get_filename() or ""
    except (UnicodeError, LookupError):  # it names an encoding that it is not in
        expected = "a file name in the encoding that `filename*` names"
        raise field_problem("filename", expected, content_disposition) from None


class _Writer:
    """Gathers small chunks; a thread hashes and writes large ones while the next are received.

    A context manager: at its end all is written, and nothing is being written after an error.
    """

    def __init__(self, incoming: Incoming, max_bytes: int, begun: Callable[[], None]) -> None:
        self._incoming = incoming
        self._max_bytes = max_bytes
        self._begun = begun
        self._buffer = bytearray()
        self._received = 0
        self._is_begun = False
        self._writing: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is None:
            await self._pass_on()
        else:  # before anything is awaited: a server that stops may not come back here
            self._incoming.discard()
        if self._writing is not None:
            await asyncio.wait([self._writing])
            failed = self._writing.exception()
            if failed is not None and kind is None:
                raise failed

    async def write(self, chunk: bytes | bytearray | memoryview) -> None:
        self._buffer += chunk
        if len(self._buffer) >= _GATHERED:
            await self._pass_on()

    async def _pass_on(self) -> None:
        buffer, self._buffer = self._buffer, bytearray()
        self._received += len(buffer)
        if self._received > self._max_bytes:
            raise _too_large(self._received, self._max_bytes)
        if self._writing is not None:
            await self._writing
        if self._incoming.size >= LARGE and not self._is_begun:
            self._is_begun = True
            await run_in_threadpool(self._begun)
        self._writing = asyncio.create_task(run_in_threadpool(self._incoming.write, buffer))


class _Form:
    """What the multipart parser calls: small parts become fields, the part `file` goes to `pending`."""

    def __init__(self, max_field_bytes: int) -> None:
        self._most = max_field_bytes
        self._parts = 0
        self._bytes = 0  # of all fields
        self.upload = Upload()
        self.pending: list[memoryview] = []  # of the chunk that was parsed last
        self.files = 0
        self._headers: dict[str, str] = {}
        self._header = bytearray()
        self._value = bytearray()
        self._part: bytearray | None = None
        self._name = ""
        self.is_named = False
        self.head = b""  # of a file without a name

    def callbacks(self) -> MultipartCallbacks:
        return {
            "on_part_begin": self._on_part_begin,
            "on_header_field": lambda data, start, end: self._header.extend(data[start:end]),
            "on_header_value": lambda data, start, end: self._value.extend(data[start:end]),
            "on_header_end": self._on_header_end,
            "on_headers_finished": self._on_headers_finished,
            "on_part_data": self._on_part_data,
            "on_part_end": self._on_part_end,
        }

    def _on_part_begin(self) -> None:
        self._headers.clear()
        self._parts += 1
        if self._parts > MAX_FIELDS:
            raise field_problem("form", f"at most {MAX_FIELDS} parts", "more", hint="Send fewer form fields.")

    def _count(self, size: int) -> None:
        self._bytes += size
        if self._bytes > self._most:
            message = f"Expected at most {self._most} bytes in all fields together. Received: more."
            hint = "Send the file in the part `file`."
            raise ServiceError(413, "fields_too_large", message, hint=hint)

    def _on_header_end(self) -> None:
        self._headers[self._header.decode("latin-1").lower()] = self._value.decode("utf-8", "replace")
        self._header.clear()
        self._value.clear()

    def _on_headers_finished(self) -> None:
        disposition = self._headers.get("content-disposition", "")
        _, options = parse_options_header(disposition.encode())
        self._name = _text("name of a part", options.get(b"name", b""))
        if self._name != "file":
            self._part = bytearray()
            return
        self._part = None
        self.files += 1
        if self.files > 1:
            raise ServiceError(
                422,
                "several_files",
                "Expected one file, in the part `file`. Received: several files.",
                hint="Send each file in a request of its own.",
            )
        self.is_named = b"filename" in options
        self.upload.filename = _file_name(_text("filename", options.get(b"filename", b"")))
        self.upload.media_type = _media_type(self._headers.get("content-type", ""))

    def _on_part_data(self, data: bytes, start: int, end: int) -> None:
        if self._part is None:
            self.pending.append(memoryview(data)[start:end])
            if not self.is_named and len(self.head) <= _LONGEST_NAME:
                self.head += data[start : min(end, start + _LONGEST_NAME + 1)]
            return
        self._count(end - start)
        self._part += data[start:end]

    def _on_part_end(self) -> None:
        if self._part is None:
            return
        self.upload.fields.setdefault(self._name, []).append(_text(self._name, self._part))


def _text(field: str, data: bytes | bytearray) -> str:
    try:
        return data.decode()
    except UnicodeDecodeError:
        raise field_problem(field, "text in UTF-8", data.decode("utf-8", "replace")) from None


async def _receive_multipart(request: Request, form: _Form, writer: _Writer, boundary: bytes) -> None:
    ended = False

    def on_end() -> None:
        nonlocal ended
        ended = True

    try:
        parser = MultipartParser(boundary, {**form.callbacks(), "on_end": on_end})
        async for chunk in request.stream():
            parser.write(chunk)
            for part in form.pending:
                await writer.write(part)
            form.pending.clear()
    except FormParserError as error:
        raise ServiceError(400, "broken_form", f"Expected multipart/form-data. Received: {error}") from error
    if not ended:
        raise ServiceError(400, "cut_off", "Expected a complete form. Received: one that ends in the middle.")
    if not form.files:
        received = ", ".join(form.upload.fields) or "no parts"
        message = f"Expected a part named `file`. Received: {received}."
        raise ServiceError(
            422, "no_file", message, hint="Send the file in the part `file`, with curl: -F file=@data.csv"
        )
    if not form.is_named and 0 < len(form.head) <= _LONGEST_NAME and b"\n" not in form.head:
        name = form.head.decode("utf-8", "replace").strip()
        raise field_problem(
            "file", "a file", f"the text {name}", hint=f"With curl, an @ sends the file: -F file=@{name}"
        )


def _too_large(received: int, max_bytes: int) -> ServiceError:
    message = f"Expected a file of at most {max_bytes} bytes. Received: {received} or more."
    return ServiceError(
        413,
        "too_large",
        message,
        hint="Send a smaller file; the operator can raise MODEL_TRANSFER_MAX_UPLOAD_BYTES.",
    )
