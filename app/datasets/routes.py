"""`/v1/datasets`."""

from __future__ import annotations

import json
import queue
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import ExitStack
from typing import Annotated, Any

from fastapi import APIRouter, Path, Query, Request, Response
from fastapi.sse import EventSourceResponse
from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect

from app.access import audit
from app.access.caller import Asking
from app.access.quotas import require_room
from app.access.requests import StrictRoute
from app.datasets import service
from app.datasets.followers import client_left, stream_progress, wait_for_dataset
from app.datasets.schemas import REPEATABLE, DatasetForm, DatasetList, DatasetView, RowList
from app.datasets.upload import MAX_FIELDS, Upload, receive
from app.datasets.validation import Validation
from app.db.session import ReadSession, WriteSession
from app.downloads import answers, blob_response
from app.errors import responses
from app.idempotency import IdempotencyKey
from app.pages import After, Limit
from app.settings import MIB
from app.texts import Line

router = APIRouter(prefix="/v1/datasets", tags=["datasets"], route_class=StrictRoute)

DatasetPath = Annotated[
    str,
    Path(
        description="Id, name or `name@version` of a data set.",
        openapi_examples={"by name": {"value": "source"}, "a version": {"value": "source@1"}},
    ),
]


def _fields() -> dict[str, dict[str, Any]]:
    """The fields beside the file, as the text that they are in a form or an address."""
    fields: dict[str, dict[str, Any]] = DatasetForm.model_json_schema()["properties"]
    text = {"type": "string", "maxLength": MIB}
    fields["metadata"] = {**text, "description": fields["metadata"]["description"]}
    for field in fields.values():
        # A program would send each default, and those of the address beside a form, where none may stand.
        default = field.pop("default", None)
        if default not in (None, "", "{}"):
            field["description"] = f"{field['description']} Default: {json.dumps(default)}."
    for name in REPEATABLE:
        about = fields[name]["description"]
        fields[name] = {"type": "array", "maxItems": MAX_FIELDS, "items": text, "description": about}
    return fields


def _request_body() -> dict[str, Any]:
    fields = _fields()
    del fields["filename"]  # the part of the file has it
    binary = {"type": "string", "format": "binary"}
    form = {
        "type": "object",
        "properties": {"file": binary, **fields},
        "required": ["file"],
        "additionalProperties": False,
    }
    described = (
        "A form, or the bytes of the file alone, under any media type: `application/octet-stream`, or its "
        "own, such as `text/csv` or `application/vnd.apache.parquet`, which is kept."
    )
    content = {"multipart/form-data": {"schema": form}, "application/octet-stream": {"schema": binary}}
    return {"required": True, "description": described, "content": content}


def _query_parameters() -> list[dict[str, Any]]:
    """The fields of a raw body, which has no parts for them."""
    return [
        {
            "name": name,
            "in": "query",
            "description": f"With a raw body. {schema.pop('description')}",
            "schema": schema,
        }
        for name, schema in _fields().items()
    ]


@router.post(
    "",
    status_code=201,
    summary="Upload a data set",
    response_model=DatasetView,
    responses={
        200: {"content": {"text/event-stream": {"schema": {"type": "string"}}}},
        **responses(400, 409, 413, 422, 507),
    },
    openapi_extra={"requestBody": _request_body(), "parameters": _query_parameters()},
)
async def upload_dataset(
    request: Request, response: Response, caller: Asking, idempotency_key: IdempotencyKey = None
) -> Any:
    """Send a table, texts, images or sequences; the file is validated before the data set exists.

    As a form: `curl -F file=@source.csv -F name=source -F label=y localhost:8000/v1/datasets`.
    As a raw body, with the fields as query parameters:
    `curl -T source.csv -X POST 'localhost:8000/v1/datasets?name=source&label=y'`.
    The same name again makes the next version. A large table is validated during the upload if the fields
    come before the file. With `Accept: text/event-stream` the answer is a stream that reports how many rows
    were validated so far and ends with the data set or the problem; errors before its start have the usual
    form.
    """
    return await receive_dataset(request, response, caller, lambda upload: None)


