"""Blobs as HTTP answers: ETag and digest from their content, ranges, 304 where nothing changed."""

from __future__ import annotations

import base64
import re
from typing import Any

from fastapi import Request
from fastapi.responses import FileResponse, Response
from starlette.types import Receive, Scope, Send

from app.errors import ServiceError, responses
from app.http_methods import ASKED_FOR_HEAD
from app.storage import CHUNK, Storage

_HEADERS = {
    "ETag": {"description": "The SHA-256 of the file, quoted.", "schema": {"type": "string"}},
    "Repr-Digest": {
        "description": "The same digest in the format of RFC 9530.",
        "schema": {"type": "string"},
    },
    "Content-Disposition": {"description": "The file's name.", "schema": {"type": "string"}},
    "Accept-Ranges": {"description": "`bytes`: a download can be continued.", "schema": {"type": "string"}},
}
_CONTENT_RANGE = {
    "Content-Range": {"description": "Which part of the file this is.", "schema": {"type": "string"}}
}

# RFC 9110, 14.1.1: each range `first-last`, `first-` or `-length`, by commas. Lists may have empty elements.
_RANGE = re.compile(r"(?P<first>[0-9]+)-(?P<last>[0-9]*)|-(?P<length>[0-9]+)")
_LONGEST_HEADER = 8192


def answers(*media_types: str) -> dict[int | str, dict[str, Any]]:
    """What a download is answered with, for its OpenAPI description."""
    unchanged = {name: _HEADERS[name] for name in ("ETag", "Repr-Digest")}
    file: dict[str, Any] = {"schema": {"type": "string", "format": "binary"}}
    # First what programs that know none of the others take for bytes.
    files = dict.fromkeys(("application/octet-stream", *media_types), file)
    refused = responses(416)
    refused[416]["headers"] = _CONTENT_RANGE
    return {
        200: {"headers": _HEADERS, "content": files},
        206: {
            "description": "The bytes that `Range` asks for; several ranges as parts.",
            "headers": _HEADERS | _CONTENT_RANGE,
            "content": {**files, "multipart/byteranges": file},
        },
        304: {"description": "Not modified: `If-None-Match` is the file's ETag.", "headers": unchanged},
        **refused,
    }


class _BlobResponse(FileResponse):
    chunk_size = CHUNK  # 64 KiB, the default, is three times slower

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the file, or its headers alone to who asked for those: ranges are for GET."""
        if scope.get(ASKED_FOR_HEAD):
            headers = [(name, value) for name, value in scope["headers"] if name != b"range"]
            scope = {**scope, "method": "HEAD", "headers": headers}
        await super().__call__(scope, receive, send)

    @classmethod
    def _parse_range_header(cls, http_range: str, file_size: int) -> list[tuple[int, int]]:
        """The ranges, each as (first byte, byte after the last), in the order of the file; none: all of it.

        Raises:
            ServiceError: 416 if the file has no byte of any of them.
        """
        asked = _parse(http_range, file_size, cls.max_ranges)
        met = sorted((first, min(end, file_size)) for first, end in asked if first < min(end, file_size))
        if asked and not met:
            message = f"Expected a range within the file's {file_size} bytes. Received: {http_range[:100]}."
            hint = "Leave out the header `Range` to get the whole file."
            raise ServiceError(
                416,
                "range_not_satisfiable",
                message,
                hint=hint,
                headers={"Content-Range": f"bytes */{file_size}"},
            )
        joined = met[:1]
        for first, end in met[1:]:
            if first <= joined[-1][1]:
                joined[-1] = (joined[-1][0], max(joined[-1][1], end))
            else:
                joined.append((first, end))
        return joined


def _parse(header: str, size: int, most: int) -> list[tuple[int, int]]:
    """The ranges as they are asked for; none where the header is to be ignored.

    That is, as RFC 9110 has it, one of another unit, one that is malformed, and one of very many ranges.
    """
    unit, _, listed = header.partition("=")
    parts = [part.strip(" \t") for part in listed.split(",")]
    parts = [part for part in parts if part]
    if unit.strip().lower() != "bytes" or len(header) > _LONGEST_HEADER or len(parts) > most:
        return []
    ranges = []
    for part in parts:
        found = _RANGE.fullmatch(part)
        if found is None:
            return []
        first, last = _number(found["first"]), _number(found["last"])
        if found["length"]:
            ranges.append((max(0, size - _number(found["length"])), size))
        elif found["last"] and last < first:
            return []
        else:
            ranges.append((first, last + 1 if found["last"] else size))
    return ranges


def _number(digits: str | None) -> int:
    """A place in a file; what has more digits than any file has bytes is beyond its end all the same."""
    text = (digits or "").lstrip("0")
    return int(text or "0") if len(text) < 20 else 10**20


def blob_response(
    request: Request, storage: Storage, digest: str, filename: str, media_type: str
) -> Response:
    """The blob, or 304 if the client has it already."""
    etag = f'"{digest}"'
    headers = {
        "ETag": etag,
        "Repr-Digest": f"sha-256=:{base64.b64encode(bytes.fromhex(digest)).decode()}:",
        "Cache-Control": "private, no-cache",
        # As a header of its own: starlette would add to a text that it is UTF-8, which it may not be.
        "Content-Type": media_type,
    }
    known = [tag.strip().removeprefix("W/") for tag in request.headers.get("if-none-match", "").split(",")]
    if etag in known or "*" in known:
        del headers["Content-Type"]
        return Response(status_code=304, headers=headers)
    return _BlobResponse(storage.require(digest), filename=filename, headers=headers)
