"""The Celery application of the workers: when to import TensorFlow, and when to stop."""

from __future__ import annotations

import ctypes
import gc
import logging
import os
import threading
from multiprocessing.sharedctypes import RawArray, RawValue
from typing import Any

from billiard.process import current_process
from celery import signals
from sqlalchemy.exc import SQLAlchemyError

from app.broker import broker_queue, make_celery
from app.jobs.transitions import Lease
from app.logs import configure
from app.private_files import keep_private
from app.redaction import redact_tracebacks
from app.settings import get_settings
from workers.oom_kills import RunningAttempt, count_oom_kills, end_job

log = logging.getLogger(__name__)

settings = get_settings()
app = make_celery("workers", settings.effective_broker_url)
app.conf.update(
    task_queues={
        broker_queue(queue): {"routing_key": broker_queue(queue)} for queue in settings.served_queues
    },
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

running_attempts: ctypes.Array[RunningAttempt] = RawArray(RunningAttempt, settings.worker_concurrency)
"""What each process that runs jobs is doing, by the number that Celery gives it and the one in its place."""

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
    from workers.transfer.networks.presets.lookup import write_package_manifests

    write_package_manifests(settings.effective_preset_dir)
    # The libraries' objects stay. To look through a million of them for garbage takes half a second in the
    # midst of a job, and each process then copies the memory it shares; `run_next` collects after each job.
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000)


def own_attempt() -> RunningAttempt:
    """What this process is doing."""
    return running_attempts[getattr(current_process(), "index", 0) % len(running_attempts)]


@signals.worker_process_init.connect  # type: ignore[untyped-decorator]
def _ask_whose_place_it_takes(**_: Any) -> None:
    killed = own_attempt().oom_killed(count_oom_kills())
    own_attempt().end()
    if killed is not None:
        # Celery kills a process that is not ready within seconds, and the database may be slow.
        threading.Thread(target=_end_job, args=(killed,), daemon=True).start()


def _end_job(killed: Lease) -> None:
    from app.db.session import make_engine, make_sessions

    engine = make_engine(settings.effective_database_url)
    try:
        if end_job(make_sessions(engine), killed):
            log.error("%s was ended: its process was killed, since memory ran out", killed.job_id)
    except SQLAlchemyError as error:  # its lease will run out, and it is tried again
        log.warning("%s lost its process for memory, which cannot be written down: %s", killed.job_id, error)
    finally:
        engine.dispose()


@signals.worker_shutting_down.connect  # type: ignore[untyped-decorator]
def _ask_jobs_to_stop(**_: Any) -> None:
    shutting_down.value = True
