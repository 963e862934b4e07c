"""`/healthz` and `/readyz`, for whoever watches the service."""

from __future__ import annotations

from typing import Literal

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, Field
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError

from app.access.caller import Asking
from app.access.requests import StrictRoute
from app.errors import ServiceError, public_reason, responses
from app.predictions.predictor import PredictorAway

router = APIRouter(tags=["service"], route_class=StrictRoute)


class Health(BaseModel):
    """The process answers."""

    status: Literal["ok"] = "ok"


class Readiness(BaseModel):
    """Whether the API can reach the parts it needs; each is `ok` or says what is wrong."""

    status: Literal["ready", "not ready"]
    parts: dict[str, str] = Field(
        examples=[{"database": "ok", "storage": "ok", "broker": "ok", "predictor": "ok"}]
    )


@router.get("/healthz", summary="Is the process alive?")
def get_health() -> Health:
    """Touches nothing else."""
    return Health()


@router.get("/readyz", summary="Can the service do its work?", responses={503: {"model": Readiness}})
def get_readiness(request: Request, response: Response) -> Readiness:
    """503 while the database, the storage, the broker or the predictor cannot be reached."""
    looks = {"database": _database, "storage": _storage, "broker": _broker, "predictor": _predictor}
    parts = {name: look(request) for name, look in looks.items()}
    ready = all(state == "ok" for state in parts.values())
    if not ready:
        response.status_code = 503
    return Readiness(status="ready" if ready else "not ready", parts=parts)


@router.get(
    "/metrics",
    summary="What Prometheus reads",
    response_class=Response,
    responses={200: {"content": {"text/plain": {"schema": {"type": "string"}}}}, **responses(403)},
)
def get_metrics(request: Request, caller: Asking) -> Response:
    """Jobs by state, waits, times of stages, expired leases, retries, disk: of all workspaces together.

    Where there are keys it takes one of the installation, whose scope may be `read`.
    """
    from app.health.metrics import exposition

    if caller.key_id is not None and not caller.is_installation:
        message = (
            "Expected a key of the installation, since these are the numbers of all workspaces. "
            f"Received: {caller.key_name}, a key of the workspace {caller.workspace_name}."
        )
        hint = (
            "Whoever runs the service makes one: model-transfer keys create NAME --scope read --installation"
        )
        raise ServiceError(403, "installation_only", message, hint=hint)
    text = exposition(request.app.state.readers, request.app.state.storage.folder)
    return Response(text, media_type="text/plain; version=0.0.4")


def _database(request: Request) -> str:
    try:
        with request.app.state.readers() as session:
            session.execute(text("SELECT 1"))
    except SQLAlchemyError as error:
        return f"cannot be reached: {type(error).__name__}"
    return "ok"


def _storage(request: Request) -> str:
    try:
        request.app.state.storage.check()
    except OSError as error:
        return f"cannot be written: {public_reason(error)}"
    return "ok"


def _broker(request: Request) -> str:
    return "cannot be reached" if request.app.state.broker.count_waiting() is None else "ok"


def _predictor(request: Request) -> str:
    try:
        request.app.state.predictor.look()
    except PredictorAway as away:
        return f"cannot be reached, or is still starting: {away}"
    return "ok"
