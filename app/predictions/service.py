"""Rows to answers: the version is found here, the predictor reads and predicts."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy.orm import Session

from app.errors import ServiceError
from app.models import service as models
from app.predictions.predictor import Predictor, PredictorAway
from app.predictions.schemas import PredictorProblem

RETRY_AFTER = {"Retry-After": "1"}


def find(session: Session, workspace: str, reference: str) -> tuple[str, str]:
    """The version that is meant, `name@version`, and the digest of its bundle."""
    return models.find_digest(session, workspace, reference, "bundle")


def predict(
    predictor: Predictor, version: str, bundle: str, instances: Sequence[Mapping[str, Any]]
) -> list[dict[str, Any]]:
    """The answers in the rows' order.

    Raises:
        ServiceError: 422 with the place of what cannot be read; 429 where too many wait; 503 where no
            predictor answers.
    """
    try:
        status, body = predictor.ask(bundle, instances)
    except PredictorAway as away:
        raise _away(str(away)) from away
    if status == 200:
        answers: list[dict[str, Any]] = body["predictions"]
        return answers
    if status == 422:
        raise _unreadable(PredictorProblem.model_validate(body))
    if status == 429:
        message = f"Expected a predictor with room for {len(instances):,} rows. Received: {body['message']}."
        raise ServiceError(429, "busy", message, hint="Try again in a second.", headers=RETRY_AFTER)
    if status == 404:
        message = f"Expected the files of {version}. Received: none in the predictor's storage."
        hint = (
            "Its storage must be the API's; whoever runs the service can look with `model-transfer doctor`."
        )
        raise ServiceError(503, "files_missing", message, hint=hint, headers=RETRY_AFTER)
    message = f"Expected {version} to predict these rows. Received: an error of the predictor."
    raise ServiceError(500, "prediction_failed", message, hint="The predictor's log has the reason.")


def _away(why: str) -> ServiceError:
    message = f"Expected a predictor that answers. Received: {why}."
    hint = "Try again in a second; whoever runs the service starts it with `model-transfer predictor`."
    return ServiceError(503, "predictor_away", message, hint=hint, headers=RETRY_AFTER)


def _unreadable(problem: PredictorProblem) -> ServiceError:
    """A refusal of rows, with each place as it stands in the request: `instances[3].age`."""
    errors = []
    for one in problem.errors:
        place = "instances" if one.get("row") is None else f"instances[{one['row'] - 1}]"
        if one.get("column"):
            place += f".{one['column']}"
        errors.append({"field": place, "expected": one.get("expected"), "received": one.get("received")})
    message = re.sub(
        r",? in row (\d+), column ", lambda row: f", in instances[{int(row[1]) - 1}].", problem.message
    )
    return ServiceError(422, problem.code, message, hint=problem.hint, errors=errors)
