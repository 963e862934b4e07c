"""The one error of the service and its one shape on the wire: RFC 9457 problem documents."""

from __future__ import annotations

import difflib
import json
import logging
import os
import re
from collections.abc import Iterable, Mapping, Sequence
from http import HTTPStatus
from itertools import pairwise
from typing import Annotated, Any

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field
from sqlalchemy.exc import DBAPIError, OperationalError
from starlette.exceptions import HTTPException

from app.texts import shown, unstorable

log = logging.getLogger(__name__)

MEDIA_TYPE = "application/problem+json"

_OF_UNION = re.compile(r"(constrained-|nullable|function-|union)|[\w-]+\[.*\]$")
"""How pydantic names the members of a union, which no user wrote."""

_LONGEST_WORD = 200
_MOST_ERRORS = 20


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
    errors: list[Annotated[dict[str, Any], Field(description="One of the errors.")]] = Field(
        default_factory=list,
        description="If there are several: field, row or column of each, what was expected and received.",
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
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message
        self.hint = hint
        self.errors = [dict(error) for error in errors]
        self.headers = headers


_READ_ONLY = "25006"  # SQLSTATE of PostgreSQL


def is_unreachable(error: BaseException) -> bool:
    """Whether the database was not reached, or takes no writes, as while another server takes its place."""
    if not isinstance(error, DBAPIError):
        return False
    lost = isinstance(error, OperationalError) or error.connection_invalidated
    return lost or getattr(error.orig, "sqlstate", None) == _READ_ONLY


def is_transient(error: BaseException) -> bool:
    """Whether it is a matter of a disk, storage or database that is away for a while, and no defect."""
    return isinstance(error, OSError) or is_unreachable(error)


def public_reason(error: OSError) -> str:
    """What may be told of a disk's error: its kind, without any file, folder or address of the server."""
    return os.strerror(error.errno) if error.errno else type(error).__name__


def did_you_mean(received: str, known: Iterable[str]) -> str | None:
    """Name the nearest of the known words, if one is near."""
    if len(received) > _LONGEST_WORD:  # comparing takes time by the product of the lengths
        return None
    near = difflib.get_close_matches(received, list(known), n=1)
    return f"Did you mean: {near[0]}?" if near else None


def _problem(request: Request, error: ServiceError) -> Problem:
    return Problem(
        type=f"urn:model-transfer:error:{error.code}",
        title=HTTPStatus(error.status).phrase,
        status=error.status,
        code=error.code,
        detail=_printable(error.message),
        hint=_printable(error.hint),
        instance=_printable(request.url.path),
        errors=_printable(error.errors),
    )


def _printable(value: Any) -> Any:
    """The value with what no answer can hold written as escapes: an error often quotes what was wrong."""
    if isinstance(value, str):
        return shown(value) if unstorable(value) else value
    if isinstance(value, dict):
        return {_printable(key): _printable(item) for key, item in value.items()}
    return [_printable(item) for item in value] if isinstance(value, list) else value


def reply(request: Request, error: ServiceError, headers: Mapping[str, str] | None = None) -> Response:
    """The error as the answer to this request: JSON, or a page for a browser that asked for one."""
    problem = _problem(request, error)
    if request.url.path.startswith("/ui") and "text/html" in request.headers.get("accept", ""):
        page: Response = request.app.state.problem_page(request, problem)
        page.headers.update(headers or {})
        return page
    content = problem.model_dump(mode="json")
    if request.url.path.startswith("/v2"):  # what clients of the Open Inference Protocol read
        content["error"] = f"{content['detail']} {content['hint'] or ''}".strip()
    return JSONResponse(
        content,
        status_code=error.status,
        media_type=MEDIA_TYPE,
        headers=dict(headers or {}),
    )


def _shorten(value: Any) -> Any:
    """Keep what was received readable: an error must not send a whole upload back, nor what is no text."""
    if isinstance(value, bytes):
        value = value.decode("utf-8", "replace")
    try:
        text = json.dumps(value, allow_nan=False)
    except (TypeError, ValueError, RecursionError):
        value = text = str(value)[:1000]
    if len(text) > 200:
        return f"{shown(text[:200])}…"
    return shown(value) if isinstance(value, str) else value


def _place(loc: Sequence[str | int]) -> str:
    """Where in the request, without the kind that pydantic puts after a union's name."""
    parts = [shown(str(part))[:100] for part in loc if part not in ("body", "query", "path", "header")]
    kept = [
        part
        for before, part in pairwise(("", *parts))
        if before not in ("network", "method") and not _OF_UNION.match(part)
    ]
    return ".".join(kept) or "body"


def _what_to_do(error: Mapping[str, Any]) -> str:
    """The hint for one of pydantic's errors: what to change in the request."""
    place = _place(error["loc"])
    if error["type"] == "missing":
        return "Send a JSON object." if place == "body" else f"Add `{place}`."
    if error["type"] == "extra_forbidden":
        return f"Remove `{place}`, or correct its name."
    if error["type"] == "union_tag_invalid":
        place = f"{place}.kind"
    return _correct(place)


def _correct(field: str) -> str:
    return "Correct the body of the request." if field == "body" else f"Correct `{field}`."


def _field_error(error: Mapping[str, Any]) -> dict[str, Any]:
    """One of pydantic's errors in this service's words."""
    place = _place(error["loc"])
    received: Any = _shorten(error.get("input"))
    expected = str(error["msg"]).removeprefix("Value error, ").removeprefix("Input should be ")
    expected = expected.replace("Input should", "a value to", 1).removeprefix("expected ")
    if error["type"] == "extra_forbidden":
        expected = "a known field"
    elif error["type"] == "missing":
        expected, received = "a value, since it is required", None
    elif error["type"] == "json_invalid":
        place, expected = "body", "JSON"
        received = f"{error['ctx']['error']} at character {error['loc'][-1]}"
    elif error["type"] == "union_tag_invalid":
        place, expected = f"{place}.kind", f"one of {error['ctx']['expected_tags']}"
        received = _shorten(error["ctx"]["tag"])
    elif error["type"] in ("model_attributes_type", "dict_type"):
        expected = "a JSON object"
    return {"field": place, "expected": expected, "received": received}


def _explain(errors: list[dict[str, Any]], count: int) -> str:
    first = errors[0]
    more = f" ({count - 1} more in `errors`)" if count > 1 else ""
    received = "nothing" if first["received"] is None else json.dumps(first["received"], ensure_ascii=False)
    return f"{first['field']}: expected {first['expected']}. Received: {received}.{more}"


def field_problem(field: str, expected: str, received: str, *, hint: str | None = None) -> ServiceError:
    """The 422 of one field of a request; `received` says in words what it holds."""
    received = shown(received if len(received) <= 200 else f"{received[:200]}…")
    message = f"{field}: expected {expected}. Received: {received}."
    error = {"field": field, "expected": expected, "received": received}
    return ServiceError(422, "invalid_request", message, hint=hint or _correct(field), errors=[error])


def problem_of(request: Request, error: BaseException) -> Problem:
    """The problem document of an error that cannot become a response any more."""
    if isinstance(error, ServiceError):
        return _problem(request, error)
    if isinstance(error, RequestValidationError):
        return _problem(request, _invalid(request, error))
    return _problem(request, _fault(request, error))


def _on_validation(request: Request, exc: RequestValidationError) -> Response:
    return reply(request, _invalid(request, exc))


def _invalid(request: Request, exc: RequestValidationError) -> ServiceError:
    found = exc.errors()
    errors = [_field_error(error) for error in found[:_MOST_ERRORS]]
    content_type = request.headers.get("content-type", "none")
    hint = _what_to_do(found[0])
    is_json = re.match(r"application/([\w.-]+\+)?json\b", content_type) is not None
    none_read = any(
        told["field"] == "body" and error["type"] != "value_error"
        for told, error in zip(errors, found, strict=False)
    )
    if none_read and not is_json:
        hint = f"Send the body as JSON with `Content-Type: application/json`. Received: {content_type}."
    return ServiceError(422, "invalid_request", _explain(errors, len(found)), hint=hint, errors=errors)


def _on_http(request: Request, exc: HTTPException) -> Response:
    detail = exc.detail if isinstance(exc.detail, str) else json.dumps(exc.detail)
    hint = "/docs lists the API's routes." if exc.status_code in (404, 405) else None
    if exc.status_code in (404, 405):
        detail = f"Expected one of the API's routes. Received: {request.method} {request.url.path}."
    code = HTTPStatus(exc.status_code).phrase.lower().replace(" ", "_")
    return reply(request, ServiceError(exc.status_code, code, detail, hint=hint), exc.headers)


def reply_to_fault(request: Request, exc: Exception) -> Response:
    """The answer to a request that a defect, or what is away for a while, kept from being answered."""
    fault = _fault(request, exc)
    return reply(request, fault, {"Retry-After": "5"} if fault.status == 503 else None)


def _fault(request: Request, exc: BaseException) -> ServiceError:
    return _unavailable(request, exc) if is_transient(exc) else _unexpected(request, exc)


def _unexpected(request: Request, exc: BaseException) -> ServiceError:
    log.error("unexpected error at %s %s", request.method, request.url.path, exc_info=exc)
    message = "The service failed to process this request; nothing of it was stored."
    return ServiceError(500, "internal_error", message, hint="The server's log has the reason.")


def _unavailable(request: Request, exc: BaseException) -> ServiceError:
    """A database, disk or storage that is away for a while is no defect, and the client may try again."""
    log.error("unavailable at %s %s: %s", request.method, request.url.path, exc)
    message = "Expected the database to answer. Received: no answer."
    if isinstance(exc, OSError):
        message = f"Expected a storage that can be read and written. Received: {public_reason(exc)}."
    hint = "Try again in a moment; GET /readyz says what is missing. Nothing that was accepted is lost."
    return ServiceError(503, "unavailable", message, hint=hint)


def install(app: FastAPI) -> None:
    """Give every error of the application the one shape."""
    app.add_exception_handler(ServiceError, lambda request, exc: reply(request, exc, exc.headers))
    app.add_exception_handler(RequestValidationError, _on_validation)  # type: ignore[arg-type]
    app.add_exception_handler(HTTPException, _on_http)  # type: ignore[arg-type]
    # What Exception alone is the handler of, the server raises again after the answer: only what is a defect.
    for kind in (OSError, DBAPIError, Exception):
        app.add_exception_handler(kind, reply_to_fault)


def responses(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """The error shapes of a route, for its OpenAPI description."""
    schema = {"$ref": "#/components/schemas/Problem"}
    return {
        status: {
            "description": HTTPStatus(status).phrase,
            "content": {MEDIA_TYPE: {"schema": schema, "example": _example(status)}},
        }
        for status in statuses
    }


_EXAMPLES = {
    400: ("bad_host", "Expected one Host header. Received: none."),
    401: ("key_missing", "Expected one header `Authorization: Bearer mt_…`. Received: none."),
    403: ("origin_not_allowed", "Expected a request from a page of this service, or from no page at all. …"),
    404: ("dataset_not_found", "Expected the id, the name or `name@version` of a data set. Received: sorce."),
    409: ("job_state", "Expected a job that can be paused. Received: grades-7b, which is failed."),
    410: ("version_deleted", "Expected a version whose files are kept. Received: grades@1."),
    408: ("too_slow", "Expected at least 1024 bytes of the body a second. Received: fewer for 30 seconds."),
    413: ("too_large", "Expected a body of at most 1048576 bytes. Received: a larger one."),
    415: (
        "binary_tensors",
        "Expected tensors in JSON. Received: binary data.",
    ),
    416: ("range_not_satisfiable", "Expected a range within the file's 340 bytes. Received: bytes=900-."),
    421: ("host_not_allowed", "Expected a request to localhost, … Received: evil.example."),
    422: ("invalid_request", "limit: expected less than or equal to 1000. Received: 2000."),
    429: ("too_many_requests", "Expected at most 600 requests per 1 minute. Received: one more."),
    500: ("internal_error", "The service failed to process this request; nothing of it was stored."),
    503: ("unavailable", "Expected the database to answer. Received: no answer."),
    507: ("quota_full", "Expected less than 1000000 bytes to be kept. Received: 1000200 bytes of datasets."),
}


def _example(status: int) -> dict[str, Any]:
    code, detail = _EXAMPLES[status]
    problem = Problem(
        type=f"urn:model-transfer:error:{code}",
        title=HTTPStatus(status).phrase,
        status=status,
        code=code,
        detail=detail,
        hint=None,
        instance="/v1/…",
    )
    return problem.model_dump(mode="json")
