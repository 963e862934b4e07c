"""The socket that the API answers on."""

from __future__ import annotations

import socket

from app.settings import Settings


class CannotServe(RuntimeError):
    """The service cannot start here; the message is the one line a user needs."""


def open_door(settings: Settings) -> socket.socket:
    """The inherited socket, or one at the address that is set, for processes started from here to inherit.

    It outlives the processes that answer on it, so that connections wait in it while one of them is started
    again: none is refused.

    Raises:
        CannotServe: the address is in use or not of this machine.
    """
    if settings.listen_fd >= 0:
        return socket.socket(fileno=settings.listen_fd)
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    door = socket.socket(family)
    door.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        door.bind((settings.host, settings.port))
        door.listen(2048)
    except OSError as error:
        door.close()
        raise CannotServe(
            "Expected a free address. "
            f"Received: {settings.host} port {settings.port} ({error.strerror}). "
            "Stop what listens there, or set MODEL_TRANSFER_PORT."
        ) from error
    door.set_inheritable(True)
    return door
