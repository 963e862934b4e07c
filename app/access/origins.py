"""From where a request may come: by which name the service is called, and from which pages.

Two attacks reach a service on loopback through a browser. With DNS rebinding, a page's own name is made to
lead to this machine, so that the browser takes the service for the page's own server: its requests carry the
page's name as `Host`. With cross-site request forgery, a page sends what needs no permission: a form, a plain
text, a request without a body. Browsers say so in `Origin` and `Sec-Fetch-Site`, which a page cannot set;
programs such as curl send neither, and need not.
"""

from __future__ import annotations

import re
from urllib.parse import urlsplit

from fastapi import Request
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from app.addresses import PORTS, is_loopback, origin_of
from app.errors import ServiceError, reply
from app.settings import Settings

SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
"""They change nothing, and no other page can read their answers."""


_HOST = re.compile(r"(?P<name>\[[0-9a-f:.]+\]|[a-z0-9._-]+)(:[0-9]{1,5})?")


class OriginGuard:
    """ASGI middleware that answers what comes from other sites with a problem document: 400, 403 or 421."""

    def __init__(self, app: ASGIApp, settings: Settings) -> None:
        self._app = app
        own = (settings.host.lower(), settings.published_host.lower())
        self._hosts = {"localhost", *own, *settings.allowed_host_names} - {""}
        self._origins = set(settings.allowed_origins)
        if settings.public_url:
            self._hosts.add(urlsplit(settings.public_url).hostname or "")
            self._origins.add(origin_of(settings.public_url))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, or refuse it."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        refusal = self._refusal(scope)
        if refusal is None:
            await self._app(scope, receive, send)
        else:
            await reply(Request(scope), refusal)(scope, receive, send)

    def _refusal(self, scope: Scope) -> ServiceError | None:
        headers = Headers(scope=scope)
        hosts = headers.getlist("host")
        if len(hosts) > 1 or (not hosts and scope["http_version"] != "1.0"):
            received = ", ".join(hosts) or "none"
            message = f"Expected one Host header. Received: {received}."
            return ServiceError(
                400,
                "bad_host",
                message,
                hint="Send one Host header with the address of the service, such as localhost:8000.",
            )
        host = hosts[0] if hosts else ""
        if hosts and not self._is_ours(host, scope):
            message = (
                "Expected a request to localhost, to the address the service listens on, or to its "
                f"MODEL_TRANSFER_PUBLIC_URL. Received: {host}."
            )
            hint = (
                "Use one of these names. The operator can allow others with MODEL_TRANSFER_PUBLIC_URL or "
                "MODEL_TRANSFER_ALLOWED_HOSTS."
            )
            return ServiceError(421, "host_not_allowed", message, hint=hint)
        is_preflight = scope["method"] == "OPTIONS" and "access-control-request-method" in headers
        if scope["method"] in SAFE_METHODS and not is_preflight:
            return None
        return self._foreign(headers, host)

    def _is_ours(self, host: str, scope: Scope) -> bool:
        name = _host(host)
        if not name:
            return False
        # The address that the connection came in at cannot be a name that leads here by rebinding.
        own = (scope.get("server") or ("", None))[0]
        return name in self._hosts or name == own or is_loopback(name)

    def _foreign(self, headers: Headers, host: str) -> ServiceError | None:
        """The refusal of an unsafe request that another website's page makes."""
        origins, sites = headers.getlist("origin"), headers.getlist("sec-fetch-site")
        strange = [one for one in origins if one.lower() not in self._origins and not _is_same(one, host)]
        cross = [site for site in sites if site not in ("same-origin", "none")]
        if strange:
            received = f"a request from a page of {strange[0]}"
        elif cross and not origins:  # the origin, where it is told, says more
            received = f"a request from another website's page ({cross[0]})"
        else:
            return None
        message = (
            f"Expected a request from a page of this service, or not from a web page. Received: {received}."
        )
        hint = (
            "If this page should use the service, the operator adds its origin, such as https://example.com, "
            "to MODEL_TRANSFER_CORS_ORIGINS. If it is the address of this service behind a proxy, it belongs "
            "in MODEL_TRANSFER_PUBLIC_URL."
        )
        return ServiceError(403, "origin_not_allowed", message, hint=hint)


def _is_same(origin: str, host: str) -> bool:
    """Whether a page of this origin was loaded by the name and port of `Host`; a proxy may speak TLS."""
    try:
        page, here = urlsplit(origin), urlsplit(f"//{host}")
        if page.scheme not in PORTS or not page.hostname or page.username is not None:
            return False
        usual = PORTS[page.scheme]
        return (page.hostname, page.port or usual) == (here.hostname, here.port or usual)
    except ValueError:
        return False


def _host(host: str) -> str | None:
    """The name in a Host header, in small letters and without its port; None where it is malformed."""
    found = _HOST.fullmatch(host.lower())
    return None if found is None else found["name"].strip("[]")
