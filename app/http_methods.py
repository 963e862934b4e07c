"""Which methods a path takes: `HEAD` wherever `GET` is, and 405 with all of them in `Allow` for any other."""

from __future__ import annotations

import re
from collections import defaultdict
from functools import cached_property

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse
from fastapi.routing import iter_route_contexts
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.errors import MEDIA_TYPE, ServiceError, problem_of

ASKED_FOR_HEAD = "model_transfer.asked_for_head"
"""Set in the scope of a request that is answered as GET, its body left out."""


class HttpMethods:
    """Answers 405 where a path takes other methods, and HEAD as GET without its body.

    A router knows the methods of one route, while several share a path.
    """

    def __init__(self, app: ASGIApp, service: FastAPI) -> None:
        self.app = app
        self.service = service

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let pass what the path takes; what has no route, too."""
        allowed = self._allowed(scope["path"]) if scope["type"] == "http" else []
        if not allowed or (scope["method"] in allowed and scope["method"] != "HEAD"):
            await self.app(scope, receive, send)
        elif scope["method"] in allowed:
            as_get = {**scope, "method": "GET", ASKED_FOR_HEAD: True}
            bodiless = _Bodiless(receive, send)
            await self.app(as_get, bodiless.receive, bodiless.send)
        else:
            await _refusal(Request(scope), allowed)(scope, receive, send)

    def _allowed(self, path: str) -> list[str]:
        """Of the paths that match, the one that says most counts: `{job}:cancel`, and not `{job}`."""
        matching = [form for form, regex in self._forms if regex.match(path)]
        return self._methods[max(matching, key=_said)] if matching else []

    @cached_property
    def _forms(self) -> list[tuple[str, re.Pattern[str]]]:
        contexts = iter_route_contexts(self.service.routes)
        return [(c.path_format, c.path_regex) for c in contexts if c.methods and c.path_format]

    @cached_property
    def _methods(self) -> dict[str, list[str]]:
        found: dict[str, set[str]] = defaultdict(set)
        for context in iter_route_contexts(self.service.routes):
            if context.methods and context.path_format:
                found[context.path_format] |= context.methods
        with_head = {form: taken | ({"HEAD"} if "GET" in taken else set()) for form, taken in found.items()}
        return {form: sorted(taken) for form, taken in with_head.items()}


def _said(form: str) -> int:
    return len(re.sub(r"\{[^}]*\}", "", form))


def _refusal(request: Request, allowed: list[str]) -> JSONResponse:
    *others, last = allowed
    expected = f"{', '.join(others)} or {last}" if others else last
    message = f"Expected {expected} at {request.url.path}. Received: {request.method}."
    problem = problem_of(
        request,
        ServiceError(405, "method_not_allowed", message, hint="Use one of the methods that are expected."),
    )
    headers = {"Allow": ", ".join(allowed)}
    return JSONResponse(problem.model_dump(mode="json"), 405, headers, MEDIA_TYPE)


class _Bodiless:
    """The ends of a connection whose client wants status and headers alone."""

    def __init__(self, receive: Receive, send: Send) -> None:
        self._receive, self._send = receive, send
        self._begun = False

    async def receive(self) -> Message:
        """As it comes; once the headers are sent the client is as good as gone, so that no stream goes on."""
        return {"type": "http.disconnect"} if self._begun else await self._receive()

    async def send(self, message: Message) -> None:
        """Send the headers, and the end of the body with them."""
        if message["type"] == "http.response.start":
            self._begun = True
            await self._send(message)
            await self._send({"type": "http.response.body", "body": b"", "more_body": False})
