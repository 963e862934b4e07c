"""The one error of the service and its one shape on the wire: RFC 9457 problem documents."""

from __future__ import annotations

import difflib
import json
import logging
import os
from collections.abc import Iterable, Mapping, Sequence
from http import HTTPStatus
from itertools import pairwise
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field
from sqlalchemy.exc import DBAPIError, OperationalError
from starlette.exceptions import HTTPException

log = logging.getLogger(__name__)

MEDIA_TYPE = "application/problem+json"


class Problem(BaseModel):
    """An error as an RFC 9457 problem document."""

    type: str = Field(examples=["urn:model-transfer:error:dataset_not_found"])
    title: str = Field(examples=["Not Found"])
    status: int = Field(examples=[404])
    code: str = Field(description="Stable name of the error, for programs.", examples=["dataset_not_found"])
    detail: str = Field(
        description="What was expected, what was received.",
        examples=["Expected the id or the name of a dataset. Received: sorce."],
    )
    hint: str | None = Field(None, description="What to do.", examples=["Did you mean: source?"])
    instance: str = Field(examples=["/v1/datasets/sorce"])
    errors: list[dict[str, Any]] = Field(
        default_factory=list,
        description="Where there are several: field, row or column of each, what was expected and received.",
    )


class ServiceError(Exception):
    """An error that a user can understand; it becomes a problem document at the edge."""

    def __init__(
        self,
        status: int,
        code: str,
        message: str,
        *,
        hint: str | None = None,
        errors: Iterable[Mapping[str, Any]] = (),
    ) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message
        self.hint = hint
        self.errors = [dict(error) for error in errors]


_READ_ONLY = "25006"  # SQLSTATE of PostgreSQL


def is_away(error: BaseException) -> bool:
    """Whether the database was not reached, or takes no writes, as while another server takes its place."""
    if not isinstance(error, DBAPIError):
        return False
    lost = isinstance(error, OperationalError) or error.connection_invalidated
    return lost or getattr(error.orig, "sqlstate", None) == _READ_ONLY


def may_pass(error: BaseException) -> bool:
    """Whether it is a matter of a disk, storage or database that is away for a while, and no defect."""
    return isinstance(error, OSError) or is_away(error)


def told_of(error: OSError) -> str:
    """What may be told of a disk's error: its kind, without any file, folder or address of the server."""
    return os.strerror(error.errno) if error.errno else type(error).__name__


def did_you_mean(received: str, known: Iterable[str]) -> str | None:
    """Name the nearest of the known words, if one is near."""
    near = difflib.get_close_matches(received, list(known), n=1)
    return f"Did you mean: {near[0]}?" if near else None


def _problem(request: Request, error: ServiceError) -> Problem:
    return Problem(
        type=f"urn:model-transfer:error:{error.code}",
        title=HTTPStatus(error.status).phrase,
        status=error.status,
        code=error.code,
        detail=error.message,
        hint=error.hint,
        instance=request.url.path,
        errors=error.errors,
    )


def _reply(request: Request, error: ServiceError, headers: Mapping[str, str] | None = None) -> JSONResponse:
    return JSONResponse(
        _problem(request, error).model_dump(mode="json"),
        status_code=error.status,
        media_type=MEDIA_TYPE,
        headers=dict(headers or {}),
    )


def _shorten(value: Any) -> Any:
    """Keep what was received readable: an error must not send a whole upload back."""
    if isinstance(value, bytes):
        value = value.decode("utf-8", "replace")
    try:
        text = json.dumps(value)
    except (TypeError, ValueError):
        value = text = str(value)
    return value if len(text) <= 200 else f"{text[:200]}…"


def _place(loc: Sequence[str | int]) -> str:
    """Where in the request, without the kind that pydantic puts after a union's name."""
    parts = [str(part) for part in loc if part not in ("body", "query", "path")]
    kept = [part for before, part in pairwise(("", *parts)) if before not in ("network", "method")]
    return ".".join(kept) or "body"


