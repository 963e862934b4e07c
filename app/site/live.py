"""`/ui/jobs/{job}/changes`: a job as it is, sent to its page whenever that has changed."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

from fastapi import Request, Response
from fastapi.sse import EventSourceResponse, format_sse_event
from sqlalchemy.orm import Session
from starlette.concurrency import run_in_threadpool

from app.access.caller import Asking
from app.jobs import service
from app.reports import charts
from app.site.asking import router as make_router
from app.site.live_curves import curves
from app.site.rendering import rendered

router = make_router()

LOOK_SECONDS = 2.0
"""How often epochs, which are no events, are looked for."""

SHOWN_EVENTS = 200

ACTIONS = {
    "queued": ("pause", "cancel"),
    "running": ("pause", "cancel"),
    "paused": ("resume", "cancel"),
    "failed": ("retry",),
    "cancelled": ("retry",),
    "succeeded": (),
}
"""What can be asked of a job, by its state."""


def values(session: Session, workspace: str, reference: str) -> dict[str, Any]:
    """What the live part of a job's page shows."""
    job = service.view(service.find(session, workspace, reference))
    events, _ = service.events_page(session, job.id, 0, 1000)
    gain = job.result and job.result.gain
    return {
        "job": job,
        "events": events[::-1][:SHOWN_EVENTS],
        "curves": curves(service.epochs(session, job.id)),
        "actions": () if job.stop_request else ACTIONS[job.state],
        "interval": gain and charts.interval(gain.low, gain.high, gain.value),
    }


@router.get("/ui/jobs/{job}/changes")
async def follow_job(job: str, request: Request, caller: Asking) -> Response:
    """Server-sent events: `live` with the part of the page, then `over` when the job has ended."""
    workspace = caller.workspace
    found = await run_in_threadpool(_id_of, request, workspace, job)
    headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
    return EventSourceResponse(_stream(request, workspace, found), headers=headers)


def _id_of(request: Request, workspace: str, job: str) -> str:
    with request.app.state.readers() as session:
        return service.find_id(session, workspace, job)


async def _stream(request: Request, workspace: str, job_id: str) -> AsyncIterator[bytes]:
    state = request.app.state
    sent = ""
    with state.following.follow(job_id) as follower:
        while True:
            html, is_over = await run_in_threadpool(_part, request, workspace, job_id)
            if html != sent:
                sent = html
                yield format_sse_event(data_str=html, event="live")
            if is_over or state.stopping.is_set():
                yield format_sse_event(data_str="", event="over")
                return
            await follower.change(LOOK_SECONDS)


def _part(request: Request, workspace: str, job_id: str) -> tuple[str, bool]:
    with request.app.state.readers() as session:
        shown = values(session, workspace, job_id)
    return rendered(request, "job_live.html", **shown), shown["job"].terminal
