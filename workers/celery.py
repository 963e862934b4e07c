"""The Celery application of the workers: when to import TensorFlow, and when to stop."""

from __future__ import annotations

import ctypes
import gc
import logging
import os
import threading
from multiprocessing.sharedctypes import RawValue
from typing import Any

from celery import signals
from sqlalchemy.exc import SQLAlchemyError

from app.broker import make_celery, named
from app.logs import configure
from app.private_files import keep_private
from app.redaction import redact_tracebacks
from app.settings import get_settings
from workers.killed import end_their_jobs, oom_kills

log = logging.getLogger(__name__)

settings = get_settings()
app = make_celery("workers", settings.effective_broker_url)
app.conf.update(
    task_queues={named(queue): {"routing_key": named(queue)} for queue in settings.served_queues},
    include=["workers.tasks"],
    # The database's row says what became of a job, so a message is done with as soon as it is read.
    task_acks_late=False,
    worker_prefetch_multiplier=1,
    worker_disable_prefetch=True,
    worker_concurrency=settings.worker_concurrency,
    worker_max_tasks_per_child=settings.jobs_per_process,
    worker_soft_shutdown_timeout=settings.stop_grace_seconds,
    worker_enable_soft_shutdown_on_idle=False,
    worker_cancel_long_running_tasks_on_connection_loss=False,
    worker_send_task_events=False,
)

kills_seen: ctypes.c_longlong = RawValue(ctypes.c_longlong, 0)
"""How many processes the system had killed for memory when it was last asked."""

shutting_down: ctypes.c_bool = RawValue(ctypes.c_bool, False)
"""Set in the parent, read by the forked processes that run the jobs; no lock that one killed could hold."""


def is_shutting_down() -> bool:
    """Whether the worker was told to end."""
    return bool(shutting_down.value)


@signals.celeryd_init.connect  # type: ignore[untyped-decorator]
def _be_discreet(**_: Any) -> None:
    # As of `model-transfer worker`, also where Celery is started by itself.
    keep_private()
    redact_tracebacks()


@signals.setup_logging.connect  # type: ignore[untyped-decorator]
def _log(**_: Any) -> None:
    configure(settings)


@signals.worker_init.connect  # type: ignore[untyped-decorator]
def _import_tensorflow_before_forking(**_: Any) -> None:
    # Forked processes share it and start in milliseconds. No operation may run here: the forks would hang.
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    os.environ["KERAS_BACKEND"] = "tensorflow"
    import workers.runner  # noqa: F401
    from workers.transfer.networks.presets.places import leave_word

    leave_word(settings.effective_preset_dir)
    kills_seen.value = oom_kills() or 0
    # The libraries' objects stay. To look through a million of them for garbage takes half a second in the
    # midst of a job, and each process then copies the memory it shares; `run_next` collects after each job.
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000)


@signals.worker_process_init.connect  # type: ignore[untyped-decorator]
def _ask_whose_place_it_takes(**_: Any) -> None:
    kills = oom_kills() or 0
    if kills > kills_seen.value:
        kills_seen.value = kills
        # Celery kills a process that is not ready within seconds, and the database may be slow.
        threading.Thread(target=_end_jobs_of_the_killed, daemon=True).start()


def _end_jobs_of_the_killed() -> None:
    from app.db.session import make_engine, make_sessions

    engine = make_engine(settings.effective_database_url)
    try:
        for job_id in end_their_jobs(make_sessions(engine)):
            log.error("%s was ended: its process was killed, since memory ran out", job_id)
    except SQLAlchemyError as error:  # its lease will run out, and it is tried again
        log.warning("a process was killed for memory; its job cannot be looked up: %s", error)
    finally:
        engine.dispose()


@signals.worker_shutting_down.connect  # type: ignore[untyped-decorator]
def _ask_jobs_to_stop(**_: Any) -> None:
    shutting_down.value = True
