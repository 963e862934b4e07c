"""Which scope does a request need? One answer for every route, those to come included."""

from __future__ import annotations

from typing import Literal

from app.access.origins import SAFE_METHODS

Scope = Literal["read", "write", "admin"]

RANKS: dict[Scope, int] = {"read": 0, "write": 1, "admin": 2}
"""Each may do what those before it may."""

OPEN = frozenset(
    {
        *("/docs", "/docs/oauth2-redirect", "/docs/openapi.json", "/redoc", "/openapi.json"),
        *("/healthz", "/readyz"),
        *("/v2", "/v2/health/live", "/v2/health/ready"),
        *("/ui/sign-in", "/ui/sign-out"),
    }
)
"""What anyone may ask for: it tells nothing of users."""

OPEN_FOLDERS = ("/static-offline-docs/", "/ui/files/")
"""The scripts and styles of the documentation and of the pages."""

PAGES = "/ui/"
"""Where the pages for people are, but for the first."""

ASKED = ("/v1/models/", "/ui/models/")
"""What is asked for predictions, which change nothing."""

ADMINISTRATION = ("/v1/keys", "/v1/workspaces", "/v1/audit")


def is_open(path: str) -> bool:
    """Whether the path needs no key."""
    return path in OPEN or path.startswith(OPEN_FOLDERS)


def is_page(path: str) -> bool:
    """Whether it is a page for people, who sign in with their browser."""
    return path == "/" or path.startswith(PAGES)


def scope_needed(method: str, path: str) -> Scope:
    """The least scope that a key for this request has."""
    if any(path == one or path.startswith(f"{one}/") for one in ADMINISTRATION):
        return "admin"
    # Who may download a model can ask it as well.
    infers = path.startswith("/v2/models/") and path.endswith("/infer")
    asks = infers or (path.startswith(ASKED) and path.endswith(":predict"))
    predicts = method.upper() == "POST" and asks
    return "read" if predicts or method.upper() in SAFE_METHODS else "write"
