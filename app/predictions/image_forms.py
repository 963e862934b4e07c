"""Images as files of a form, in place of base64 in JSON: each part `image` is a row."""

from __future__ import annotations

import base64
import json
from typing import Any

from fastapi import Request
from starlette.datastructures import UploadFile
from starlette.exceptions import HTTPException
from starlette.types import Message

from app.errors import ServiceError, field_problem
from app.predictions.schemas import MOST_INSTANCES

FORM = "multipart/form-data"

OPENAPI: dict[str, Any] = {
    "requestBody": {
        "content": {
            FORM: {
                "schema": {
                    "type": "object",
                    "required": ["image"],
                    "properties": {
                        "image": {
                            "type": "array",
                            "maxItems": MOST_INSTANCES,
                            "items": {"type": "string", "format": "binary"},
                        }
                    },
                }
            }
        }
    }
}
"""What the OpenAPI document says of it beside the JSON."""


def is_form(request: Request) -> bool:
    """Whether the body says that it is a form."""
    return request.headers.get("content-type", "").partition(";")[0].strip().lower() == FORM


async def as_json(request: Request, most: int) -> Request:
    """The same request with its images as `instances` in JSON.

    Raises:
        ServiceError: 400 where it is no form, 413 beyond `most` bytes, 422 where a part is no file `image`.
    """
    try:
        async with Request(request.scope, _Counted(request, most)).form(
            max_files=MOST_INSTANCES, max_fields=0
        ) as form:
            instances = []
            for name, part in form.multi_items():
                if name != "image" or not isinstance(part, UploadFile):
                    raise field_problem(name, "files in parts called `image`, one a row", "another part")
                instances.append({"image": base64.b64encode(await part.read()).decode()})
    except HTTPException as error:  # Starlette's, of a body that it cannot read as a form
        message = f"Expected files in parts called `image`, as {FORM}. Received: {error.detail}"
        raise ServiceError(
            400, "broken_form", message, hint="curl -F image=@a.png -F image=@b.png …"
        ) from None
    body = json.dumps({"instances": instances}).encode()
    kept = [one for one in request.scope["headers"] if one[0] not in (b"content-type", b"content-length")]
    headers = [*kept, (b"content-type", b"application/json"), (b"content-length", b"%d" % len(body))]
    return Request({**request.scope, "headers": headers}, _Once(body))


class _Counted:
    """Receives a body, and stops where it is too large."""

    def __init__(self, request: Request, most: int) -> None:
        self._request, self._most, self._left = request, most, most

    async def __call__(self) -> Message:
        message = await self._request.receive()
        self._left -= len(message.get("body", b""))
        if self._left < 0:
            expected = f"Expected a body of at most {self._most} bytes. Received: a larger one."
            hint = "Send fewer images; whoever runs the service can raise MODEL_TRANSFER_MAX_INSTANCES_BYTES."
            raise ServiceError(413, "too_large", expected, hint=hint)
        return message


class _Once:
    """Receives a body that is there."""

    def __init__(self, body: bytes) -> None:
        self._body: bytes | None = body

    async def __call__(self) -> Message:
        body, self._body = self._body, None
        if body is None:
            return {"type": "http.disconnect"}
        return {"type": "http.request", "body": body, "more_body": False}
