"""The routes that every kind of job but transfer has alike: get, move, events, delete."""

# Annotations are read when a router is made, where the names of the kind are known: no `annotations` import.

import time
from typing import Annotated, Any

from fastapi import APIRouter, Header, Path, Query, Request, Response
from pydantic import Field
from sqlalchemy.orm import Session
from starlette.concurrency import run_in_threadpool

from app.access.caller import Asking
from app.db.session import WriteSession
from app.db.tables import Job
from app.errors import responses
from app.idempotency import IdempotencyKey
from app.jobs import service
from app.jobs.resource import Resource, answer_events, wait_for_end
from app.jobs.schemas import EventList
from app.pages import Limit
from app.texts import LARGEST

EventId = Annotated[int, Field(ge=0, le=LARGEST)]


def add_routes(router: APIRouter, resource: Resource[Any]) -> None:
    """Add them to the router of the kind's resource."""
    noun, kind, view = resource.noun, resource.kind, resource.view
    of_it = f"/{{{noun}}}"
    reference = Annotated[str, Path(alias=noun, description=f"Id or name of a {noun}.")]
    waiting = Annotated[float, Query(ge=0, le=300, description=f"Seconds to wait for the {noun}'s end.")]

    @router.get(
        of_it, name=f"get_{noun}", summary=f"Get a {noun}", response_model=view, responses=responses(404, 422)
    )
    async def get(job: reference, request: Request, caller: Asking, wait: waiting = 0) -> Any:
        """By id or name. With `wait`, the answer comes when it has ended or the time has passed."""
        found = await run_in_threadpool(resource.shown, request, caller, job)
        if wait and not found.terminal:
            await wait_for_end(request, found.id, time.monotonic() + wait)
            found = await run_in_threadpool(resource.shown, request, caller, found.id)
        return found

    def move_route(did: str, verb: str, about: str, *statuses: int) -> None:
        move = getattr(service, verb)

        @router.post(
            f"{of_it}:{verb}",
            name=f"{verb}_{noun}",
            summary=f"{verb.capitalize()} a {noun}",
            description=about,
            response_model=view,
            responses=responses(404, 409, *statuses),
        )
        def moved(
            job: reference, request: Request, caller: Asking, idempotency_key: IdempotencyKey = None
        ) -> Any:
            def change(session: Session) -> Job:
                if verb == "retry":
                    state = request.app.state
                    attempts = state.settings.max_attempts
                    return service.retry(session, state.storage, caller.workspace, job, attempts, kind)
                made: Job = move(session, caller.workspace, job, kind)
                return made

            return resource.moved(request, caller, idempotency_key, did, change)

    at_once = "At once where it waits, within seconds where it runs. Cancelling twice is no error."
    move_route("cancelled", "cancel", at_once)
    move_route("paused", "pause", "Its worker keeps what is done, and stops.")
    move_route("resumed", "resume", "It continues where it stopped.", 429)
    move_route("retried", "retry", "What failed or was cancelled continues with what is kept.", 410, 429)

    @router.get(
        f"{of_it}/events",
        name=f"list_{noun}_events",
        summary=f"Read a {noun}'s events",
        response_model=EventList,
        responses={
            200: {"content": {"text/event-stream": {"schema": {"type": "string"}}}},
            **responses(404, 422),
        },
    )
    async def events(
        job: reference,
        request: Request,
        caller: Asking,
        after: Annotated[int, Query(ge=0, le=LARGEST, description="The id of the last event you have.")] = 0,
        limit: Limit = 100,
        last_event_id: Annotated[
            EventId | None, Header(description="Where a broken stream continues.")
        ] = None,
    ) -> Response:
        """As JSON, or with `Accept: text/event-stream` as a stream that lasts until the end."""
        job_id = await run_in_threadpool(resource.find_id, request, caller, job)
        return await answer_events(request, job_id, after, limit, last_event_id)

    @router.delete(
        of_it,
        name=f"delete_{noun}",
        status_code=204,
        summary=f"Delete a {noun}",
        responses=responses(404, 409),
    )
    def delete(job: reference, session: WriteSession, caller: Asking) -> None:
        """One that has ended goes with all it wrote; what it read stays."""
        resource.delete(session, caller, job)
