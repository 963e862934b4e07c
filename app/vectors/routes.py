"""`/v1/vectors`, and the vector and the neighbours of a data set."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path, Query, Request, Response
from sqlalchemy.orm import Session
from starlette.concurrency import run_in_threadpool

from app.access.caller import Asking
from app.access.requests import StrictRoute
from app.db.session import ReadSession
from app.db.tables import Job
from app.errors import responses
from app.idempotency import IdempotencyKey
from app.jobs.kind_routes import add_routes
from app.jobs.resource import Resource
from app.jobs.states import Kind
from app.vectors import service
from app.vectors.schemas import DatasetVector, NeighbourList, VectorRequest, VectorView

VECTORS = Resource(Kind.VECTOR, "vector", VectorView, service.show)

router = APIRouter(prefix=VECTORS.path, tags=["datasets"], route_class=StrictRoute)
of_datasets = APIRouter(prefix="/v1/datasets", tags=["datasets"], route_class=StrictRoute)

DatasetPath = Annotated[str, Path(description="Id, name or `name@version` of a data set.")]


@router.post("", status_code=202, summary="Make a task vector", responses=responses(404, 409, 422, 429))
async def create_vector(
    body: VectorRequest,
    request: Request,
    response: Response,
    caller: Asking,
    idempotency_key: IdempotencyKey = None,
) -> VectorView:
    """Describe a data set's task as numbers, on a worker, in seconds. `Location` is the job."""
    settings, asked = request.app.state.settings, body.model_dump(mode="json")
    workspace, owner = caller.workspace, caller.owner(body.owner)

    def make(session: Session) -> Job:
        return service.accept(session, workspace, owner, body, settings)

    view = await run_in_threadpool(VECTORS.moved, request, caller, idempotency_key, "created", make, asked)
    response.headers["Location"] = f"{VECTORS.path}/{view.id}"
    return view


add_routes(router, VECTORS)


@of_datasets.get("/{dataset}/vector", summary="Get a data set's task vector", responses=responses(404))
def get_dataset_vector(dataset: DatasetPath, session: ReadSession, caller: Asking) -> DatasetVector:
    """The newest one that was made."""
    return service.vector_of(session, caller.workspace, dataset)


@of_datasets.get("/{dataset}/neighbours", summary="List the nearest tasks", responses=responses(404, 422))
def list_dataset_neighbours(
    dataset: DatasetPath,
    session: ReadSession,
    caller: Asking,
    limit: Annotated[int, Query(ge=1, le=100)] = 20,
) -> NeighbourList:
    """Data sets of the same kind with a vector, nearest first. A list of related tasks, and no ranking of
    sources: on images such distances were no better than chance at that."""
    return service.neighbours(session, caller.workspace, dataset, limit)