async def receive_dataset(
    request: Request, response: Response, caller: Asking, look: Callable[[Upload], None]
) -> Any:
    """The same for any form: `look` is shown its fields before they are read, of a large file twice."""

    def begin(upload: Upload) -> None:
        look(upload)
        validation.begin(upload)

    settings = request.app.state.settings
    await run_in_threadpool(_has_room, request, caller.workspace)
    with ExitStack() as held:
        incoming = held.enter_context(request.app.state.storage.incoming())
        validation = held.enter_context(Validation(request, caller, incoming))
        try:
            upload = await receive(
                request,
                incoming,
                begin,
                max_bytes=settings.max_upload_bytes,
                max_field_bytes=settings.max_json_bytes,
            )
        except ClientDisconnect:
            raise client_left() from None
        look(upload)
        view = await run_in_threadpool(validation.known, upload)
        if "text/event-stream" in request.headers.get("accept", ""):
            progress: queue.SimpleQueue[int] = queue.SimpleQueue()
            if view is not None:
                made: Future[DatasetView] = Future()
                made.set_result(view)
            else:
                made = validation.create(upload, held.pop_all(), progress.put)
            return EventSourceResponse(
                stream_progress(request, validation, made, progress), headers={"Cache-Control": "no-cache"}
            )
        if view is None:
            made = validation.create(upload, held.pop_all())
            view = await wait_for_dataset(request, validation, made)
    response.headers["Location"] = f"/v1/datasets/{view.id}"
    return view


def _has_room(request: Request, workspace: str) -> None:
    with request.app.state.readers() as session:
        require_room(session, workspace, request.app.state.settings)


@router.get("", summary="List data sets", responses=responses(422))
def list_datasets(
    session: ReadSession,
    caller: Asking,
    name: Annotated[Line | None, Query(description="Only the versions of this name.")] = None,
    after: After = None,
    limit: Limit = 20,
) -> DatasetList:
    """Newest first; `GET /v1/datasets/{dataset}` also has columns, profile and warnings."""
    datasets, has_more = service.list_page(session, caller.workspace, name, after, limit)
    return DatasetList(data=[service.summary(dataset) for dataset in datasets], has_more=has_more)


@router.get("/{dataset}", summary="Get a data set", responses=responses(404))
def get_dataset(dataset: DatasetPath, session: ReadSession, caller: Asking) -> DatasetView:
    """Its columns, profile and warnings, by id, `name@version` or name (the newest version)."""
    return service.view(service.find(session, caller.workspace, dataset))


@router.get("/{dataset}/rows", summary="Preview rows", responses=responses(404, 422))
def preview_dataset_rows(
    dataset: DatasetPath,
    session: ReadSession,
    caller: Asking,
    limit: Annotated[int, Query(ge=1, le=100)] = 20,
    offset: Annotated[int, Query(ge=0, le=100)] = 0,
) -> RowList:
    """Among the first 100 rows."""
    found = service.find(session, caller.workspace, dataset)
    rows = found.preview[offset : offset + limit]
    return RowList(data=rows, has_more=offset + len(rows) < found.rows)


@router.get(
    "/{dataset}/content",
    summary="Download the uploaded file",
    response_class=Response,
    responses={**answers("*/*"), **responses(404)},
)
def download_dataset(
    dataset: DatasetPath, request: Request, session: ReadSession, caller: Asking
) -> Response:
    """Byte for byte as it was uploaded, with ETag and Range."""
    found = service.find(session, caller.workspace, dataset)
    storage = request.app.state.storage
    answer = blob_response(request, storage, found.digest, found.filename, found.media_type)
    return audit.downloaded(request, caller, "dataset.downloaded", service.ref(found), answer)


@router.delete(
    "/{dataset}",
    status_code=204,
    response_class=Response,
    summary="Delete a data set",
    responses=responses(404, 409),
)
def delete_dataset(dataset: DatasetPath, session: WriteSession, caller: Asking) -> None:
    """Its name stays in the lineage of models; 409 while an unfinished job uses it."""
    gone = service.delete(session, caller.workspace, dataset)
    audit.record(session, caller, "dataset.deleted", service.ref(gone))
