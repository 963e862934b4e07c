"""`/v1/jobs`."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable
from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Header, Query, Request, Response
from fastapi.responses import JSONResponse
from fastapi.sse import EventSourceResponse, format_sse_event
from pydantic import Field
from sqlalchemy.orm import Session
from starlette.concurrency import run_in_threadpool

from app.access import audit
from app.access.caller import Asking, Caller
from app.access.requests import StrictRoute
from app.db.session import ReadSession
from app.db.tables import Job
from app.downloads import answers, blob_response
from app.errors import responses
from app.idempotency import IdempotencyKey, once
from app.jobs import service
from app.jobs.acceptance import accept
from app.jobs.filters import Verdict, Wanted
from app.jobs.limits import require_place
from app.jobs.schemas import EpochList, EventList, EventView, JobList, JobRequest, JobView
from app.jobs.states import State
from app.models.service import find_artifact
from app.pages import After, Limit
from app.texts import LARGEST, Line

router = APIRouter(prefix="/v1/jobs", tags=["jobs"], route_class=StrictRoute)

NOTICE_LEAVING_SECONDS = 5.0
"""How late it may be noticed that a client which waits has left."""

EventId = Annotated[int, Field(ge=0, le=LARGEST)]


@router.post(
    "", status_code=202, summary="Start a transfer job", responses=responses(404, 409, 410, 422, 429)
)
async def create_job(
    body: JobRequest,
    request: Request,
    response: Response,
    caller: Asking,
    idempotency_key: IdempotencyKey = None,
) -> JobView:
    """Accepted only if it can be run: data, columns and options are checked now. `Location` is the job."""
    settings, asked = request.app.state.settings, body.model_dump(mode="json")
    workspace, owner = caller.workspace, caller.owner(body.owner)

    def make(session: Session) -> Job:
        return accept(session, workspace, owner, body, settings)

    view = await run_in_threadpool(_moved, request, caller, idempotency_key, "job.created", make, asked)
    response.headers["Location"] = f"/v1/jobs/{view.id}"
    return view


def _moved(
    request: Request,
    caller: Caller,
    key: str | None,
    action: str,
    move: Callable[[Session], Job],
    body: dict[str, Any] | None = None,
) -> JobView:
    """Make or move a job, once for each key, and announce it where it waits now."""
    about = ["POST", request.url.path, body]
    with request.app.state.sessions.begin() as session:

        def make() -> JobView:
            job = move(session)
            audit.record(session, caller, action, job.name, id=job.id)
            return service.view(job)

        view, is_new = once(session, caller.workspace, key, about, JobView, make)
        if is_new and view.state == State.QUEUED:
            require_place(session, caller.workspace, request.app.state.settings.max_queued_jobs)
    if is_new:
        _announce(request, view)
    return view


def _announce(request: Request, view: JobView) -> None:
    """After the commit. If the broker is away, the sweep announces the job when it is back."""
    if view.state == State.QUEUED and not request.app.state.broker.notify(view.queue):
        with request.app.state.sessions.begin() as session:
            service.not_announced(session, view.id)


_METADATA = {
    "name": "metadata",
    "in": "query",
    "description": "Only jobs with this note, as `key=value`; several as parameters of this name.",
    "schema": {"type": "array", "maxItems": 16, "items": {"type": "string", "maxLength": 600}},
}


@router.get("", summary="List jobs", responses=responses(422), openapi_extra={"parameters": [_METADATA]})
def list_jobs(
    request: Request,
    session: ReadSession,
    caller: Asking,
    state: Annotated[State | None, Query(description="Only jobs in this state.")] = None,
    model: Annotated[Line | None, Query(description="Only jobs of this model.")] = None,
    dataset: Annotated[
        Line | None,
        Query(description="Only jobs whose source or target is this data set: id, name or `name@version`."),
    ] = None,
    verdict: Annotated[
        Verdict | None, Query(description="Only jobs that came to this; `none`: to no verdict.")
    ] = None,
    since: Annotated[
        datetime | None, Query(description="Only jobs that were created at this moment or later.")
    ] = None,
    after: After = None,
    limit: Limit = 20,
) -> JobList:
    """Newest first; `GET /v1/jobs/{job}` also has the options."""
    wanted = Wanted(state, model, dataset, verdict, request.query_params.getlist("metadata"), since)
    return listed(session, caller, wanted, after, limit)


def listed(session: Session, caller: Caller, wanted: Wanted, after: str | None, limit: int) -> JobList:
    """One page of the jobs that are wanted."""
    jobs, has_more = service.list_page(session, caller.workspace, wanted, after, limit)
    return JobList(data=[service.summary(job) for job in jobs], has_more=has_more)


@router.get("/{job}", summary="Get a job", response_model=JobView, responses=responses(404, 422))
async def get_job(
    job: str,
    request: Request,
    caller: Asking,
    wait: Annotated[float, Query(ge=0, le=300, description="Seconds to wait for the job's end.")] = 0,
) -> Response:
    """By id or name. With `wait`, the answer comes when the job has ended or the time has passed.

    It comes earlier, with `terminal` false, if the server is stopping: ask again.
    """
    statuses = request.app.state.statuses
    status = await run_in_threadpool(statuses.read, caller.workspace, job)
    if wait and not status.ended:
        await _wait_for_end(request, status.id, time.monotonic() + wait)
        status = await run_in_threadpool(statuses.read, caller.workspace, status.id)
    return Response(status.body, media_type="application/json")


async def _wait_for_end(request: Request, job_id: str, deadline: float) -> None:
    """Until the job has ended, the time has passed, the server stops or the client is gone."""
    state = request.app.state
    with state.following.follow(job_id) as follower:
        await run_in_threadpool(state.following.look, job_id, follower)
        while not follower.seen.ended and not state.stopping.is_set():
            left = deadline - time.monotonic()
            if left <= 0 or await request.is_disconnected():
                return
            await follower.change(min(left, NOTICE_LEAVING_SECONDS))


def _id_of(request: Request, workspace: str, job: str) -> str:
    with request.app.state.readers() as session:
        return service.find_id(session, workspace, job)


@router.post("/{job}:cancel", summary="Cancel a job", responses=responses(404, 409))
def cancel_job(job: str, request: Request, caller: Asking, idempotency_key: IdempotencyKey = None) -> JobView:
    """A waiting job is cancelled at once, a running one within seconds. Cancelling twice is no error."""

    def move(session: Session) -> Job:
        return service.cancel(session, caller.workspace, job)

    return _moved(request, caller, idempotency_key, "job.cancelled", move)


@router.post("/{job}:pause", summary="Pause a job", responses=responses(404, 409))
def pause_job(job: str, request: Request, caller: Asking, idempotency_key: IdempotencyKey = None) -> JobView:
    """Its worker saves a checkpoint and stops."""

    def move(session: Session) -> Job:
        return service.pause(session, caller.workspace, job)

    return _moved(request, caller, idempotency_key, "job.paused", move)


@router.post("/{job}:resume", summary="Resume a paused job", responses=responses(404, 409, 429))
def resume_job(job: str, request: Request, caller: Asking, idempotency_key: IdempotencyKey = None) -> JobView:
    """It continues where it stopped."""

    def move(session: Session) -> Job:
        return service.resume(session, caller.workspace, job)

    return _moved(request, caller, idempotency_key, "job.resumed", move)


@router.post(
    "/{job}:retry",
    summary="Retry a job that failed or was cancelled",
    responses=responses(404, 409, 410, 429),
)
def retry_job(job: str, request: Request, caller: Asking, idempotency_key: IdempotencyKey = None) -> JobView:
    """It continues from its last finished stage and checkpoint, as long as they are kept."""
    storage, attempts = request.app.state.storage, request.app.state.settings.max_attempts

    def move(session: Session) -> Job:
        return service.retry(session, storage, caller.workspace, job, attempts)

    return _moved(request, caller, idempotency_key, "job.retried", move)


@router.get(
    "/{job}/events",
    summary="Read a job's events",
    response_model=EventList,
    responses={
        200: {"content": {"text/event-stream": {"schema": {"type": "string"}}}},
        **responses(404, 422),
    },
)
async def list_job_events(
    job: str,
    request: Request,
    caller: Asking,
    after: Annotated[int, Query(ge=0, le=LARGEST, description="The id of the last event you have.")] = 0,
    limit: Limit = 100,
    last_event_id: Annotated[EventId | None, Header(description="Where a broken stream continues.")] = None,
) -> Response:
    """As JSON, or with `Accept: text/event-stream` as a stream that lasts until the job has ended.

    A broken stream continues with `Last-Event-ID`, which browsers send by themselves.
    """
    job_id = await run_in_threadpool(_id_of, request, caller.workspace, job)
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


@router.get(
    "/{job}/model",
    summary="Download the best model so far",
    response_class=Response,
    responses={**answers("application/zip"), **responses(404, 409, 410)},
)
def download_job_model(job: str, request: Request, session: ReadSession, caller: Asking) -> Response:
    """The target's network during the job and after a failure; after success, that of its version.

    A `.keras` file of the best network so far, not evaluated and without a receipt.
    """
    found = service.find(session, caller.workspace, job)
    if found.result is not None:
        digest = find_artifact(session, caller.workspace, found.result["version"], "keras").digest
    else:
        digest = service.model_so_far(session, found)
    name = f"{found.name}.keras"
    answer = blob_response(request, request.app.state.storage, digest, name, "application/zip")
    return audit.downloaded(request, caller, "job.model_downloaded", found.name, answer)


@router.get("/{job}/metrics", summary="Read a job's metrics by epoch", responses=responses(404))
def list_job_metrics(job: str, session: ReadSession, caller: Asking) -> EpochList:
    """Loss and metrics of each epoch of each stage, during the job and afterwards."""
    return EpochList(data=service.epochs(session, service.find(session, caller.workspace, job).id))
