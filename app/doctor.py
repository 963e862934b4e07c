"""`model-transfer doctor`: what is well here, what is not, and what to do about it."""

from __future__ import annotations

import platform
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Literal

from sqlalchemy.exc import SQLAlchemyError

from app.access import keys
from app.broker import Broker
from app.db.revision import OutdatedDatabase, require_current
from app.db.session import make_engine, make_read_sessions
from app.object_storage import storage_of
from app.predictions.predictor import Predictor, PredictorAway
from app.private_files import readable_by_others
from app.redaction import without_secrets
from app.settings import Settings

LITTLE_DISK = 2 << 30
PACKAGES = ("model-transfer", "fastapi", "sqlalchemy", "celery", "keras")


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at; `advice` is what to do where it is not well."""

    what: str
    state: Literal["ok", "warning", "failed"]
    message: str
    advice: str = ""


def examine(settings: Settings) -> Iterator[Finding]:
    """Look at each part in turn; none keeps the others from being looked at."""
    yield _versions()
    for look in (_folder, _database, _keys, _storage, _disk, _broker, _workers, _predictor):
        yield look(settings)


def _versions() -> Finding:
    found = [f"Python {platform.python_version()}"]
    for name in PACKAGES:
        try:
            found.append(f"{name} {version(name)}")
        except PackageNotFoundError:
            found.append(f"no {name}")
    for name in ("tensorflow-cpu", "tensorflow"):
        try:
            found.append(f"{name} {version(name)}")
            return Finding("versions", "ok", ", ".join(found))
        except PackageNotFoundError:
            continue
    advice = "Jobs need TensorFlow: install model-transfer[worker]. The API runs without it."
    return Finding("versions", "warning", ", ".join([*found, "no tensorflow"]), advice)


def _folder(settings: Settings) -> Finding:
    """What lies in it are users' data, and the broker's socket takes orders from whoever reaches it."""
    message = str(settings.data_dir)
    if readable_by_others(settings.data_dir):
        advice = f"To prevent that: chmod -R go= {settings.data_dir}"
        return Finding("folder", "warning", f"{message}: other accounts can read it", advice)
    return Finding("folder", "ok", message)


def _database(settings: Settings) -> Finding:
    engine = make_engine(settings.effective_database_url)
    where = without_secrets(engine.url.render_as_string(hide_password=True))
    file = engine.url.database if engine.url.get_backend_name() == "sqlite" else None
    if file is not None and not Path(file).exists():
        advice = "Start `model-transfer serve`, which creates it, or correct MODEL_TRANSFER_DATA_DIR."
        return Finding("database", "failed", f"{where}: there is no such file", advice)
    try:
        require_current(engine)
    except OutdatedDatabase as error:
        return Finding("database", "failed", f"{where}: {error}", "Run `model-transfer migrate`.")
    except SQLAlchemyError as error:
        advice = "Start it, or correct MODEL_TRANSFER_DATABASE_URL."
        return Finding("database", "failed", f"{where}: {_first_line(error)}", advice)
    finally:
        engine.dispose()
    return Finding("database", "ok", where)


def _keys(settings: Settings) -> Finding:
    if _database(settings).state == "failed":
        return Finding("keys", "warning", "cannot be read", "See the database.")
    engine = make_engine(settings.effective_database_url)
    with make_read_sessions(engine)() as session:
        counted = keys.count(session)
    engine.dispose()
    if not sum(counted.values()):
        if settings.allow_anonymous:
            advice = "Make one: model-transfer keys create NAME --scope admin"
            return Finding("keys", "warning", "none; anyone who reaches the service can use it", advice)
        return Finding("keys", "ok", "none; the service listens on this machine alone")
    message = ", ".join(f"{count} {state}" for state, count in counted.items() if count)
    if not counted["active"]:
        advice = "Nobody can use the service. Make one: model-transfer keys create NAME --scope admin"
        return Finding("keys", "failed", message, advice)
    return Finding("keys", "ok", message)


def _storage(settings: Settings) -> Finding:
    try:
        storage_of(settings).check()
    except OSError as error:
        advice = "Mount it, give this account write access, or correct MODEL_TRANSFER_STORAGE_URL."
        return Finding("storage", "failed", f"{settings.storage_dir}: {error.strerror}", advice)
    return Finding("storage", "ok", str(settings.storage_dir))


def _disk(settings: Settings) -> Finding:
    place = settings.storage_dir
    while not place.exists():
        place = place.parent
    usage = shutil.disk_usage(place)
    message = f"{usage.free / 2**30:.1f} of {usage.total / 2**30:.1f} GiB free at {place}"
    if usage.free < LITTLE_DISK:
        advice = "Delete data sets and versions, or set the retention settings; jobs wait while it is full."
        return Finding("disk", "warning", message, advice)
    return Finding("disk", "ok", message)


def _broker(settings: Settings) -> Finding:
    return _ask_broker(settings, "broker", _waiting)


def _waiting(settings: Settings, broker: Broker) -> Finding:
    waiting = {queue: broker.count_waiting(queue) for queue in settings.queue_names}
    if None in waiting.values():
        advice = "Start it (`model-transfer serve` starts its own), or correct MODEL_TRANSFER_BROKER_URL."
        return Finding("broker", "failed", "does not answer; jobs are accepted and wait", advice)
    message = ", ".join(f"{count} messages in {queue}" for queue, count in waiting.items())
    return Finding("broker", "ok", message)


def _workers(settings: Settings) -> Finding:
    return _ask_broker(settings, "workers", _answering)


def _answering(settings: Settings, broker: Broker) -> Finding:
    workers = broker.workers()
    if not workers:
        advice = "Start one: `model-transfer worker`, on any machine that reaches database, broker, storage."
        return Finding("workers", "failed", "none answers", advice)
    unserved = set(settings.queue_names) - {queue for queues in workers.values() for queue in queues}
    message = "; ".join(f"{name} ({', '.join(queues)})" for name, queues in sorted(workers.items()))
    if unserved:
        advice = f"No worker serves {', '.join(sorted(unserved))}: see MODEL_TRANSFER_WORKER_QUEUES."
        return Finding("workers", "warning", message, advice)
    return Finding("workers", "ok", message)


def _predictor(settings: Settings) -> Finding:
    address = without_secrets(settings.effective_predictor_url)
    try:
        Predictor(settings.effective_predictor_url, settings.predictor_seconds).look()
    except PredictorAway as away:
        advice = (
            "It takes some seconds to start. Start one: `model-transfer predictor` (`model-transfer serve` "
            "starts its own), or correct MODEL_TRANSFER_PREDICTOR_URL. Without one, jobs run all the same."
        )
        return Finding("predictor", "failed", f"{address}: none answers ({away})", advice)
    return Finding("predictor", "ok", address)


def _ask_broker(settings: Settings, what: str, ask: Callable[[Settings, Broker], Finding]) -> Finding:
    broker = Broker(settings.effective_broker_url)
    try:
        return ask(settings, broker)
    finally:
        broker.close()


def _first_line(error: Exception) -> str:
    return without_secrets(str(error).partition("\n")[0])
