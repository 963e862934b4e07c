"""The socket that the API answers on."""

from __future__ import annotations

import socket

from sqlalchemy.exc import SQLAlchemyError

from app.access.keys import is_any
from app.addresses import is_loopback
from app.db.session import make_engine, make_read_sessions
from app.settings import Settings


class CannotServe(RuntimeError):
    """The service cannot start here; the message is the one line a user needs."""


def open_listening_socket(settings: Settings) -> socket.socket:
    """The inherited socket, or one at the address that is set, for processes started from here to inherit.

    It outlives the processes that answer on it, so that connections wait in it while one of them is started
    again: none is refused.

    Raises:
        CannotServe: the address is in use, not of this machine, or open to others though nobody allowed that.
    """
    if settings.listen_fd >= 0:
        listener = socket.socket(fileno=settings.listen_fd)
        _require_private(settings, listener)
        return listener
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    listener = socket.socket(family)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((settings.host, settings.port))
        _require_private(settings, listener)
        listener.listen(2048)
    except OSError as error:
        listener.close()
        raise CannotServe(
            "Expected a free address. "
            f"Received: {settings.host} port {settings.port} ({error.strerror}). "
            "Stop the program that listens there, or set MODEL_TRANSFER_PORT."
        ) from error
    listener.set_inheritable(True)
    return listener


def _require_private(settings: Settings, listener: socket.socket) -> None:
    """Refuse an address that others can reach, as long as there is no key to ask them for."""
    if settings.allow_anonymous or listener.family not in (socket.AF_INET, socket.AF_INET6):
        return
    address = settings.published_host or str(listener.getsockname()[0])
    if not is_loopback(address) and not has_keys(settings):
        listener.close()
        raise CannotServe(
            f"Expected a loopback address, since the service has no keys yet. Received: {address}, which "
            "others may reach. Make a key first: model-transfer keys create NAME --scope admin. Or listen on "
            "127.0.0.1, or set MODEL_TRANSFER_ALLOW_ANONYMOUS=true to let anyone who reaches it use the "
            "service."
        )


def has_keys(settings: Settings) -> bool:
    """Whether requests need a key; not where no database says so."""
    engine = make_engine(settings.effective_database_url)
    try:
        with make_read_sessions(engine)() as session:
            return is_any(session)
    except SQLAlchemyError:
        return False
    finally:
        engine.dispose()
