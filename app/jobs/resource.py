"""What every kind of job has over HTTP, at its own address: made, looked at, moved, followed, deleted."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from fastapi import Request, Response
from fastapi.responses import JSONResponse
from fastapi.sse import EventSourceResponse, format_sse_event
from pydantic import BaseModel
from sqlalchemy import delete, select
from sqlalchemy.orm import Session
from starlette.concurrency import run_in_threadpool

from app.access import audit
from app.access.caller import Caller
from app.access.quotas import require_place
from app.db.tables import Job
from app.errors import ServiceError
from app.idempotency import once
from app.jobs import service
from app.jobs.schemas import EventList, EventView
from app.jobs.states import TERMINAL, Kind, State
from app.pages import page

NOTICE_LEAVING_SECONDS = 5.0
"""How late it may be noticed that a client which waits has left."""

View = TypeVar("View", bound=BaseModel)


@dataclass(frozen=True)
class Resource(Generic[View]):  # Python 3.11 has no other form
    """Jobs of one kind: what they are called, and how one is shown."""

    kind: Kind
    noun: str
    view: type[View]
    show: Callable[[Session, Job], View]

    @property
    def path(self) -> str:
        """Where they are."""
        return f"/v1/{self.noun}s"

    def moved(
        self,
        request: Request,
        caller: Caller,
        key: str | None,
        did: str,
        move: Callable[[Session], Job],
        body: dict[str, Any] | None = None,
    ) -> View:
        """Make or move a job, once for each key, and announce it where it waits now."""
        about = ["POST", request.url.path, body]
        queue = ""
        with request.app.state.sessions.begin() as session:

            def make() -> View:
                nonlocal queue
                job = move(session)
                audit.record(session, caller, f"{self.noun}.{did}", job.name, id=job.id)
                queue = job.queue if job.state == State.QUEUED else ""
                return self.show(session, job)

            view, is_new = once(session, caller.workspace, key, about, self.view, make)
            if is_new and queue:
                require_place(session, caller.workspace, self.kind, request.app.state.settings)
        if is_new and queue:
            self._announce(request, view, queue)
        return view

    def _announce(self, request: Request, view: Any, queue: str) -> None:
        """After the commit. If the broker is away, the sweep announces the job when it is back."""
        if not request.app.state.broker.notify(queue):
            with request.app.state.sessions.begin() as session:
                service.not_announced(session, view.id)

    def page(
        self, session: Session, workspace: str, state: State | None, after: str | None, limit: int
    ) -> tuple[list[Job], bool]:
        """Newest first."""
        statement = select(Job).where(Job.workspace_id == workspace, Job.kind == self.kind)
        if state is not None:
            statement = statement.where(Job.state == state)
        if after is not None:
            statement = statement.where(Job.id < after)
        return page(session, statement.order_by(Job.id.desc()), limit)

    def delete(self, session: Session, caller: Caller, reference: str) -> None:
        """Forget a job that has ended, and all it wrote.

        Raises:
            ServiceError: 409; it has not ended.
        """
        job = service.find(session, caller.workspace, reference, self.kind)
        gone = delete(Job).where(Job.id == job.id, Job.state.in_(sorted(TERMINAL))).returning(Job.id)
        audit.record(session, caller, f"{self.noun}.deleted", job.name, id=job.id)
        if not session.scalars(gone.execution_options(synchronize_session=False)).all():
            message = f"Expected a {self.noun} that has ended. Received: {job.name}, which is {job.state}."
            hint = f"Cancel it first: POST {self.path}/{{{self.noun}}}:cancel."
            raise ServiceError(409, f"{self.noun}_open", message, hint=hint)

    def find_id(self, request: Request, caller: Caller, reference: str) -> str:
        """Its id."""
        with request.app.state.readers() as session:
            return service.find_id(session, caller.workspace, reference, self.kind)

    def shown(self, request: Request, caller: Caller, reference: str) -> View:
        """As it is now."""
        with request.app.state.readers() as session:
            return self.show(session, service.find(session, caller.workspace, reference, self.kind))


async def wait_for_end(request: Request, job_id: str, deadline: float) -> None:
    """Until the job has ended, the time has passed, the server stops or the client is gone."""
    state = request.app.state
    with state.following.follow(job_id) as follower:
        await run_in_threadpool(state.following.look, job_id, follower)
        while not follower.seen.ended and not state.stopping.is_set():
            left = deadline - time.monotonic()
            if left <= 0 or await request.is_disconnected():
                return
            await follower.change(min(left, NOTICE_LEAVING_SECONDS))


async def answer_events(
    request: Request, job_id: str, after: int, limit: int, last_event_id: int | None
) -> Response:
    """A job's events as JSON, or as a stream for who accepts one."""
    if "text/event-stream" in request.headers.get("accept", ""):
        stream = _stream(request, job_id, after if last_event_id is None else last_event_id)
        return EventSourceResponse(stream, headers={"Cache-Control": "no-cache", "X-Accel-Buffering": "no"})
    events, has_more = await run_in_threadpool(_events, request, job_id, after, limit)
    return JSONResponse(EventList(data=events, has_more=has_more).model_dump(mode="json"))


def _events(request: Request, job_id: str, after: int, limit: int) -> tuple[list[EventView], bool]:
    with request.app.state.readers() as session:
        return service.events_page(session, job_id, after, limit)


async def _stream(request: Request, job_id: str, after: int) -> AsyncIterator[bytes]:
    state = request.app.state
    with state.following.follow(job_id) as follower:
        await run_in_threadpool(state.following.look, job_id, follower)
        while True:
            # It is older than the events that are read, so that none written before the end is missed.
            seen = follower.seen
            events: list[EventView] = []
            if seen.last_event > after:
                events, _ = await run_in_threadpool(_events, request, job_id, after, 1000)
            for event in events:
                after = event.id
                yield format_sse_event(data_str=event.model_dump_json(), event=event.type, id=str(event.id))
            if (seen.ended and not events) or state.stopping.is_set():
                return
            if not events:
                await follower.change(NOTICE_LEAVING_SECONDS)
