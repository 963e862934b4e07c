"""How is a request sent, tried again, and its answer read?"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import httpx2

from app.client.problems import ApiError, NotReachable

_TRIES = 4
_NO_CONTENT = 204
AWAY = frozenset({429, 502, 503, 504})
"""Statuses after which the same request may do later."""

_REPEATABLE = frozenset({"GET", "HEAD", "PUT", "DELETE"})
EVENTS = "text/event-stream"
_FIRST_PAUSE_SECONDS, _LONGEST_PAUSE_SECONDS = 0.25, 10.0


class Connection:
    """Requests to one service; where it is away for a moment, what may be sent twice is sent again."""

    def __init__(self, url: str, api_key: str | None, timeout: float) -> None:
        headers = {"Authorization": f"Bearer {api_key}"} if api_key else {}
        self.url = url
        self._http = httpx2.Client(base_url=url, timeout=timeout, headers=headers)

    def close(self) -> None:
        self._http.close()

    def json(self, method: str, path: str, **request: Any) -> Any:
        """The answer, None where it is empty.

        Raises:
            ApiError: the service refused. NotReachable: nothing answered.
        """
        keyed = "Idempotency-Key" in (request.get("headers") or {})
        tries = _TRIES if method in _REPEATABLE or keyed else 1
        for left in reversed(range(tries)):
            pause = _FIRST_PAUSE_SECONDS * 2 ** (tries - 1 - left)
            try:
                response = self._http.request(method, path, **request)
            except httpx2.TransportError as error:
                if not left:
                    raise NotReachable(self.url, told(error)) from error
            else:
                if response.status_code not in AWAY or not left:
                    break
                asked = ApiError.of(response).retry_after
                pause = pause if asked is None else asked
            time.sleep(min(pause, _LONGEST_PAUSE_SECONDS))
        if not response.is_success:
            raise ApiError.of(response)
        return None if response.status_code == _NO_CONTENT else _object(response)

    @contextmanager
    def stream(
        self, method: str, path: str, form: str | None = None, **request: Any
    ) -> Iterator[httpx2.Response]:
        """An answer that is read piece by piece; `form` is the media type that the service would answer.

        Raises:
            ApiError: the service refused. NotReachable: it did not answer, or the connection broke.
        """
        try:
            with self._http.stream(method, path, **request) as response:
                if not response.is_success:
                    response.read()
                    raise ApiError.of(response)
                if form not in (None, _form(response)):
                    raise ApiError.of_another(response)
                yield response
        except httpx2.TransportError as error:
            raise NotReachable(self.url, told(error)) from error

    def pages(self, path: str, params: Mapping[str, Any], place: str = "id") -> Iterator[dict[str, Any]]:
        """All of a list, page by page; `place` is the field that the next page follows after."""
        after = None
        while True:
            asked = {name: value for name, value in {**params, "after": after}.items() if value is not None}
            answer = self.json("GET", path, params={"limit": 100, **asked})
            yield from answer["data"]
            if not answer["has_more"]:
                return
            after = answer["data"][-1][place]


def told(error: Exception) -> str:
    """What went wrong, in words; some errors have none."""
    return str(error) or type(error).__name__


def _form(response: httpx2.Response) -> str:
    return response.headers.get("content-type", "").partition(";")[0].strip().lower()


def _object(response: httpx2.Response) -> dict[str, Any]:
    """All answers of the service are objects."""
    try:
        found = response.json()
    except ValueError:
        found = None
    if not isinstance(found, dict):
        raise ApiError.of_another(response)
    return found
