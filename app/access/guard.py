"""Asks every request who it is from, before a route is chosen: so a route that is added is closed."""

from __future__ import annotations

import logging
from contextlib import suppress

from fastapi import FastAPI, Request
from sqlalchemy.exc import DBAPIError
from starlette.concurrency import run_in_threadpool
from starlette.responses import RedirectResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from app.access import browser, scopes
from app.access.caller import Caller, keep_caller
from app.access.keyring import AT_MOST_EVERY, KeyRing, write_use
from app.errors import ServiceError, reply, reply_to_fault
from app.logs import caller_log_context

log = logging.getLogger(__name__)


class KeyGuard:
    """ASGI middleware that answers what has no key, or one of too small a scope: 401 and 403."""

    def __init__(self, app: ASGIApp, service: FastAPI) -> None:
        self._app = app
        self._service = service

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on with who it is from, or refuse it."""
        if scope["type"] != "http" or scopes.is_open(scope["path"]):
            await self._app(scope, receive, send)
            return
        request = Request(scope)
        try:
            caller = await self._caller(request)
        except ServiceError as refusal:
            await _refused(request, refusal)(scope, receive, send)
            return
        except (DBAPIError, OSError) as error:  # nobody is let in by a database that is away
            await reply_to_fault(request, error)(scope, receive, send)
            return
        keep_caller(request, caller)
        with caller_log_context(caller.key_name, caller.workspace_name):
            await self._app(scope, receive, send)
            await self._write_use(caller)

    async def _caller(self, request: Request) -> Caller:
        ring: KeyRing = self._service.state.keyring
        authorization = browser.authorization(request)
        if not ring.is_fresh():
            await run_in_threadpool(ring.refresh)
        elif not ring.is_known(authorization) and not ring.is_fresh(AT_MOST_EVERY):
            await run_in_threadpool(ring.refresh, AT_MOST_EVERY)  # it may have been made this moment
        caller = ring.caller(authorization)
        needed = scopes.scope_needed(request.method, request.url.path)
        if not caller.may(needed):
            raise _too_small(caller, needed)
        return caller

    async def _write_use(self, caller: Caller) -> None:
        """After the answer, which does not wait for it."""
        ring: KeyRing = self._service.state.keyring
        if caller.key_id is not None and ring.is_use_due(caller):
            with suppress(DBAPIError, OSError):
                await run_in_threadpool(write_use, self._service.state.sessions, caller.key_id)


def _refused(request: Request, refusal: ServiceError) -> Response:
    """The problem; of a page that nobody has signed in for, where to do so."""
    if refusal.status == 401 and scopes.is_page(request.url.path):
        return RedirectResponse(browser.sign_in_address(request), 303)
    return reply(request, refusal, refusal.headers)


def _too_small(caller: Caller, needed: scopes.Scope) -> ServiceError:
    if caller.key_id is None:
        message = "Expected a key with the scope admin. Received: a request without one: there is no key yet."
        hint = "Make the first key on the command line: model-transfer keys create NAME --scope admin"
        return ServiceError(403, "no_keys", message, hint=hint)
    message = (
        f"Expected a key with the scope {needed}. Received: {caller.key_name}, whose scope is {caller.scope}."
    )
    return ServiceError(
        403,
        "scope_too_small",
        message,
        hint=f"Use a key with the scope {needed}; an admin can make one.",
        headers={
            "WWW-Authenticate": f'Bearer realm="model-transfer", error="insufficient_scope", scope="{needed}"'
        },
    )
