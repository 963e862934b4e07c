"""uvicorn, made to lose no request when it stops."""

from __future__ import annotations

import asyncio
import socket
import sys

import uvicorn
from uvicorn.supervisors import Multiprocess

from app.settings import Settings

LAST_REQUESTS_SECONDS = 0.3


class GentleServer(uvicorn.Server):
    """Reads what is on its way in before it closes connections.

    uvicorn closes connections without a request at once, those whose request is about to be read as well.
    """

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Take no more connections, give those there are a moment to say what they want, then close."""
        for server in self.servers:
            server.close()
        await asyncio.sleep(LAST_REQUESTS_SECONDS)
        await super().shutdown(sockets)


def run(settings: Settings) -> None:
    """Serve the API until SIGINT or SIGTERM, in as many processes as are set."""
    config = uvicorn.Config(
        "app.main:create_app",
        factory=True,
        host=settings.host,
        port=settings.port,
        fd=settings.listen_fd if settings.listen_fd >= 0 else None,
        workers=settings.api_processes,
        log_level=settings.log_level,
        log_config=uvicorn.config.LOGGING_CONFIG if settings.log_format == "text" else None,
        access_log=settings.log_level in ("debug", "info") and not sys.stderr.isatty(),
        timeout_graceful_shutdown=5,
    )
    if config.workers == 1:
        GentleServer(config).run()
        return
    # Its processes are uvicorn's own servers: restart them one by one behind a proxy that asks again.
    Multiprocess(config, sockets=[config.bind_socket()]).run()
