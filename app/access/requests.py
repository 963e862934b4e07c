"""What a request may hold before a route looks at it: known parameters, text that can be kept, sane JSON."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Container, Coroutine, Iterable
from typing import Any

from fastapi import Request, Response, params
from fastapi.dependencies.utils import get_flat_params
from fastapi.routing import APIRoute
from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect

from app.errors import ServiceError, did_you_mean, field_problem
from app.texts import NotJson, read_json, shown, unstorable

log = logging.getLogger(__name__)

MOST_OF_A_SEGMENT = 200
"""Characters of a name in a path."""

Handler = Callable[[Request], Coroutine[Any, Any, Response]]


class StrictRoute(APIRoute):
    """A route that refuses what would be passed over in silence, or could not be kept.

    Those are query parameters that it does not have or that come twice, text that no database or answer can
    hold, and JSON with a key that comes twice, numbers beyond 64 bits or that are none, or too many levels.
    A body has `limit` bytes at most; an upload, which its route receives by itself, has its own limit.
    """

    limit = "max_json_bytes"
    """The setting that says how large a body may be."""

    any_query = False
    """Whether any query parameter is known, as of a form that an address fills in."""

    def get_route_handler(self) -> Handler:
        """The handler, with the checks before it."""
        handle = super().get_route_handler()
        known, repeatable = _query_parameters(self), _repeatable(self)

        async def checked(request: Request) -> Response:
            _check_path(request)
            _check_query(request, request.query_params if self.any_query else known, repeatable)
            if self.body_field is not None:
                request = _Whole(request.scope, request.receive)
                await request.read(getattr(request.app.state.settings, self.limit), self.limit)
            return await handle(request)

        return checked


class _Whole(Request):
    """A request whose body is read before FastAPI asks for it."""

    async def read(self, most: int, setting: str) -> None:
        """Read the body, and its JSON if it says that it is some.

        Raises:
            ServiceError: 413 beyond `most` bytes; 422 where it is no JSON, or holds what cannot be kept.
        """
        announced = self.headers.get("content-length", "")
        if len(announced) > 18 or (announced.isdecimal() and int(announced) > most):
            raise _too_large(most, setting)
        body = bytearray()
        try:
            async for chunk in self.stream():
                body += chunk
                if len(body) > most:
                    raise _too_large(most, setting)
        except ClientDisconnect:  # nobody hears the answer
            log.info("the client of %s %s left before its request was whole", self.method, self.url.path)
            raise ServiceError(
                400, "cut_off", "Expected a complete request. Received: only part of one."
            ) from None
        self._body = bytes(body)
        if not body or not _is_json(self.headers.get("content-type", "")):
            return
        try:
            # In a thread: a megabyte of small values takes a second, and other requests go on meanwhile.
            self._json = await run_in_threadpool(read_json, self._body)
        except NotJson as error:
            raise field_problem(error.place, error.expected, error.received) from None


def _too_large(most: int, setting: str) -> ServiceError:
    message = f"Expected a body of at most {most} bytes. Received: a larger one."
    hint = f"Send less; whoever runs the service can raise MODEL_TRANSFER_{setting.upper()}."
    return ServiceError(413, "too_large", message, hint=hint)


def _is_json(content_type: str) -> bool:
    media_type = content_type.partition(";")[0].strip().lower()
    return media_type.startswith("application/") and media_type.endswith(("/json", "+json"))


def _query_parameters(route: APIRoute) -> frozenset[str]:
    """Those of its function, and those that it reads by itself and declares."""
    declared = (route.openapi_extra or {}).get("parameters", [])
    flat = get_flat_params(route.dependant)
    own = {field.alias for field in flat if isinstance(field.field_info, params.Query)}
    return frozenset(own | {one["name"] for one in declared if one["in"] == "query"})


def _repeatable(route: APIRoute) -> frozenset[str]:
    """Those that it reads by itself, and declares to be arrays."""
    declared = (route.openapi_extra or {}).get("parameters", [])
    return frozenset(one["name"] for one in declared if one["schema"].get("type") == "array")


def _check_path(request: Request) -> None:
    for name, value in request.path_params.items():
        if problem := _unfit(str(value)):
            expected = f"1 to {MOST_OF_A_SEGMENT} characters of Unicode text, without control characters"
            raise field_problem(name, expected, problem)


def _check_query(request: Request, known: Iterable[str], repeatable: Container[str]) -> None:
    given = request.query_params.multi_items()
    for name, value in given:
        if name not in known:
            listed = ", ".join(sorted(known)) or "none"
            hint = did_you_mean(name, known) or f"Remove it. Query parameters of this route: {listed}."
            raise field_problem(shown(name)[:100], "a known query parameter", f"{name}={value}", hint=hint)
        if problem := unstorable(value) or ("bytes that are not UTF-8" if "\ufffd" in value else None):
            raise field_problem(name, "Unicode text", problem)
    counted = Counter(name for name, _ in given if name not in repeatable)
    repeated = [name for name, count in counted.items() if count > 1]
    if repeated:
        raise field_problem(
            repeated[0], "one value", f"{len(request.query_params.getlist(repeated[0]))} of them"
        )


def _unfit(text: str) -> str | None:
    if problem := unstorable(text):
        return problem
    if len(text) > MOST_OF_A_SEGMENT:
        return f"{len(text)} characters"
    return None if shown(text) == text else "a control character"
