"""`/v1/jobs/{job}/report`."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import APIRouter, Header, Query, Response
from fastapi.responses import HTMLResponse, JSONResponse, RedirectResponse

from app.access.caller import Asking
from app.access.requests import StrictRoute
from app.db.session import ReadSession
from app.errors import responses
from app.reports import service
from app.reports.schemas import ReportView

router = APIRouter(prefix="/v1/jobs", tags=["jobs"], route_class=StrictRoute)

# The page loads nothing and runs nothing, wherever it is opened.
POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'"


@router.get(
    "/{job}/report",
    summary="Read a job's report",
    response_model=ReportView,
    responses={
        200: {"content": {"text/html": {"schema": {"type": "string"}}}},
        303: {"description": "To the live page of a job that has not succeeded, for a browser."},
        **responses(404, 409, 422),
    },
)
def get_job_report(
    job: str,
    session: ReadSession,
    caller: Asking,
    format: Annotated[
        Literal["json", "html"] | None,
        Query(description="By default as the header `Accept` asks: a browser gets the page."),
    ] = None,
    accept: Annotated[str, Header(include_in_schema=False)] = "",
) -> Response:
    """The complete evaluation, the receipt and the lineage of a job that succeeded.

    As JSON, or as one self-contained page that can be saved and forwarded. Before the job has succeeded a
    browser is led to its live page, with stages, curves and events so far.
    """
    is_page = format == "html" or (format is None and "text/html" in accept)
    if is_page and (live := service.live_page(session, caller.workspace, job)) is not None:
        return RedirectResponse(live, 303, {"Vary": "Accept"})
    report = service.report(session, caller.workspace, job)
    if is_page:
        from app.reports import page  # Jinja is slow to import, and few ask for the page

        headers = {"Content-Security-Policy": POLICY, "Vary": "Accept"}
        return HTMLResponse(page.render(report), headers=headers)
    # What the job did not write down is left out, but for the job, which is answered as everywhere.
    shown = report.job.model_dump(mode="json")
    answer = report.model_dump(mode="json", by_alias=True, exclude_unset=True) | {"job": shown}
    return JSONResponse(answer, headers={"Vary": "Accept"})
