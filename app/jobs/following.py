"""Who waits for jobs in this process, and what wakes them: a notification, or else a look once a second.

One thread hears the notifications of all processes and reads, in one query, how far the jobs are that
somebody follows here. Those who wait sleep meanwhile: hundreds cost what one costs. Where a notification is
lost, or the broker is away, they hear of a change a second later.
"""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from sqlalchemy import func, select
from sqlalchemy.exc import SQLAlchemyError

from app.broker import Broker, BrokerAway
from app.db.session import Sessions
from app.db.tables import Event, Job

LOOK_SECONDS = 1.0
"""How often is looked without a notification."""

_HEAR_SECONDS = 0.25
_CLOSE_SECONDS = 2.0
_AT_ONCE = 500
"""Ids in one query: databases bound them."""

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Seen:
    """How far a job was: what it has told, and whether that is all."""

    ended: bool
    last_event: int


@dataclass(eq=False)
class Follower:
    """One request that waits for a job."""

    seen: Seen = Seen(ended=False, last_event=0)
    _changed: asyncio.Event = field(default_factory=asyncio.Event)
    _loop: asyncio.AbstractEventLoop = field(default_factory=asyncio.get_running_loop)

    async def change(self, seconds: float) -> None:
        """Sleep until the job may have changed, or this time has passed."""
        try:
            async with asyncio.timeout(seconds):
                await self._changed.wait()
        except TimeoutError:
            return
        self._changed.clear()

    def wake(self) -> None:
        """Let it look; from any thread."""
        try:
            self._loop.call_soon_threadsafe(self._changed.set)
        except RuntimeError:  # its loop is closed, and nobody waits there any more
            log.debug("a follower is gone")


class Following:
    """The followers of this process, by job; `close` ends the thread that serves them."""

    def __init__(
        self,
        readers: Sessions,
        broker: Broker,
        is_stopping: Callable[[], bool],
        look_seconds: float = LOOK_SECONDS,
    ) -> None:
        self._readers, self._broker, self._is_stopping = readers, broker, is_stopping
        self._look_seconds = look_seconds
        self._followers: dict[str, set[Follower]] = defaultdict(set)
        self._lock = threading.Lock()
        self._over = threading.Event()
        self._thread: threading.Thread | None = None
        self.is_hearing = False
        """Whether notifications come in."""
        self._looked_at = time.monotonic()

    @contextmanager
    def follow(self, job_id: str) -> Iterator[Follower]:
        """Be told of the job's changes from now on: what is read after this is either new or told of."""
        follower = Follower()
        with self._lock:
            self._followers[job_id].add(follower)
            if self._thread is None:
                self._thread = threading.Thread(target=self._serve, name="following", daemon=True)
                self._thread.start()
        try:
            yield follower
        finally:
            with self._lock:
                self._followers[job_id].discard(follower)
                if not self._followers[job_id]:
                    del self._followers[job_id]

    @property
    def count(self) -> int:
        """How many follow a job now."""
        with self._lock:
            return sum(map(len, self._followers.values()))

    def look(self, job_id: str, follower: Follower) -> None:
        """Read how far the job is now, unless it is known better by then."""
        seen = self._read([job_id])[job_id]
        with self._lock:
            if seen.last_event >= follower.seen.last_event:
                follower.seen = seen

    def close(self) -> None:
        """End the thread; one that is just looking for a broker which is away ends by itself later."""
        self._over.set()
        if self._thread is not None:
            self._thread.join(_CLOSE_SECONDS)

    def _serve(self) -> None:
        while not self._over.is_set():
            try:
                with self._broker.hearing() as hear:
                    self.is_hearing = True
                    while not self._over.is_set():
                        self._tick(hear(_HEAR_SECONDS))
            except BrokerAway:
                self.is_hearing = False
                self._tick([])
                self._over.wait(_HEAR_SECONDS)

    def _tick(self, changed: Collection[str]) -> None:
        """Look at the jobs that changed, or at all of them when it is time."""
        with self._lock:
            followed = list(self._followers)
        now = time.monotonic()
        if now - self._looked_at >= self._look_seconds:
            changed, self._looked_at = followed, now
        known = set(followed)
        self._tell([job_id for job_id in changed if job_id in known])
        if self._is_stopping():
            self._wake(followed)

    def _tell(self, job_ids: list[str]) -> None:
        for first in range(0, len(job_ids), _AT_ONCE):
            try:
                read = self._read(job_ids[first : first + _AT_ONCE])
            except SQLAlchemyError as error:  # whoever waits goes on waiting; the next look may succeed
                log.warning("the jobs that are waited for could not be read: %s", error)
                return
            for job_id, seen in read.items():
                with self._lock:
                    behind = [one for one in self._followers.get(job_id, ()) if one.seen != seen]
                    for follower in behind:
                        follower.seen = seen
                        follower.wake()

    def _wake(self, job_ids: list[str]) -> None:
        with self._lock:
            followers = [one for job_id in job_ids for one in self._followers.get(job_id, ())]
        for follower in followers:
            follower.wake()

    def _read(self, job_ids: list[str]) -> dict[str, Seen]:
        """How far the jobs are; what is not there has ended."""
        last = select(func.max(Event.id)).where(Event.job_id == Job.id).scalar_subquery()
        statement = select(Job.id, Job.finished_at, last).where(Job.id.in_(job_ids))
        with self._readers() as session:
            rows = session.execute(statement).all()
        read = {id_: Seen(ended is not None, event or 0) for id_, ended, event in rows}
        return {job_id: read.get(job_id, Seen(True, 0)) for job_id in job_ids}
