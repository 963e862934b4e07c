"""`/v1/jobs`."""

from __future__ import annotations

import time
from typing import Annotated

from fastapi import APIRouter, Header, Query, Request, Response
from pydantic import Field
from sqlalchemy.orm import Session
from starlette.concurrency import run_in_threadpool

from app.access import audit
from app.access.caller import Asking, Caller
from app.access.requests import StrictRoute
from app.db.session import ReadSession, WriteSession
from app.db.tables import Job
from app.downloads import answers, blob_response
from app.errors import responses
from app.idempotency import IdempotencyKey
from app.jobs import service
from app.jobs.acceptance import accept
from app.jobs.filters import LONGEST_NOTE, MOST_NOTES, Verdict, Wanted
from app.jobs.planning import PlanView, plan
from app.jobs.resource import Resource, answer_events, wait_for_end
from app.jobs.schemas import EpochList, EventList, JobList, JobRequest, JobView
from app.jobs.states import Kind, State
from app.models.service import find_artifact
from app.pages import After, Limit
from app.texts import LARGEST, Line, Moment

router = APIRouter(prefix="/v1/jobs", tags=["jobs"], route_class=StrictRoute)

JOBS = Resource(Kind.TRANSFER, "job", JobView, lambda session, job: service.view(job))
"""Transfer jobs; `/v1/jobs` has no other kind."""

EventId = Annotated[int, Field(ge=0, le=LARGEST)]


@router.post(
    "", status_code=202, summary="Start a transfer job", responses=responses(404, 409, 410, 422, 429, 507)
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

    view = await run_in_threadpool(JOBS.moved, request, caller, idempotency_key, "created", make, asked)
    response.headers["Location"] = f"/v1/jobs/{view.id}"
    return view


@router.post(":plan", summary="Plan a job", responses=responses(404, 409, 410, 422))
def plan_job(body: JobRequest, request: Request, session: WriteSession, caller: Asking) -> PlanView:
    """What the same body at `POST /v1/jobs` would be and take, refused as there. Nothing is written."""
    caller.owner(body.owner)
    return plan(session, caller.workspace, body, request.app.state.settings)


_METADATA = {
    "name": "metadata",
    "in": "query",
    "description": "Only jobs with this note, as `key=value`; several as parameters of this name.",
    "schema": {
        "type": "array",
        "maxItems": MOST_NOTES,
        "items": {"type": "string", "maxLength": LONGEST_NOTE},
    },
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
        Moment | None, Query(description="Only jobs that were created at this moment or later.")
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
        await wait_for_end(request, status.id, time.monotonic() + wait)
        status = await run_in_threadpool(statuses.read, caller.workspace, status.id)
    return Response(status.body, media_type="application/json")


@router.post("/{job}:cancel", summary="Cancel a job", responses=responses(404, 409))
def cancel_job(job: str, request: Request, caller: Asking, idempotency_key: IdempotencyKey = None) -> JobView:
    """A waiting job is cancelled at once, a running one within seconds. Cancelling twice is no error."""

    def move(session: Session) -> Job:
        return service.cancel(session, caller.workspace, job)

    return JOBS.moved(request, caller, idempotency_key, "cancelled", move)


@router.post("/{job}:pause", summary="Pause a job", responses=responses(404, 409))
def pause_job(job: str, request: Request, caller: Asking, idempotency_key: IdempotencyKey = None) -> JobView:
    """Its worker saves a checkpoint and stops."""

    def move(session: Session) -> Job:
        return service.pause(session, caller.workspace, job)

    return JOBS.moved(request, caller, idempotency_key, "paused", move)


@router.post("/{job}:resume", summary="Resume a paused job", responses=responses(404, 409, 429, 507))
def resume_job(job: str, request: Request, caller: Asking, idempotency_key: IdempotencyKey = None) -> JobView:
    """It continues where it stopped."""

    def move(session: Session) -> Job:
        return service.resume(session, caller.workspace, job)

    return JOBS.moved(request, caller, idempotency_key, "resumed", move)


@router.post(
    "/{job}:retry",
    summary="Retry a job that failed or was cancelled",
    responses=responses(404, 409, 410, 429, 507),
)
def retry_job(job: str, request: Request, caller: Asking, idempotency_key: IdempotencyKey = None) -> JobView:
    """It continues from its last finished stage and checkpoint, as long as they are kept."""
    storage, attempts = request.app.state.storage, request.app.state.settings.max_attempts

    def move(session: Session) -> Job:
        return service.retry(session, storage, caller.workspace, job, attempts)

    return JOBS.moved(request, caller, idempotency_key, "retried", move)


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
    job_id = await run_in_threadpool(JOBS.find_id, request, caller, job)
    return await answer_events(request, job_id, after, limit, last_event_id)


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
