"""A Celery application whose jobs succeed at once: the claim, the lease and the end are the service's own."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from celery import signals

import workers.celery
from app.broker import Broker
from app.db.session import make_engine, make_sessions
from app.jobs import transitions
from app.jobs.transitions import Lease
from app.object_storage import storage_of
from app.settings import get_settings
from workers import tasks
from workers.celery import app
from workers.heartbeat import Heartbeat
from workers.tasks import Services

__all__ = ["app"]

NO_ROWS = dict.fromkeys(("test", "test_rows", "validation", "validation_rows"), 0)
NOTHING: dict[str, Any] = {
    "verdict": None,
    "reason": "",
    "gain": None,
    "metrics": {},
    "rows_seen": {**NO_ROWS, "datasets": [], "unknown": []},
}

# What is left out is TensorFlow and the work itself.
signals.worker_init.disconnect(workers.celery._import_tensorflow_before_forking)


@lru_cache(maxsize=1)
def get_services() -> Services:
    """As the worker's, without TensorFlow's settings."""
    settings = get_settings()
    sessions = make_sessions(make_engine(settings.effective_database_url))
    return Services(settings, sessions, storage_of(settings), Broker(settings.effective_broker_url))


def _attempt(services: Services, lease: Lease, heartbeat: Heartbeat) -> None:
    with services.sessions.begin() as session:
        transitions.succeed(session, lease, {"version": "none@1", **NOTHING})


tasks.get_services = get_services
tasks._attempt = _attempt
