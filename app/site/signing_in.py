"""`/ui/sign-in` and `/ui/sign-out`: a browser gets a key, and forgets it."""

from __future__ import annotations

from fastapi import Request, Response
from fastapi.responses import RedirectResponse
from starlette.concurrency import run_in_threadpool

from app.access import browser
from app.access.keyring import KeyRing
from app.errors import ServiceError
from app.site.asking import own_form, texts
from app.site.asking import router as make_router
from app.site.rendering import page

router = make_router()

_MOST = 1 << 14


@router.get(browser.SIGN_IN)
async def show_sign_in(request: Request, next: str | None = None) -> Response:
    """The form, or that no key is needed."""
    ring = await _fresh_keys(request)
    return page(request, "sign_in.html", wanted=browser.own_page(next), is_needed=ring.has_keys, problem=None)


@router.post(browser.SIGN_IN)
async def sign_in(request: Request) -> Response:
    """To the page that was wanted, with the key in a cookie; the form again where it is no good one."""
    form = texts(await own_form(request, _MOST))
    wanted, key = browser.own_page(form.get("next")), form.get("key", "")
    ring = await _fresh_keys(request)
    try:
        ring.caller([f"Bearer {key}"])
    except ServiceError as problem:
        return page(request, "sign_in.html", 401, wanted=wanted, is_needed=True, problem=problem)
    response = RedirectResponse(wanted, 303)
    browser.keep_key(request, response, key)
    return response


@router.post("/ui/sign-out")
async def sign_out(request: Request) -> Response:
    """The browser forgets the key, which stays good."""
    await own_form(request, _MOST)
    response = RedirectResponse(browser.SIGN_IN, 303)
    browser.forget_key(response)
    return response


async def _fresh_keys(request: Request) -> KeyRing:
    ring: KeyRing = request.app.state.keyring
    await run_in_threadpool(ring.refresh, 0.25)
    return ring
