"""`/ui/start`: a job from a form: source, target, method with its options, and what is wrong at its field."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from typing import Any

from fastapi import Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import RedirectResponse
from pydantic import BaseModel, ValidationError
from sqlalchemy.orm import Session

from app.access.caller import Asking, Caller
from app.datasets import routes as datasets
from app.db.session import ReadSession
from app.errors import Problem, ServiceError, problem_of
from app.jobs import routes as jobs
from app.jobs.schemas import JobRequest
from app.methods import service as methods
from app.models import routes as models
from app.presets import routes as presets
from app.site.asking import FilledRoute, field_errors, own_form, texts
from app.site.asking import router as make_router
from app.site.job_forms import job_of, sections
from app.site.planning import Planned, planned
from app.site.rendering import page
from app.texts import Key

router = make_router(FilledRoute)

START = "/ui/start"
_MOST = 1 << 20
_MANY = 200


class _Once(BaseModel):
    """What makes a form that is sent twice one job, as the header `Idempotency-Key` does."""

    once: Key | None = None


@router.get(START)
def show_start(request: Request, session: ReadSession, caller: Asking) -> Response:
    """The form, filled in with what the address says."""
    return _form(request, session, caller, dict(request.query_params))


@router.get("/ui/start/options")
def show_options(request: Request) -> Response:
    """The part of the form that depends on method and network, for a script that puts it in its place."""
    given = dict(request.query_params)
    return page(request, "start_options.html", given=given, errors={}, **_chosen(given))


@router.post(START)
async def start_job(request: Request, caller: Asking) -> Response:
    """As `POST /v1/jobs`, then the job's page; the form again where it is refused."""
    given = texts(await own_form(request, _MOST))
    try:
        body = JobRequest.model_validate(job_of(given))
        once = _Once.model_validate(given).once
        view = await jobs.create_job(body, request, Response(), caller, once)
    except ValidationError as error:
        told = [{**one, "loc": ("body", *one["loc"])} for one in error.errors()]
        return _refused(request, caller, given, problem_of(request, RequestValidationError(told)))
    except ServiceError as error:
        return _refused(request, caller, given, problem_of(request, error))
    return RedirectResponse(f"/ui/jobs/{view.name}", 303)


def _refused(request: Request, caller: Caller, given: dict[str, str], problem: Problem) -> Response:
    with request.app.state.readers() as session:
        return _form(request, session, caller, given, problem)


def _chosen(given: Mapping[str, str]) -> dict[str, Any]:
    return {"sections": sections(given), "methods": methods.methods(), "networks": methods.networks()}


def _form(
    request: Request,
    session: Session,
    caller: Caller,
    given: dict[str, str],
    problem: Problem | None = None,
) -> Response:
    usable = [one for one in presets.list_presets(request).data if one.here]
    errors = {} if problem is None else field_errors(problem)
    # A refusal of what a reference leads to names no field: it stands at the one that has the reference.
    return page(
        request,
        "start.html",
        200 if problem is None else problem.status,
        given=given,
        errors=errors,
        problem=problem,
        once=secrets.token_hex(16),
        datasets=datasets.list_datasets(session, caller, None, None, _MANY).data,
        models=models.list_models(session, caller, None, _MANY).data,
        presets=usable,
        planned=planned(request, session, caller, given) if problem is None else Planned(),
        body=job_of(given),
        **_chosen(given),
    )
