"""The lease of a running job, renewed from a thread that also hears what is asked of the job."""

from __future__ import annotations

import contextvars
import logging
import os
import signal
import threading
import time
from collections.abc import Callable
from types import TracebackType
from typing import Self

from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from app.db.session import Sessions
from app.jobs import transitions
from app.jobs.running_time import run_out
from app.jobs.transitions import OUT_OF_TIME, Lease
from app.settings import Settings

log = logging.getLogger(__name__)

LOST = "lost"
SHUTDOWN = "shutdown"


class Heartbeat:
    """Renews the lease; `reason` tells why to stop: cancel, pause, out of time, shutdown or lost."""

    def __init__(
        self, sessions: Sessions, lease: Lease, settings: Settings, shutting_down: Callable[[], bool]
    ) -> None:
        self.reason: str | None = None
        self._sessions = sessions
        self._lease = lease
        self._settings = settings
        self._shutting_down = shutting_down
        self._over = threading.Event()
        self._counted_at = time.monotonic()
        self._parent = os.getppid()
        log_context = contextvars.copy_context()  # its lines name the job as the others do
        name = f"heartbeat {lease.job_id}"
        self._thread = threading.Thread(target=log_context.run, args=(self._beat,), name=name, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()
        self._thread.join()

    def _beat(self) -> None:
        asked_at = None
        renewed_at = time.monotonic()
        while not self._over.wait(min(0.2, self._settings.heartbeat_seconds)):
            if os.getppid() != self._parent:
                log.error("the worker of %s is gone; its process exits", self._lease.job_id)
                os.kill(os.getpid(), signal.SIGKILL)
            if self.reason is None and self._shutting_down():
                self.reason = SHUTDOWN
            if time.monotonic() - renewed_at >= self._settings.heartbeat_seconds:
                self._renew()
                renewed_at = time.monotonic()
            if self.reason is not None:
                asked_at = asked_at or time.monotonic()
                if time.monotonic() - asked_at > self._settings.stop_grace_seconds * 0.75:
                    self._stop_by_force()

    def _renew(self) -> None:
        now = time.monotonic()
        try:
            with self._sessions.begin() as session:
                is_held, request = transitions.heartbeat(
                    session, self._lease, self._settings.lease_seconds, now - self._counted_at
                )
        except SQLAlchemyError as error:
            log.warning("the lease of %s could not be renewed: %s", self._lease.job_id, error)
            return
        self._counted_at = now
        if not is_held:
            self.reason = LOST
        elif request is not None and self.reason in (None, "pause"):
            self.reason = request

    def _stop_by_force(self) -> None:
        """The job does not answer: end it in the database, then with the process it holds."""
        log.error("%s did not stop in time (%s); its process is killed", self._lease.job_id, self.reason)
        try:
            with self._sessions.begin() as session:
                end(session, self._lease, self.reason)
        except SQLAlchemyError as error:
            log.warning("the end of %s could not be written: %s", self._lease.job_id, error)
        os.kill(os.getpid(), signal.SIGKILL)


def end(session: Session, lease: Lease, reason: str | None) -> None:
    """Make the move that a stop for this reason means; a lost job is not ours to move."""
    if reason in ("cancel", "pause"):
        transitions.stop(session, lease, reason)
    elif reason == OUT_OF_TIME:
        run_out(session, lease)
    elif reason == SHUTDOWN:
        transitions.release(session, lease)
