"""Blobs as HTTP answers: ETag and digest from their content, ranges, 304 where nothing changed."""

from __future__ import annotations

import base64

from fastapi import Request
from fastapi.responses import FileResponse, Response

from app.storage import CHUNK, Storage

HEADERS = {
    "ETag": {"description": "The SHA-256 of the file, quoted.", "schema": {"type": "string"}},
    "Repr-Digest": {"description": "The same, as RFC 9530 writes it.", "schema": {"type": "string"}},
    "Content-Disposition": {"description": "The file's name.", "schema": {"type": "string"}},
    "Accept-Ranges": {"description": "`bytes`: a download can be continued.", "schema": {"type": "string"}},
}


class _BlobResponse(FileResponse):
    chunk_size = CHUNK  # 64 KiB, the default, is three times slower


def blob_response(
    request: Request, storage: Storage, digest: str, filename: str, media_type: str
) -> Response:
    """The blob, or 304 if the client has it already."""
    etag = f'"{digest}"'
    headers = {
        "ETag": etag,
        "Repr-Digest": f"sha-256=:{base64.b64encode(bytes.fromhex(digest)).decode()}:",
        "Cache-Control": "private, no-cache",
    }
    known = [tag.strip().removeprefix("W/") for tag in request.headers.get("if-none-match", "").split(",")]
    if etag in known or "*" in known:
        return Response(status_code=304, headers=headers)
    return _BlobResponse(storage.require(digest), filename=filename, media_type=media_type, headers=headers)
