"""`/ui/jobs`: the list with its filters, one job, and what can be asked of it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated
from urllib.parse import urlencode

from fastapi import Query, Request, Response
from fastapi.responses import RedirectResponse
from pydantic import BaseModel, ValidationError
from starlette.concurrency import run_in_threadpool

from app.access.caller import Asking, Caller
from app.db.session import ReadSession
from app.errors import ServiceError
from app.jobs import routes as jobs
from app.jobs.filters import Verdict, Wanted
from app.jobs.schemas import JobList, JobView
from app.jobs.states import State
from app.pages import After
from app.site import live
from app.site.asking import own_form
from app.site.asking import router as make_router
from app.site.rendering import page
from app.texts import Line, Moment

router = make_router()

_PER_PAGE = 25
_MOST = 1 << 14
_FILTERS = ("state", "model", "dataset", "verdict", "metadata", "since")

Filter = Annotated[Line, Query()]


@router.get("/ui/jobs")
def list_jobs(
    request: Request,
    session: ReadSession,
    caller: Asking,
    state: Filter = "",
    model: Filter = "",
    dataset: Filter = "",
    verdict: Filter = "",
    metadata: Filter = "",
    since: Filter = "",
    after: After = None,
) -> Response:
    """Newest first; what a filter has wrong stands beside it."""
    given = (state, model, dataset, verdict, metadata, since)
    asked = {name: value.strip() for name, value in zip(_FILTERS, given, strict=True) if value.strip()}
    errors: dict[str, str] = {}
    found = JobList(data=[], has_more=False)
    try:
        found = jobs.listed(session, caller, _wanted(asked), after, _PER_PAGE)
    except ServiceError as problem:
        if problem.status != 422:
            raise
        errors = {str(one["field"]): f"Expected {one['expected']}." for one in problem.errors}
    except ValidationError as problem:
        errors = {str(one["loc"][0]): f"{one['msg']}." for one in problem.errors()}
    query = urlencode(asked)
    return page(
        request,
        "jobs.html",
        422 if errors else 200,
        jobs=found,
        asked=dict.fromkeys(_FILTERS, "") | asked,
        is_filtered=bool(asked or after),
        errors=errors,
        all_states=list(State),
        query=f"{query}&" if query else "",
        api_path=f"/v1/jobs?{query}" if query else "/v1/jobs",
    )


class _Checked(BaseModel):
    """The filters that are no text."""

    state: State | None = None
    verdict: Verdict | None = None
    since: Moment | None = None


def _wanted(asked: dict[str, str]) -> Wanted:
    since = asked.get("since")
    if since and len(since) == 10:
        since = f"{since}T00:00:00Z"  # as a field for a date sends it
    checked = _Checked.model_validate({**asked, "since": since})
    pairs = [asked["metadata"]] if "metadata" in asked else []
    return Wanted(
        checked.state, asked.get("model"), asked.get("dataset"), checked.verdict, pairs, checked.since
    )


@router.get("/ui/jobs/{job}")
def show_job(job: str, request: Request, session: ReadSession, caller: Asking) -> Response:
    """Its progress, curves, events and result, which are sent anew while it runs."""
    return page(request, "job.html", **live.values(session, caller.workspace, job))


@router.post("/ui/jobs/{job}:cancel")
async def cancel_job(job: str, request: Request, caller: Asking) -> Response:
    """As `POST /v1/jobs/{job}:cancel`, then the job again."""
    return await _moved(jobs.cancel_job, job, request, caller)


@router.post("/ui/jobs/{job}:pause")
async def pause_job(job: str, request: Request, caller: Asking) -> Response:
    """As `POST /v1/jobs/{job}:pause`, then the job again."""
    return await _moved(jobs.pause_job, job, request, caller)


@router.post("/ui/jobs/{job}:resume")
async def resume_job(job: str, request: Request, caller: Asking) -> Response:
    """As `POST /v1/jobs/{job}:resume`, then the job again."""
    return await _moved(jobs.resume_job, job, request, caller)


@router.post("/ui/jobs/{job}:retry")
async def retry_job(job: str, request: Request, caller: Asking) -> Response:
    """As `POST /v1/jobs/{job}:retry`, then the job again."""
    return await _moved(jobs.retry_job, job, request, caller)


async def _moved(
    move: Callable[[str, Request, Caller], JobView], job: str, request: Request, caller: Caller
) -> Response:
    await own_form(request, _MOST)
    view = await run_in_threadpool(move, job, request, caller)
    return RedirectResponse(f"/ui/jobs/{view.name}", 303)
