"""uvicorn, made to lose no request when it stops."""

from __future__ import annotations

import asyncio
import copy
import logging
import os
import signal
import socket
import sys
from collections.abc import Callable, Sequence
from typing import Any

import uvicorn
from uvicorn.logging import AccessFormatter, DefaultFormatter

from app.logs import caller_suffix, known_secrets
from app.redaction import without_secrets
from app.serving.listening_socket import open_listening_socket
from app.serving.slow_headers import impatient
from app.serving.supervisor import Child, Supervisor
from app.settings import Settings

LAST_REQUESTS_SECONDS = 0.3


class GracefulServer(uvicorn.Server):
    """Reads what is on its way in before it closes connections.

    uvicorn closes connections without a request at once, those whose request is about to be read as well.
    """

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Take no more connections, give those there are a moment to say what they want, then close."""
        for server in self.servers:
            server.close()
        await asyncio.sleep(LAST_REQUESTS_SECONDS)
        await super().shutdown(sockets)


def run(settings: Settings, say: Callable[[str], None]) -> None:
    """Serve the API until SIGINT or SIGTERM, in as many processes as are set.

    Raises:
        CannotServe: the address is in use.
        GaveUp: a process fails again and again.
    """
    listener = open_listening_socket(settings)
    if settings.api_processes == 1:
        _answer(settings, listener)
        return
    supervisor = Supervisor(say)
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: supervisor.over.set())
    try:
        for child in api_children(settings, listener):
            supervisor.add(child)
        supervisor.watch()
    finally:
        listener.close()
        supervisor.stop()


def api_children(settings: Settings, listener: socket.socket) -> list[Child]:
    """The processes that answer on one socket; ending one by SIGTERM loses no request."""
    os.environ["MODEL_TRANSFER_LISTEN_FD"] = str(listener.fileno())
    os.environ["MODEL_TRANSFER_API_PROCESSES"] = "1"
    command = [sys.executable, "-m", "app", "api"]
    names = [f"api {number}" for number in range(1, settings.api_processes + 1)]
    return [
        Child(name if len(names) > 1 else "api", command, stop_seconds=10, shared=(listener.fileno(),))
        for name in names
    ]


class _Redacted(logging.Formatter):
    """Lines without passwords and keys, whatever formatter stands beside it."""

    def __init__(self, secrets: Sequence[str], **options: Any) -> None:
        super().__init__(**options)
        self._secrets = secrets

    def format(self, record: logging.LogRecord) -> str:
        """The line."""
        return without_secrets(super().format(record), *self._secrets)

    def formatMessage(self, record: logging.LogRecord) -> str:  # the library's name
        """Its first part, before any traceback."""
        return super().formatMessage(record) + caller_suffix()


class _RedactedFormatter(_Redacted, DefaultFormatter):
    """uvicorn's lines, and tracebacks of what nobody caught."""


class _RedactedAccessFormatter(_Redacted, AccessFormatter):
    """Its lines of requests, whose addresses may hold secrets."""


def _log_config(settings: Settings) -> dict[str, Any]:
    config = copy.deepcopy(uvicorn.config.LOGGING_CONFIG)
    for name, formatter in (("default", _RedactedFormatter), ("access", _RedactedAccessFormatter)):
        config["formatters"][name] |= {"()": formatter, "secrets": known_secrets(settings)}
    return config


def _answer(settings: Settings, listener: socket.socket) -> None:
    GracefulServer(uvicorn_config(settings)).run([listener])


def uvicorn_config(settings: Settings) -> uvicorn.Config:
    """uvicorn's own settings."""
    return uvicorn.Config(
        "app.main:create_app",
        factory=True,
        http=impatient(settings.header_seconds),
        log_level=settings.log_level,
        log_config=_log_config(settings) if settings.log_format == "text" else None,
        access_log=settings.log_level in ("debug", "info") and not sys.stderr.isatty(),
        timeout_graceful_shutdown=5,
        proxy_headers=bool(settings.trusted_proxies),
        forwarded_allow_ips=settings.trusted_proxies,  # never what the environment says beside the settings
    )
