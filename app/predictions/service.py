"""Rows to answers: the version is found here, the predictor reads and predicts."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from sqlalchemy.orm import Session

from app.errors import ServiceError
from app.models import service as models
from app.predictions.predictor import Predictor, PredictorAway
from app.predictions.schemas import PredictorProblem

RETRY_AFTER = {"Retry-After": "1"}

Place = Callable[[int | None, str | None], str]
"""Where the value of a row, from 0, and a column stands in a request; either may be unknown."""

_PLACE = re.compile(r",? in row (?P<row>\d+), column (?P<column>[^\s,.;:]*)")


def _of_instance(row: int | None, column: str | None) -> str:
    return "instances" + ("" if row is None else f"[{row}]") + (f".{column}" if column else "")


def find(session: Session, workspace: str, reference: str) -> tuple[str, str]:
    """The version that is meant, `name@version`, and the digest of its bundle."""
    return models.find_digest(session, workspace, reference, "bundle")


def predict(
    predictor: Predictor,
    version: str,
    bundle: str,
    instances: Sequence[Mapping[str, Any]],
    place: Place = _of_instance,
) -> list[dict[str, Any]]:
    """The answers in the rows' order. `place` names where a value stands in the request.

    Raises:
        ServiceError: 422 with the place of what cannot be read; 429 where too many wait; 503 where no
            predictor answers.
    """
    try:
        status, body = predictor.ask(bundle, instances)
    except PredictorAway as error:
        raise away(str(error)) from error
    if status == 200:
        answers: list[dict[str, Any]] = body["predictions"]
        return answers
    if status == 422:
        raise _unreadable(PredictorProblem.model_validate(body), place)
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


def away(why: str) -> ServiceError:
    """The error where no predictor answers."""
    message = f"Expected a predictor that answers. Received: {why}."
    hint = "Try again in a second; whoever runs the service starts it with `model-transfer predictor`."
    return ServiceError(503, "predictor_away", message, hint=hint, headers=RETRY_AFTER)


def _unreadable(problem: PredictorProblem, place: Place) -> ServiceError:
    """A refusal of rows, with each place as it stands in the request: `instances[3].age`."""
    errors = [
        {
            "field": place(None if one.get("row") is None else one["row"] - 1, one.get("column")),
            "expected": one.get("expected"),
            "received": one.get("received"),
        }
        for one in problem.errors
    ]

    def named(found: re.Match[str]) -> str:
        return f", in {place(int(found['row']) - 1, found['column'])}"

    message = _PLACE.sub(named, problem.message)
    return ServiceError(422, problem.code, message, hint=problem.hint, errors=errors)
