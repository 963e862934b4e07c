"""`/v2`: the Open Inference Protocol (KServe's V2) in JSON, beside `:predict`."""

from __future__ import annotations

from importlib.metadata import version as version_of
from typing import Annotated

from fastapi import APIRouter, Path, Request, Response
from pydantic import BaseModel, Field

from app.access.caller import Asking, Caller
from app.access.requests import Handler
from app.errors import ServiceError, responses
from app.models import service as models
from app.models.routes import ModelPath
from app.models.signature import Signature
from app.predictions import service
from app.predictions.predictor import PredictorAway
from app.predictions.routes import PredictRoute
from app.predictions.tensors import (
    InferRequest,
    OutputTensor,
    TensorMetadata,
    inputs_of,
    outputs_of,
    rows_of,
    tensors_of,
)


class InferRoute(PredictRoute):
    """Clients of the protocol do not say that their bodies are JSON, which is all that is taken here."""

    def get_route_handler(self) -> Handler:
        """The handler, for which a body of no type is JSON."""
        handle = super().get_route_handler()

        async def read(request: Request) -> Response:
            if "inference-header-content-length" in request.headers:
                message = "Expected tensors in JSON. Received: binary data."
                hint = "Send `data` in JSON; with tritonclient: set_data_from_numpy(…, binary_data=False)."
                raise ServiceError(415, "binary_tensors", message, hint=hint)
            if "content-type" not in request.headers:
                headers = [*request.scope["headers"], (b"content-type", b"application/json")]
                request = Request({**request.scope, "headers": headers}, request.receive)
            return await handle(request)

        return read


router = APIRouter(prefix="/v2", tags=["open inference"], route_class=InferRoute)

VersionNumber = Annotated[int, Path(ge=1, lt=2**31, description="The number of a version.")]


class ServerMetadata(BaseModel):
    """What this is."""

    name: str = "model-transfer"
    version: str
    extensions: list[str] = []


class Live(BaseModel):
    """The process answers."""

    live: bool = True


class Ready(BaseModel):
    """A predictor answers."""

    ready: bool = True


class ModelMetadata(BaseModel):
    """What a model takes and answers."""

    name: str
    versions: list[str]
    platform: str = Field(examples=["keras"])
    inputs: list[TensorMetadata]
    outputs: list[TensorMetadata]


class ModelReady(Ready):
    """The version's files are there, and a predictor answers."""

    name: str


class InferResponse(BaseModel):
    """Answers as tensors."""

    model_name: str
    model_version: str
    id: str | None = None
    outputs: list[OutputTensor]


@router.get("", summary="What is this server?")
def get_server_metadata() -> ServerMetadata:
    """Its name and version."""
    return ServerMetadata(version=version_of("model-transfer"))


@router.get("/health/live", summary="Is the process alive?")
def get_server_live() -> Live:
    """Touches nothing else."""
    return Live()


@router.get("/health/ready", summary="Can it infer?", responses=responses(503))
def get_server_ready(request: Request) -> Ready:
    """503 until a predictor answers."""
    _look(request)
    return Ready()


@router.get("/models/{model}", summary="What does a model take and answer?", responses=responses(404))
@router.get(
    "/models/{model}/versions/{version}",
    summary="What does a version take and answer?",
    responses=responses(404, 422),
    name="get_inference_version_metadata",
)
def get_inference_model_metadata(
    model: ModelPath, request: Request, caller: Asking, version: VersionNumber | None = None
) -> ModelMetadata:
    """A tensor for each column; -1 is the number of rows."""
    with request.app.state.readers() as session:
        found = models.find_version(session, caller.workspace, _reference(model, version))
        signature = Signature.model_validate(found.signature)
        return ModelMetadata(
            name=found.model,
            versions=[str(found.number)],
            platform="keras",
            inputs=inputs_of(signature),
            outputs=outputs_of(signature),
        )


@router.get("/models/{model}/ready", summary="Can a model infer?", responses=responses(404, 410, 503))
@router.get(
    "/models/{model}/versions/{version}/ready",
    summary="Can a version infer?",
    responses=responses(404, 410, 422, 503),
    name="get_inference_version_ready",
)
def get_inference_model_ready(
    model: ModelPath, request: Request, caller: Asking, version: VersionNumber | None = None
) -> ModelReady:
    """503 until a predictor answers; it loads the version when rows come."""
    with request.app.state.readers() as session:
        found, _ = service.find(session, caller.workspace, _reference(model, version))
    _look(request)
    return ModelReady(name=found.partition("@")[0])


@router.post(
    "/models/{model}/infer",
    summary="Infer with a model",
    response_model=InferResponse,
    response_model_exclude_none=False,
    responses=responses(404, 410, 413, 415, 422, 429, 503),
    name="predict_inference_model",
)
@router.post(
    "/models/{model}/versions/{version}/infer",
    summary="Infer with a version",
    responses=responses(404, 410, 413, 415, 422, 429, 503),
    name="predict_inference_version",
)
async def predict_tensors(
    model: ModelPath,
    body: InferRequest,
    request: Request,
    caller: Asking,
    version: VersionNumber | None = None,
) -> InferResponse:
    """Rows as columns in, answers as tensors out: the numbers of `:predict`.

    In JSON alone: a client that would send binary tensors is told so.
    """
    turns, reference = request.app.state.predicting, _reference(model, version)
    return await service.in_turn(turns, caller.workspace, _infer, caller, reference, body, request)


def _infer(caller: Caller, reference: str, body: InferRequest, request: Request) -> InferResponse:
    state, workspace = request.app.state, caller.workspace
    with state.readers() as session:
        ref, bundle = service.find(session, workspace, reference)
        signature = Signature.model_validate(models.find_version(session, workspace, ref).signature)
    tensors_of(signature, [], body.outputs)  # refused before anything is predicted
    rows = rows_of(body.inputs)
    answers = service.predict(state.predictor, workspace, ref, bundle, rows, _place)
    state.predicted.tell(caller, ref, len(rows))
    name, _, number = ref.rpartition("@")
    return InferResponse(
        model_name=name,
        model_version=number,
        id=body.id,
        outputs=tensors_of(signature, answers, body.outputs),
    )


def _place(row: int | None, column: str | None) -> str:
    """Where a value stands in the request, of a row from 0."""
    return "inputs" + (f".{column}" if column else "") + ("" if row is None else f"[{row}]")


def _reference(model: str, version: int | None) -> str:
    return model if version is None else f"{model}@{version}"


def _look(request: Request) -> None:
    try:
        request.app.state.predictor.look()
    except PredictorAway as away:
        raise service.away(str(away)) from away
