"""`/ui/start/plan`: what a job of the form would be and take, beside it, before it is started."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from fastapi import Request, Response
from fastapi.exceptions import RequestValidationError
from pydantic import ValidationError
from sqlalchemy.orm import Session

from app.access.caller import Asking, Caller
from app.db.session import ReadSession
from app.errors import Problem, ServiceError, problem_of
from app.jobs.planning import PlanView, plan
from app.jobs.schemas import JobRequest
from app.site.asking import FilledRoute
from app.site.asking import router as make_router
from app.site.job_forms import job_of
from app.site.rendering import page

router = make_router(FilledRoute)


@dataclass(frozen=True)
class Planned:
    """A plan, or why there is none; neither before source and target are chosen."""

    plan: PlanView | None = None
    problem: Problem | None = None


@router.get("/ui/start/plan")
def show_plan(request: Request, session: ReadSession, caller: Asking) -> Response:
    """For a script that puts it beside the form at each change of it."""
    given = {name: value for name, value in request.query_params.items() if value.strip()}
    return page(request, "plan.html", planned=planned(request, session, caller, given), body=job_of(given))


def planned(request: Request, session: Session, caller: Caller, given: Mapping[str, str]) -> Planned:
    """As `POST /v1/jobs:plan` of what the form says so far."""
    workspace = caller.workspace  # a key of the installation has none, and plans nothing
    if not given.get("source") or not given.get("target.dataset"):
        return Planned()
    try:
        asked = JobRequest.model_validate(job_of(given))
        return Planned(plan(session, workspace, asked, request.app.state.settings))
    except ValidationError as error:
        told = [{**one, "loc": ("body", *one["loc"])} for one in error.errors()]
        return Planned(problem=problem_of(request, RequestValidationError(told)))
    except ServiceError as error:
        return Planned(problem=problem_of(request, error))
