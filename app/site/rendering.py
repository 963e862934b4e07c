"""How does a page become HTML, with which headers, and what do all pages know?"""

from __future__ import annotations

import json
from datetime import UTC, datetime
from functools import cache
from typing import TYPE_CHECKING, Any

from fastapi import Request
from fastapi.responses import HTMLResponse

from app.access import browser
from app.access.caller import Caller, caller_if_known
from app.site.curl import Curl

if TYPE_CHECKING:
    from jinja2 import Environment

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; "
    "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
"""What a page may load and run: this service's own files alone, and no script or style within the page."""

STATES = {
    "queued": "waits for a worker",
    "running": "a worker is at it",
    "paused": "stopped, to be resumed",
    "succeeded": "done",
    "failed": "ended with an error",
    "cancelled": "ended by request",
}


def page(request: Request, template: str, status: int = 200, **values: Any) -> HTMLResponse:
    """The page of this template, with what its forms need."""
    html = rendered(request, template, **values)
    # What is behind a key is kept by no cache, nor by the browser for who comes after somebody signed out.
    headers = {"Content-Security-Policy": POLICY, "Cache-Control": "no-store", "Vary": "Cookie"}
    # Of a page that sends no referrer at all, browsers say that its forms have the origin `null`.
    response = HTMLResponse(html, status, {**headers, "Referrer-Policy": "same-origin"})
    browser.keep_form(request, response)
    return response


def rendered(request: Request, template: str, **values: Any) -> str:
    """The HTML alone, such as of a part that is sent while a job runs."""
    caller = caller_if_known(request)
    common = {
        "path": request.url.path,
        "caller": caller,
        "may_write": may_write(caller),
        "token_field": browser.TOKEN_FIELD,
        "token": browser.form_token(request),
        "curl": Curl(request, has_key=caller is not None and caller.key_id is not None),
        "states": STATES,
    }
    return _environment().get_template(template).render(common | values)


def may_write(caller: Caller | None) -> bool:
    """Whether buttons that change something are of use."""
    return caller is not None and caller.may("write")


@cache
def _environment() -> Environment:
    """Made at the first page: Jinja is slow to import, and an API that only programs use needs none."""
    from jinja2 import ChoiceLoader, Environment, PackageLoader, StrictUndefined

    from app.reports import charts, words

    environment = Environment(
        loader=ChoiceLoader([PackageLoader("app.site"), PackageLoader("app.reports")]),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(words.FILTERS)
    environment.filters.update(ago=_ago, pretty=_pretty, cell=_cell)
    environment.globals.update(seconds=words.between, chart=charts)
    return environment


def _ago(moment: datetime) -> str:
    """How long ago, as exactly as somebody would say it."""
    seconds = max(0.0, (datetime.now(UTC) - moment).total_seconds())
    for size, name in ((86_400, "day"), (3600, "hour"), (60, "minute")):
        if seconds >= size:
            count = int(seconds // size)
            return f"{count} {name}{'s' if count > 1 else ''} ago"
    return "just now"


def _pretty(value: Any) -> str:
    return json.dumps(value, indent=2, ensure_ascii=False, default=str)


def _cell(value: Any) -> str:
    """A cell of a table of rows."""
    if value is None:
        return ""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
