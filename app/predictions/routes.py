"""`/v1/models/{model}:predict`."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import JSONResponse

from app.access.caller import Asking, Caller
from app.access.requests import Handler, StrictRoute
from app.errors import responses
from app.models.routes import ModelPath
from app.predictions import comparisons, service
from app.predictions.comparisons import ComparisonView
from app.predictions.image_forms import OPENAPI, as_json, is_form
from app.predictions.schemas import PredictionList, PredictRequest
from app.texts import Handle


class PredictRoute(StrictRoute):
    """Rows take more room than options, and images may come as files of a form."""

    limit = "max_instances_bytes"

    def get_route_handler(self) -> Handler:
        """The handler, which a form reaches as JSON where the route takes one."""
        handle = super().get_route_handler()
        if not self.openapi_extra:
            return handle

        async def read(request: Request) -> Response:
            if is_form(request):
                request = await as_json(request, getattr(request.app.state.settings, self.limit))
            return await handle(request)

        return read


router = APIRouter(prefix="/v1/models", tags=["models"], route_class=PredictRoute)


@router.post(
    "/{model}:predict",
    summary="Predict rows",
    response_model=PredictionList,
    response_model_exclude_unset=True,
    responses=responses(400, 404, 410, 413, 422, 429, 503),
    openapi_extra=OPENAPI,
)
async def predict_rows(
    model: ModelPath, body: PredictRequest, request: Request, caller: Asking
) -> JSONResponse:
    """Rows in, classes with probabilities or values out, as the downloaded file answers them.

    Every value is read by the rules of the data set that the model was trained on, and what cannot be read
    is told by its place, such as `instances[3].age`. Images may come as files of a form as well, each in a
    part called `image`.
    """
    turns = request.app.state.predicting
    return await service.in_turn(turns, caller.workspace, _predict, caller, model, body, request)


@router.get(
    "/{model}/comparison", summary="Compare two versions", responses=responses(404, 409, 410, 422, 503)
)
async def compare_versions(
    model: ModelPath,
    request: Request,
    caller: Asking,
    other: Annotated[
        Handle, Query(alias="with", description="Id, `name@version` or `name@alias` of the other.")
    ],
) -> ComparisonView:
    """`model` is `a`, the other `b`: the interval of their difference on the rows that both tested."""
    turns = request.app.state.predicting
    return await service.in_turn(turns, caller.workspace, compared, request, caller.workspace, model, other)


def compared(request: Request, workspace: str, a: str, b: str) -> ComparisonView:
    """The same, while a thread waits for the predictor."""
    state = request.app.state
    with state.readers() as session:
        asked = comparisons.question(session, workspace, a, b)
    return comparisons.compare(state.predictor, workspace, asked)


def _predict(caller: Caller, model: str, body: PredictRequest, request: Request) -> JSONResponse:
    state = request.app.state
    with state.readers() as session:
        version, bundle = service.find(session, caller.workspace, model)
    answers = service.predict(state.predictor, caller.workspace, version, bundle, body.instances)
    state.predicted.tell(caller, version, len(body.instances))
    return JSONResponse({"version": version, "predictions": answers})
