"""How many requests may one client send, and what is each told of it? By its key, or by its address."""

from __future__ import annotations

import logging
import math
import time
from typing import TYPE_CHECKING

from starlette.concurrency import run_in_threadpool
from starlette.datastructures import MutableHeaders
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.access.caller import key_of
from app.errors import ServiceError, reply
from app.settings import Settings

if TYPE_CHECKING:
    from limits import RateLimitItem
    from limits.storage import Storage

FREE = frozenset({"/healthz", "/readyz", "/metrics", "/v2/health/live", "/v2/health/ready"})
"""Whoever watches the service is not counted, nor are its own checks."""

_REDIS_SECONDS = 1.0
_QUIET_SECONDS = 5.0
"""How long nothing is counted after the counters were found away."""

log = logging.getLogger(__name__)


class RequestRates:
    """ASGI middleware that counts requests, in the broker's Redis, so that all processes count together.

    Where it is away nobody is refused: a limit protects the service from its users, not from its own faults.
    """

    def __init__(self, app: ASGIApp, settings: Settings) -> None:
        from limits import parse
        from limits.strategies import SlidingWindowCounterRateLimiter

        self._app = app
        self._rate: RateLimitItem = parse(settings.request_rate)
        self._limiter = SlidingWindowCounterRateLimiter(_storage(settings))
        self._quiet_until = 0.0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, with what is left told beside its answer, or refuse it."""
        if scope["type"] != "http" or scope["path"] in FREE or time.monotonic() < self._quiet_until:
            await self._app(scope, receive, send)
            return
        try:
            is_within, left, seconds = await run_in_threadpool(self._count, _client(scope))
        except OSError as error:
            self._quiet_until = time.monotonic() + _QUIET_SECONDS
            log.warning("requests are not counted: %s", type(error).__name__)
            await self._app(scope, receive, send)
            return
        told = self._told(left, seconds)

        async def tell(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).update(told)
            await send(message)

        if is_within:
            await self._app(scope, receive, tell)
        else:
            refusal = self._refusal(seconds)
            await reply(Request(scope), refusal, refusal.headers)(scope, receive, tell)

    def _count(self, client: str) -> tuple[bool, int, int]:
        """Whether the request is within the rate, how many are left, and seconds until there are more."""
        from limits.errors import StorageError

        try:
            is_within = self._limiter.hit(self._rate, client)
            stats = self._limiter.get_window_stats(self._rate, client)
        except StorageError as error:
            raise OSError(str(error)) from error
        return is_within, stats.remaining, max(1, math.ceil(stats.reset_time - time.time()))

    def _told(self, left: int, seconds: int) -> dict[str, str]:
        """The fields of the IETF's draft of RateLimit headers."""
        window = self._rate.get_expiry()
        return {
            "RateLimit-Policy": f'"default";q={self._rate.amount};w={window}',
            "RateLimit": f'"default";r={left};t={seconds}',
        }

    def _refusal(self, seconds: int) -> ServiceError:
        return ServiceError(
            429,
            "too_many_requests",
            f"Expected at most {self._rate.amount} requests in {self._rate.get_expiry()} seconds. "
            "Received: one more.",
            hint="Wait for the seconds that `Retry-After` says; in place of asking for a job again and "
            "again, ask with `?wait=`. The operator can raise MODEL_TRANSFER_REQUEST_RATE.",
            headers={"Retry-After": str(seconds)},
        )


def _client(scope: Scope) -> str:
    """The key, wherever it is used; else the address, behind trusted proxies the one that these name."""
    return key_of(scope) or (scope.get("client") or ("unknown", 0))[0]


def _storage(settings: Settings) -> Storage:
    """Redis, or of a broker that this library does not know the memory of each process."""
    from limits.storage import MemoryStorage, RedisStorage

    url = settings.effective_broker_url.replace("redis+socket://", "redis+unix://", 1)
    if not url.startswith(("redis://", "rediss://", "redis+unix://")) or ";" in url:
        return MemoryStorage()
    return RedisStorage(
        url,
        key_prefix="model-transfer.rates",
        wrap_exceptions=True,
        socket_timeout=_REDIS_SECONDS,
        socket_connect_timeout=_REDIS_SECONDS,
    )
