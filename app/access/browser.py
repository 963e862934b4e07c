"""How does a browser show its key, and that a form is of a page of this service?

The key is in a cookie that no script reads and that no other site's page sends along. It counts for the
pages, and where a program's path is only read: what changes something by a program's path needs the header
that a browser never sends by itself. See docs/decisions/0068.

A form carries a token made from a cookie of its own and from the key, so that whoever can plant a cookie,
as another server on this host may, cannot make one.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from urllib.parse import quote, urlsplit

from starlette.requests import Request
from starlette.responses import Response

from app.access.origins import SAFE_METHODS
from app.access.scopes import is_page
from app.errors import ServiceError

KEY_COOKIE = "model_transfer_key"
FORM_COOKIE = "model_transfer_form"
TOKEN_FIELD = "form_token"
TOKEN_HEADER = "x-form-token"

SIGN_IN = "/ui/sign-in"
HOME = "/"

_LONGEST_COOKIE = 200


def authorization(request: Request) -> list[str]:
    """The headers `Authorization`, or what they would be for the key in the browser's cookie."""
    given = request.headers.getlist("authorization")
    if given or not (is_page(request.url.path) or request.method in SAFE_METHODS):
        return given
    key = _cookie(request, KEY_COOKIE)
    return [f"Bearer {key}"] if key else []


def keep_key(request: Request, response: Response, key: str) -> None:
    """Let the browser send the key from now on, until it is closed or signs out."""
    _set(request, response, KEY_COOKIE, key)


def forget_key(response: Response) -> None:
    """Let it send none any more, nor what forms were made with."""
    for name in (KEY_COOKIE, FORM_COOKIE):
        response.delete_cookie(name, path="/", httponly=True, samesite="strict")


def form_token(request: Request) -> str:
    """The token of a form on the page that answers this request; `keep_form` has to follow."""
    nonce = _cookie(request, FORM_COOKIE) or getattr(request.state, "form_nonce", "")
    if not nonce:
        nonce = request.state.form_nonce = secrets.token_urlsafe(24)
    return _token(request, nonce)


def keep_form(request: Request, response: Response) -> None:
    """Send the cookie that the page's forms were made with, where it is new."""
    nonce = getattr(request.state, "form_nonce", "")
    if nonce:
        _set(request, response, FORM_COOKIE, nonce)


def require_own_form(request: Request, token: str | None) -> None:
    """Nothing, if the form was on a page of this service that this browser was shown.

    Raises:
        ServiceError: 403; the form has no token, or another one.
    """
    nonce = _cookie(request, FORM_COOKIE)
    given = (token or request.headers.get(TOKEN_HEADER, "")).encode()
    if nonce and hmac.compare_digest(given, _token(request, nonce).encode()):
        return
    message = "Expected a form from a page of this service. Received: one whose token is missing or old."
    raise ServiceError(403, "form_not_own", message, hint="Load the page again, and send the form once more.")


def sign_in_address(request: Request) -> str:
    """Where to sign in, and where to go from there."""
    wanted = request.url.path if request.method in SAFE_METHODS else HOME
    if request.url.query and wanted != HOME:
        wanted = f"{wanted}?{request.url.query}"
    return SIGN_IN if wanted == HOME else f"{SIGN_IN}?next={quote(wanted, safe='')}"


def own_page(address: str | None) -> str:
    """The address, if it is one of a page of this service; else that of the first page."""
    address = address or HOME
    place = urlsplit(address)
    is_own = not place.scheme and not place.netloc and is_page(place.path) and "\\" not in address
    return address if is_own and address.isprintable() else HOME


def _token(request: Request, nonce: str) -> str:
    key = _cookie(request, KEY_COOKIE)
    return hmac.new(key.encode(), f"form {nonce}".encode(), hashlib.sha256).hexdigest()


def _cookie(request: Request, name: str) -> str:
    value = request.cookies.get(name, "")
    return value if len(value) <= _LONGEST_COOKIE and value.isascii() else ""


def _set(request: Request, response: Response, name: str, value: str) -> None:
    response.set_cookie(
        name, value, path="/", httponly=True, samesite="strict", secure=request.url.scheme == "https"
    )
