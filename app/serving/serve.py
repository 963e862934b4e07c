"""`model-transfer serve`: broker, API, worker and sweeper on this machine, as one command."""

from __future__ import annotations

import fcntl
import os
import signal
import socket
import sys
import threading
import urllib.error
import urllib.request
from collections.abc import Callable
from typing import IO

from sqlalchemy import Engine

from app.addresses import is_loopback
from app.db.migrate import upgrade
from app.db.session import make_engine
from app.object_storage import storage_of
from app.private_files import make_folder, prepare_socket, readable_by_others
from app.serving import local_broker
from app.serving.listening_socket import CannotServe, has_keys, open_listening_socket
from app.serving.server import api_children
from app.serving.supervisor import Child, Supervisor
from app.settings import Settings
from app.storage import prepare


def serve(settings: Settings, say: Callable[[str], None]) -> None:
    """Run until SIGINT or SIGTERM.

    Raises:
        CannotServe: address in use, folder not writable, broker that does not start.
        GaveUp: a process dies again and again.
    """
    lock = _take_folder(settings)
    if readable_by_others(settings.data_dir):
        say(f"Other accounts on this machine can read {settings.data_dir}. To prevent that: chmod -R go= it.")
    listener = open_listening_socket(settings)
    port = int(listener.getsockname()[1])
    if not settings.broker_url:
        local_broker.prepare(settings)
    prepare_socket(settings.data_dir / "predictor", "predictor.sock")
    _export(settings, port)
    engine = make_engine(settings.effective_database_url)
    upgrade(engine)
    _prepare_storage(settings, engine)
    engine.dispose()
    supervisor = Supervisor(say)
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: supervisor.over.set())
    try:
        _start(settings, supervisor, listener)
        threading.Thread(target=_announce, args=(settings, port, supervisor, say), daemon=True).start()
        supervisor.watch()
    finally:
        say("Stopping: running jobs save a checkpoint and continue at the next start.")
        listener.close()
        supervisor.stop()
        lock.close()
    say("Stopped.")


def _take_folder(settings: Settings) -> IO[str]:
    folder = settings.data_dir
    try:
        make_folder(folder)
        lock = (folder / "serve.lock").open("w")
    except OSError as error:
        raise CannotServe(
            "Expected a data folder that can be written. "
            f"Received: {error.filename or folder} ({error.strerror}). "
            "Set MODEL_TRANSFER_DATA_DIR to another one."
        ) from error
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        raise CannotServe(
            f"Expected a data folder that is not in use. Received: {folder}, which another `serve` uses. "
            "Stop that one, or set MODEL_TRANSFER_DATA_DIR."
        ) from error
    return lock


def _prepare_storage(settings: Settings, engine: Engine) -> None:
    try:
        prepare(storage_of(settings), engine)
    except OSError as error:
        raise CannotServe(
            f"Expected the folder of files, {settings.storage_dir}, to be there and to be written. "
            f"Received: {error.strerror}. Mount or restore it, or correct MODEL_TRANSFER_STORAGE_URL."
        ) from error


def _export(settings: Settings, port: int) -> None:
    """The children read the environment; give them what was decided here."""
    os.environ["MODEL_TRANSFER_PORT"] = str(port)
    os.environ["MODEL_TRANSFER_DATA_DIR"] = str(settings.data_dir)
    os.environ["MODEL_TRANSFER_BROKER_URL"] = settings.effective_broker_url
    os.environ["MODEL_TRANSFER_PREDICTOR_URL"] = settings.effective_predictor_url


def _start(settings: Settings, supervisor: Supervisor, listener: socket.socket) -> None:
    this = [sys.executable, "-m", "app"]
    if not settings.broker_url:
        local_broker.stop_orphan(settings.broker_socket)
        supervisor.add(Child("broker", local_broker.command(settings), stop_seconds=10))
        if not local_broker.wait(settings.broker_socket):
            supervisor.stop()
            raise CannotServe(
                f"Expected the bundled broker to start. Received: no answer on {settings.broker_socket}; see "
                f"{settings.data_dir / 'broker' / 'broker.log'}. Or set MODEL_TRANSFER_BROKER_URL to a Redis."
            )
    supervisor.add(Child("sweeper", [*this, "sweeper"], stop_seconds=10))
    for child in api_children(settings, listener):
        supervisor.add(child)
    supervisor.add(Child("predictor", [*this, "predictor"], stop_seconds=35))
    supervisor.add(Child("worker", [*this, "worker"], stop_seconds=settings.stop_grace_seconds + 5))


def _announce(settings: Settings, port: int, supervisor: Supervisor, say: Callable[[str], None]) -> None:
    host = "127.0.0.1" if settings.host in ("0.0.0.0", "::") else settings.host
    address = f"http://{f'[{host}]' if ':' in host else host}:{port}"
    while not _ready(address):
        if supervisor.over.wait(0.1):
            return
    say(f"Ready. Documentation, where you can try it: {address}/docs")
    say(f"Data: {settings.data_dir}. Ctrl-C stops everything; the next start continues with it.")
    if has_keys(settings):
        say("Requests need a key: model-transfer keys list")
    elif is_loopback(settings.host):
        say("There are no keys yet, so it listens on this machine alone: model-transfer keys create NAME")
    else:
        say("Anyone who can reach this address can use the service: there are no keys.")


def _ready(address: str) -> bool:
    try:
        with urllib.request.urlopen(f"{address}/readyz", timeout=2) as answer:
            return bool(answer.status == 200)
    except (urllib.error.URLError, OSError):
        return False
