"""How does a page's route read a form, and answer what is refused? As a page, with what to do."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any

from fastapi import APIRouter, Request, Response
from fastapi.exceptions import RequestValidationError
from sqlalchemy.exc import DBAPIError
from starlette.datastructures import FormData

from app.access import browser
from app.access.requests import StrictRoute
from app.errors import Problem, ServiceError, problem_of
from app.site.rendering import page

MOST_FIELDS = 2000


class PageRoute(StrictRoute):
    """A route whose refusals are pages."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """The handler, with what it refuses as a page."""
        handle = super().get_route_handler()

        async def handled(request: Request) -> Response:
            try:
                return await handle(request)
            except (ServiceError, RequestValidationError, DBAPIError, OSError) as error:
                return refusal_page(request, error)

        return handled


class FilledRoute(PageRoute):
    """A form that an address fills in: what it does not know is passed over."""

    any_query = True


def router(route_class: type[PageRoute] = PageRoute) -> APIRouter:
    """A router of pages, which the OpenAPI document leaves out: they are no interface for programs."""
    return APIRouter(route_class=route_class, include_in_schema=False)


def refusal_page(request: Request, error: BaseException) -> Response:
    """What was expected, what was received, what to do."""
    return problem_page(request, problem_of(request, error))


def problem_page(request: Request, problem: Problem) -> Response:
    """The page of a problem, also of one that kept a request from reaching any page's route."""
    return page(request, "problem.html", problem.status, problem=problem)


async def own_form(request: Request, most: int) -> FormData:
    """The fields of a form of this service's pages.

    Raises:
        ServiceError: 403, it is none; 413, it has more than `most` bytes.
    """
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > most:
            message = f"Expected a form of at most {most} bytes. Received: a larger one."
            raise ServiceError(413, "too_large", message, hint="Send less.")
    request._body = bytes(body)
    form = await request.form(max_fields=MOST_FIELDS, max_part_size=most)
    token = form.get(browser.TOKEN_FIELD)
    browser.require_own_form(request, token if isinstance(token, str) else None)
    return form


def texts(form: FormData) -> dict[str, str]:
    """The fields that are text and not empty, but for the token."""
    return {
        name: value.strip()
        for name, value in form.items()
        if isinstance(value, str) and value.strip() and name != browser.TOKEN_FIELD
    }


def field_errors(problem: Problem) -> dict[str, str]:
    """What is wrong with each field that the problem names."""
    found: dict[str, str] = {}
    for one in problem.errors:
        field = str(one.get("field") or one.get("column") or "")
        received = one.get("received")
        told = f"Expected {one.get('expected')}." + ("" if received is None else f" Received: {received}.")
        if field:
            found.setdefault(field, told)
    return found
