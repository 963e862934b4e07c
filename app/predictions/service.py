"""Rows to answers: the version is found here, the predictor reads and predicts."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

from sqlalchemy.orm import Session

from app.errors import ServiceError
from app.models import service as models
from app.predictions.predictor import Predictor, PredictorAway
from app.predictions.schemas import PredictorProblem
from app.turns import TooManyWait, Turns

RETRY_AFTER = {"Retry-After": "1"}

AT_ONCE, OF_ONE, WAITING_OF_ONE = 64, 48, 500
"""Requests that one API process has at the predictor, in threads of their own: in all, and of one workspace.
And how many of a workspace wait for that, which hold their rows in memory."""

Told = TypeVar("Told")

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
    workspace: str,
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
        status, body = predictor.ask(workspace, bundle, instances)
    except PredictorAway as error:
        raise away(str(error)) from error
    if status == 200:
        answers: list[dict[str, Any]] = body["predictions"]
        return answers
    if status == 422:
        raise _unreadable(PredictorProblem.model_validate(body), place)
    if status == 429:
        raise busy(f"a predictor with room for {len(instances):,} rows", body["message"])
    if status == 404:
        message = f"Expected the files of {version}. Received: none in the predictor's storage."
        hint = (
            "Its storage must be the API's; whoever runs the service can look with `model-transfer doctor`."
        )
        raise ServiceError(503, "files_missing", message, hint=hint, headers=RETRY_AFTER)
    message = f"Expected {version} to predict these rows. Received: an error of the predictor."
    raise ServiceError(500, "prediction_failed", message, hint="The predictor's log has the reason.")


def busy(expected: str, received: str) -> ServiceError:
    """The error where a workspace asks for more than it is answered."""
    message = f"Expected {expected}. Received: {received}."
    return ServiceError(429, "busy", message, hint="Try again in a second.", headers=RETRY_AFTER)


async def in_turn(turns: Turns, workspace: str, call: Callable[..., Told], *args: Any) -> Told:
    """What a call that asks the predictor returns, when it is the workspace's turn.

    Raises:
        ServiceError: 429 where too many of the workspace wait.
    """
    try:
        return await turns.run(workspace, call, *args)
    except TooManyWait as error:
        raise busy("fewer requests at once", str(error)) from error


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
