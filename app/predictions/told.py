"""Who asked which version for predictions, for the audit: the first at once, those of its hour as a number.

A row for each prediction would be millions that nobody reads. So a key's first request to a version is
written down before it is answered, and those of the hour that follows are counted here and written as one row
at its end, or when the process ends. One that is killed takes numbers with it, never who asked for what.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime

from sqlalchemy.exc import SQLAlchemyError

from app.access import audit
from app.access.caller import Caller
from app.db.session import Sessions

ACTION = "model.predicted"

SECONDS = 3600.0
"""How long requests are counted before they are written down."""

_LOOK_SECONDS = 60.0

log = logging.getLogger(__name__)


@dataclass
class _Counted:
    """Requests of a key to a version since the one that was written down."""

    until: float
    since: datetime = field(default_factory=lambda: datetime.now(UTC))
    requests: int = 0
    rows: int = 0


class Predicted:
    """Counts the predictions that this process answers; `close` writes down what is not yet."""

    def __init__(
        self, sessions: Sessions, seconds: float = SECONDS, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._sessions, self._seconds, self._clock = sessions, seconds, clock
        self._counted: dict[tuple[Caller, str], _Counted] = {}
        self._lock = threading.Lock()
        self._over = threading.Event()
        self._thread: threading.Thread | None = None

    def tell(self, caller: Caller, version: str, rows: int) -> None:
        """Write down or count that so many rows are about to be answered.

        Raises:
            SQLAlchemyError: the database does not answer; then nothing is to be answered.
        """
        self.write()
        with self._lock:
            known = self._counted.get((caller, version))
            if known is not None:
                known.requests += 1
                known.rows += rows
                return
        with self._sessions.begin() as session:
            audit.record(session, caller, ACTION, version, requests=1, rows=rows)
        with self._lock:
            self._counted.setdefault((caller, version), _Counted(self._clock() + self._seconds))
            if self._thread is None:
                self._thread = threading.Thread(target=self._serve, name="predicted", daemon=True)
                self._thread.start()

    def write(self, *, everything: bool = False) -> None:
        """Write down what has been counted for long enough; where the database is away, the next time."""
        now = self._clock()
        with self._lock:
            due = {of: one for of, one in self._counted.items() if everything or one.until <= now}
            for of in due:
                del self._counted[of]
        counted = {of: one for of, one in due.items() if one.requests}
        if not counted:
            return
        try:
            with self._sessions.begin() as session:
                for (caller, version), one in counted.items():
                    since = one.since.isoformat()
                    audit.record(
                        session, caller, ACTION, version, requests=one.requests, rows=one.rows, since=since
                    )
        except SQLAlchemyError as error:
            log.warning("the predictions that were counted could not be written down: %s", error)
            with self._lock:
                for of, one in counted.items():
                    again = self._counted.setdefault(of, one)
                    if again is not one:
                        again.requests += one.requests
                        again.rows += one.rows
                        again.since = min(again.since, one.since)

    def close(self) -> None:
        """Write down what was counted, and end."""
        self._over.set()
        if self._thread is not None:
            self._thread.join()
        self.write(everything=True)

    def _serve(self) -> None:
        while not self._over.wait(min(_LOOK_SECONDS, self._seconds)):
            self.write()
