"""`model-transfer predictor`: python -m workers.predictor."""

from __future__ import annotations

import logging
import os
import socket
from pathlib import Path

import uvicorn

from app import logs
from app.datasets.file_limits import file_limits
from app.object_storage import storage_of
from app.private_files import prepare_socket
from app.settings import Settings, get_settings
from workers.predictor.server import application
from workers.predictor.versions import Versions

log = logging.getLogger(__name__)


def main() -> None:
    """Answer until SIGTERM; what was accepted is answered before the end."""
    settings = get_settings()
    logs.configure(settings)
    _threads(settings)
    versions = Versions(storage_of(settings).require, settings.predictor_memory_bytes)
    app = application(versions, file_limits(settings), settings.predictor_waiting_rows)
    prepare_socket(settings.data_dir / "predictor", "predictor.sock")
    address = settings.effective_predictor_url
    log.info("the predictor listens at %s", address)
    config = uvicorn.Config(app, log_config=None, access_log=False, timeout_graceful_shutdown=30)
    if address.startswith("unix:"):
        uvicorn.Server(config).run(sockets=[_own_socket(Path(address.removeprefix("unix:")))])
    else:
        config.host, config.port = _host(address), int(address.rpartition(":")[2])
        uvicorn.Server(config).run()


def _own_socket(path: Path) -> socket.socket:
    """A Unix socket for this account alone; uvicorn would let everybody in."""
    path.unlink(missing_ok=True)  # of a predictor that was killed
    made = socket.socket(socket.AF_UNIX)
    before = os.umask(0o177)
    try:
        made.bind(str(path))
    finally:
        os.umask(before)
    return made


def _host(address: str) -> str:
    """All addresses of the container that the name in the address is for."""
    return "127.0.0.1" if "127.0.0.1" in address or "localhost" in address else "0.0.0.0"


def _threads(settings: Settings) -> None:
    import tensorflow as tf

    if settings.worker_threads:
        tf.config.threading.set_intra_op_parallelism_threads(settings.worker_threads)


if __name__ == "__main__":
    main()
