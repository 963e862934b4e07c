"""How is a file sent to the service, and fetched from it, with news of how far it is?"""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO
from urllib.parse import unquote

import httpx2

from app.client.http import EVENTS, Connection
from app.client.problems import ApiError

Fields = Mapping[str, Any]
"""What is said of a file: texts, numbers and truth values as they are, lists and objects as JSON."""

_CHUNK = 1 << 18


@dataclass(frozen=True)
class Told:
    """Who hears how far an upload is: of bytes that were sent, and of rows that were validated."""

    sent: Callable[[int], None] | None = None
    validated: Callable[[int], None] | None = None


def upload(connection: Connection, path: Path, fields: Fields, told: Told) -> dict[str, Any]:
    """The data set that the service made of a file."""
    form = {name: _text(value) for name, value in fields.items() if value is not None}
    # Events come for every second, so that no proxy takes a long validation for a broken connection.
    headers = {"Accept": EVENTS}
    with path.open("rb") as file:
        files = {"file": (path.name, _Counted(file, told.sent))}
        request: dict[str, Any] = {"data": form, "files": files, "headers": headers}
        with connection.stream("POST", "/v1/datasets", EVENTS, **request) as response:
            for event in httpx2.EventSource(response):
                body: dict[str, Any] = json.loads(event.data)
                if event.event == "dataset":
                    return body
                if event.event == "problem":
                    raise ApiError.of_problem(body)
                if told.validated is not None:
                    told.validated(body["rows"])
    message = "Expected the data set, or why there is none. Received: an answer that ended before."
    raise ApiError(0, "cut_off", message, "The service may have been stopped; send the file again.")


def send_rows(connection: Connection, path: Path, fields: Fields) -> dict[str, Any]:
    """The job that the service made to answer a file's rows."""
    form = {name: _text(value) for name, value in fields.items() if value}
    with path.open("rb") as file:
        request: dict[str, Any] = {"data": form, "files": {"file": (path.name, file)}}
        with connection.stream("POST", "/v1/predictions:upload", "application/json", **request) as response:
            response.read()
            body: dict[str, Any] = response.json()
            return body


class _Counted:
    """A file that tells how much of it was read."""

    def __init__(self, file: BinaryIO, sent: Callable[[int], None] | None) -> None:
        self._file = file
        self._sent = sent

    def read(self, size: int = -1) -> bytes:
        data = self._file.read(size)
        if self._sent is not None:
            self._sent(self._file.tell())
        return data

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        return self._file.seek(offset, whence)

    def tell(self) -> int:
        return self._file.tell()

    def fileno(self) -> int:
        return self._file.fileno()

    def __iter__(self) -> Iterator[bytes]:
        while data := self.read(_CHUNK):
            yield data


def _text(value: Any) -> str | list[str]:
    if isinstance(value, str):
        return value
    if isinstance(value, bool | int | float | dict):
        return json.dumps(value, ensure_ascii=False)
    return [_one(item) for item in value]


def _one(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def receive(
    connection: Connection,
    path: str,
    params: Mapping[str, str],
    to: Path,
    received: Callable[[int], None] | None,
) -> Path:
    """The file, under its own name where `to` is a folder; what does not come whole leaves nothing."""
    with connection.stream("GET", path, params=dict(params)) as response:
        expected = _digest(response)
        target = to / _name(response) if to.is_dir() else to
        part, digest = target.with_name(f"{target.name}.part"), hashlib.sha256()
        try:
            with part.open("wb") as file:
                for chunk in response.iter_bytes(_CHUNK):
                    file.write(chunk)
                    digest.update(chunk)
                    if received is not None:
                        received(file.tell())
            _check(expected, digest.hexdigest(), target.name)
            part.replace(target)
        finally:
            part.unlink(missing_ok=True)
    return target


_ETAG = re.compile(r'(?:W/)?"([0-9a-f]{64})"')
"""Weak where a proxy has packed the file, which is unpacked here."""


def _digest(response: httpx2.Response) -> str:
    named = _ETAG.fullmatch(response.headers.get("etag", "").strip())
    if named is None:
        error = ApiError.of_another(response)
        hint = (
            "The ETag of a file is its SHA-256. Is this the service's address, and do proxies keep the ETag?"
        )
        raise ApiError(error.status, "download_without_digest", error.message, hint)
    return named[1]


def _check(expected: str, found: str, name: str) -> None:
    if expected != found:
        message = f"Expected {name} with the SHA-256 {expected}. Received: {found}."
        raise ApiError(0, "download_damaged", message, "Download it again.")


_PLAIN = re.compile(r'filename="((?:[^"\\]|\\.)*)"')
_EXTENDED = re.compile(r"filename\*=utf-8''([^;\s]+)", re.IGNORECASE)


def _name(response: httpx2.Response) -> str:
    """The file's own name, without any folder that a server might put before it."""
    said = response.headers.get("content-disposition", "")
    extended, plain = _EXTENDED.search(said), _PLAIN.search(said)
    name = unquote(extended[1]) if extended else plain[1] if plain else ""
    last = Path(name.replace("\\", "/")).name
    return "download" if last in ("", "..") else last
