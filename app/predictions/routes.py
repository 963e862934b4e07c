"""`/v1/models/{model}:predict`."""

from __future__ import annotations

from anyio import CapacityLimiter, to_thread
from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse

from app.access.caller import Asking
from app.access.requests import Handler, StrictRoute
from app.errors import responses
from app.models.routes import ModelPath
from app.predictions import service
from app.predictions.image_forms import OPENAPI, as_json, is_form
from app.predictions.schemas import PredictionList, PredictRequest


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

MOST_AT_ONCE = 64
"""Requests that wait for the predictor in one API process; they hold no thread of other routes."""


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
    limiter: CapacityLimiter = request.app.state.predicting
    return await to_thread.run_sync(_predict, caller.workspace, model, body, request, limiter=limiter)


def _predict(workspace: str, model: str, body: PredictRequest, request: Request) -> JSONResponse:
    state = request.app.state
    with state.readers() as session:
        version, bundle = service.find(session, workspace, model)
    answers = service.predict(state.predictor, version, bundle, body.instances)
    return JSONResponse({"version": version, "predictions": answers})