def _field_error(error: Mapping[str, Any]) -> dict[str, Any]:
    """One of pydantic's errors in this service's words."""
    place = _place(error["loc"])
    received: Any = _shorten(error.get("input"))
    expected = str(error["msg"]).removeprefix("Value error, ").removeprefix("Input should be ")
    expected = expected.replace("Input should", "a value to", 1).removeprefix("expected ")
    if error["type"] == "extra_forbidden":
        expected = "a field that exists"
    elif error["type"] == "missing":
        expected, received = "a value, since it has no default", None
    elif error["type"] == "json_invalid":
        place, expected = "body", "JSON"
        received = f"{error['ctx']['error']} at character {error['loc'][-1]}"
    elif error["type"] == "union_tag_invalid":
        place, expected = f"{place}.kind", f"one of {error['ctx']['expected_tags']}"
        received = error["ctx"]["tag"]
    elif error["type"] in ("model_attributes_type", "dict_type"):
        expected = "a JSON object"
    return {"field": place, "expected": expected, "received": received}


def _explain(errors: list[dict[str, Any]]) -> str:
    first = errors[0]
    more = f" ({len(errors) - 1} more in `errors`)" if len(errors) > 1 else ""
    received = "nothing" if first["received"] is None else json.dumps(first["received"], ensure_ascii=False)
    return f"{first['field']}: expected {first['expected']}. Received: {received}.{more}"


def problem_of(request: Request, error: BaseException) -> Problem:
    """The problem document of an error that cannot become a response any more."""
    if isinstance(error, ServiceError):
        return _problem(request, error)
    if isinstance(error, RequestValidationError):
        return _problem(request, _invalid(request, error))
    return _problem(request, _fault(request, error))


def _on_validation(request: Request, exc: RequestValidationError) -> JSONResponse:
    return _reply(request, _invalid(request, exc))


def _invalid(request: Request, exc: RequestValidationError) -> ServiceError:
    errors = [_field_error(error) for error in exc.errors()]
    content_type = request.headers.get("content-type", "none")
    hint = "The fields, their defaults and examples are on /docs."
    if any(error["field"] == "body" for error in errors) and "json" not in content_type:
        hint = f"Send the body as JSON with `Content-Type: application/json`. Received: {content_type}."
    return ServiceError(422, "invalid_request", _explain(errors), hint=hint, errors=errors)


def _on_http(request: Request, exc: HTTPException) -> JSONResponse:
    detail = exc.detail if isinstance(exc.detail, str) else json.dumps(exc.detail)
    hint = "The routes are on /docs." if exc.status_code in (404, 405) else None
    if exc.status_code in (404, 405):
        detail = f"Expected one of the API's routes. Received: {request.method} {request.url.path}."
    code = HTTPStatus(exc.status_code).phrase.lower().replace(" ", "_")
    return _reply(request, ServiceError(exc.status_code, code, detail, hint=hint), exc.headers)


def _on_unexpected(request: Request, exc: Exception) -> JSONResponse:
    fault = _fault(request, exc)
    return _reply(request, fault, {"Retry-After": "5"} if fault.status == 503 else None)


def _fault(request: Request, exc: BaseException) -> ServiceError:
    return _unavailable(request, exc) if may_pass(exc) else _unexpected(request, exc)


def _unexpected(request: Request, exc: BaseException) -> ServiceError:
    log.error("unexpected error at %s %s", request.method, request.url.path, exc_info=exc)
    message = "The service failed to answer; nothing of this request was kept."
    return ServiceError(500, "internal_error", message, hint="The server's log tells why.")


def _unavailable(request: Request, exc: BaseException) -> ServiceError:
    """A database, disk or storage that is away for a while is no defect, and the client may try again."""
    log.error("unavailable at %s %s: %s", request.method, request.url.path, exc)
    message = "Expected the database to answer. Received: no answer."
    if isinstance(exc, OSError):
        message = f"Expected a storage that can be read and written. Received: {told_of(exc)}."
    hint = "Try again in a moment; GET /readyz says what is missing. What was accepted before is not lost."
    return ServiceError(503, "unavailable", message, hint=hint)


def install(app: FastAPI) -> None:
    """Give every error of the application the one shape."""
    app.add_exception_handler(ServiceError, lambda request, exc: _reply(request, exc))
    app.add_exception_handler(RequestValidationError, _on_validation)  # type: ignore[arg-type]
    app.add_exception_handler(HTTPException, _on_http)  # type: ignore[arg-type]
    # What Exception alone is the handler of, the server raises again after the answer: only what is a defect.
    for kind in (OSError, DBAPIError, Exception):
        app.add_exception_handler(kind, _on_unexpected)


def responses(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """The error shapes of a route, for its OpenAPI description."""
    schema = {"$ref": "#/components/schemas/Problem"}
    return {
        status: {"description": HTTPStatus(status).phrase, "content": {MEDIA_TYPE: {"schema": schema}}}
        for status in statuses
    }
