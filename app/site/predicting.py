"""`/ui/models/{model}:predict`: a row that was typed, or an image that was dropped, and its answer."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

from fastapi import Request, Response
from fastapi.exceptions import RequestValidationError
from pydantic import ValidationError
from starlette.concurrency import run_in_threadpool

from app.access.caller import Asking, Caller
from app.errors import Problem, ServiceError, problem_of
from app.predictions.routes import predict_rows
from app.predictions.schemas import PredictRequest
from app.site.asking import field_errors, own_form
from app.site.asking import router as make_router
from app.site.models import version_values
from app.site.prediction_forms import instance
from app.site.rendering import page

router = make_router()

_FIRST = "instances[0]"
_MOST_SHOWN = 20


@router.post("/ui/models/{model}:predict")
async def predict_row(model: str, request: Request, caller: Asking) -> Response:
    """As `POST /v1/models/{model}:predict` of one row: the answer alone to a script, else the whole page."""
    form = await own_form(request, request.app.state.settings.max_instances_bytes)
    row, again = await instance(form)
    answer, problem = None, None
    try:
        body = PredictRequest.model_validate({"instances": [row]})
        told = await predict_rows(model, body, request, caller)
        answer = _answer(json.loads(bytes(told.body)))
    except ValidationError as error:
        problem = problem_of(request, RequestValidationError(error.errors()))
    except (ServiceError, RequestValidationError) as error:
        problem = problem_of(request, error)
    status = 200 if problem is None else problem.status
    sent = {"instances": [{name: _short(value) for name, value in row.items()}]}
    common = {"answer": answer, "problem": problem, "errors": _errors(problem), "sent": sent, "model": model}
    if request.headers.get("hx-request"):
        # A script shows what is refused as well, which it would not do of another status.
        return page(request, "answer.html", 200, **common)
    shown = await run_in_threadpool(_version, request, caller, model, again)
    return page(request, "version.html", status, **{**shown, **common})


def _version(request: Request, caller: Caller, model: str, again: dict[str, str]) -> dict[str, Any]:
    with request.app.state.readers() as session:
        shown = version_values(session, caller, model)
    example = shown["example"]
    inputs = [replace(one, value=again.get(one.name, "")) for one in example.inputs]
    shown["example"] = replace(example, inputs=inputs, label=None, row=None)
    return shown


def _answer(told: dict[str, Any]) -> dict[str, Any]:
    """The answer with its probabilities, the highest first."""
    one = told["predictions"][0]
    probabilities = one.get("probabilities") or {}
    ranked = sorted(probabilities.items(), key=lambda item: -item[1])
    calibrated = one.get("calibrated_probabilities") or {}
    return {
        "version": told["version"],
        "said": one.get("class", one.get("value", one.get("text"))),
        "classes": one.get("classes"),
        "probabilities": [(name, p, calibrated.get(name)) for name, p in ranked[:_MOST_SHOWN]],
        "raw": one,
    }


def _errors(problem: Problem | None) -> dict[str, str]:
    """What is wrong with each column, by its name."""
    found = {} if problem is None else field_errors(problem)
    return {name.removeprefix(f"{_FIRST}."): told for name, told in found.items()}


def _short(value: str) -> str:
    return value if len(value) <= 200 else f"{value[:60]}…"
