"""`/v1/predictions`."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response
from pydantic import ValidationError
from sqlalchemy.orm import Session
from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect

from app.access import audit
from app.access.caller import Asking, Caller
from app.access.quotas import require_room
from app.access.requests import StrictRoute
from app.datasets.upload import Upload, receive
from app.db.session import ReadSession
from app.db.tables import Job
from app.downloads import answers, blob_response
from app.errors import ServiceError, field_problem, responses
from app.idempotency import IdempotencyKey
from app.jobs.kind_routes import add_routes
from app.jobs.resource import Resource
from app.jobs.states import Kind, State
from app.models.routes import PARQUET
from app.pages import After, Limit
from app.predictions import batches
from app.predictions.batch_schemas import BatchList, BatchOptions, BatchRequest, BatchView, ResultFormat
from app.texts import Handle

router = APIRouter(prefix="/v1/predictions", tags=["predictions"], route_class=StrictRoute)

PREDICTIONS = Resource(Kind.PREDICTION, "prediction", BatchView, batches.show)

_BINARY = {"type": "string", "format": "binary"}
_FIELDS: dict[str, Any] = {
    "model": {"type": "string", "maxLength": 200, "description": "Id, `name@version` or `name@alias`."},
    "keep": {
        "type": "array",
        "maxItems": 100,
        "items": {"type": "string", "maxLength": 1000},
        "description": "Columns that stand beside the answers; `all` alone keeps all.",
    },
    "formats": {"type": "array", "maxItems": 3, "items": {"enum": ["csv", "jsonl", "parquet"]}},
    "name": {"type": "string", "maxLength": 100, "description": "Name of the job."},
    "queue": {"type": "string", "maxLength": 100, "description": "Queue of the workers."},
}
_UPLOAD: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "properties": {"file": _BINARY, **_FIELDS},
                    "required": ["file", "model"],
                    "additionalProperties": False,
                }
            }
        },
    }
}


@router.post(
    "",
    status_code=202,
    summary="Predict the rows of a data set",
    responses=responses(404, 409, 410, 422, 429, 507),
)
async def create_prediction(
    body: BatchRequest,
    request: Request,
    response: Response,
    caller: Asking,
    idempotency_key: IdempotencyKey = None,
) -> BatchView:
    """All rows of a data set, on a worker: what `:predict` answers for each, as files to download.

    Rows that cannot be read are listed in a file of their own and end nothing. `Location` is the job.
    """
    settings, asked = request.app.state.settings, body.model_dump(mode="json")
    workspace, owner = caller.workspace, caller.owner(body.owner)

    def make(session: Session) -> Job:
        return batches.accept(session, workspace, owner, body, settings)

    view = await run_in_threadpool(
        PREDICTIONS.moved, request, caller, idempotency_key, "created", make, asked
    )
    response.headers["Location"] = f"{PREDICTIONS.path}/{view.id}"
    return view


@router.post(
    ":upload",
    name="upload_prediction",
    status_code=202,
    summary="Predict the rows of a file",
    response_model=BatchView,
    responses=responses(400, 404, 409, 410, 413, 422, 429, 507),
    openapi_extra=_UPLOAD,
)
async def upload_rows(
    request: Request, response: Response, caller: Asking, idempotency_key: IdempotencyKey = None
) -> BatchView:
    """The same for rows without labels: `curl -F file=@rows.csv -F model=grades …/v1/predictions:upload`.

    Every format of a data set that the model's kind of data may come in. The file is kept with the job. One
    that is no such file, or lacks a column, ends the job with what is wrong.
    """
    state = request.app.state
    await run_in_threadpool(_has_room, request, caller)
    with state.storage.incoming() as incoming:
        try:
            upload = await receive(
                request,
                incoming,
                lambda _: None,
                max_bytes=state.settings.max_upload_bytes,
                max_field_bytes=state.settings.max_json_bytes,
            )
        except ClientDisconnect:
            message = "Expected a complete request. Received: only part of one."
            raise ServiceError(400, "cut_off", message) from None
        asked = _options(upload)
        digest = await run_in_threadpool(state.storage.keep, incoming)
        sent = batches.SentFile(digest, incoming.size, upload.filename, upload.media_type)

    def make(session: Session) -> Job:
        owner = caller.owner(asked.owner)
        return batches.accept_file(session, caller.workspace, owner, asked, sent, state.settings)

    body = {**asked.model_dump(mode="json"), "sha256": digest, "filename": upload.filename}
    view = await run_in_threadpool(PREDICTIONS.moved, request, caller, idempotency_key, "created", make, body)
    response.headers["Location"] = f"{PREDICTIONS.path}/{view.id}"
    return view


def _has_room(request: Request, caller: Caller) -> None:
    with request.app.state.readers() as session:
        require_room(session, caller.workspace, request.app.state.settings)


def _options(upload: Upload) -> BatchOptions:
    """The fields of the form.

    Raises:
        ServiceError: 422; one is missing, unknown, or has another value.
    """
    given: dict[str, Any] = {}
    for name, values in upload.fields.items():
        if name not in _FIELDS:
            raise field_problem(name, f"one of the fields file, {', '.join(_FIELDS)}", name)
        is_list = name in ("keep", "formats") and values != ["all"]
        if not is_list and len(values) > 1:
            raise field_problem(name, "one value", f"{len(values)} values")
        given[name] = values if is_list else values[0]
    try:
        return BatchOptions.model_validate(given)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"]) or "form"
        raise field_problem(place, first["msg"], str(given.get(place, "nothing"))) from None


@router.get("", summary="List predictions of files", responses=responses(422))
def list_predictions(
    session: ReadSession,
    caller: Asking,
    state: Annotated[State | None, Query(description="Only predictions in this state.")] = None,
    after: After = None,
    limit: Limit = 20,
) -> BatchList:
    """Newest first."""
    found, has_more = PREDICTIONS.page(session, caller.workspace, state, after, limit)
    return BatchList(data=[batches.show(session, job) for job in found], has_more=has_more)


@router.get(
    "/{prediction}/download",
    name="download_prediction",
    summary="Download a file's answers",
    response_class=Response,
    responses={**answers("text/csv", "application/jsonl", PARQUET), **responses(404, 409, 422)},
)
def download_prediction(
    prediction: Handle,
    request: Request,
    session: ReadSession,
    caller: Asking,
    format: Annotated[
        ResultFormat | None,
        Query(
            description="`csv`, `jsonl` or `parquet`: a row for each row that was answered, with its number "
            "from 1; `refused`: a CSV file with the rows that could not be read, and why. By default the "
            "first of them that was asked for."
        ),
    ] = None,
) -> Response:
    """The answers, or the rows without one. `curl -OJ` uses the file's name."""
    job, file = batches.find_file(session, caller.workspace, prediction, format)
    storage = request.app.state.storage
    answer = blob_response(request, storage, file.digest, file.filename, file.media_type)
    return audit.downloaded(request, caller, "prediction.downloaded", f"{job.name} {file.format}", answer)


add_routes(router, PREDICTIONS)
