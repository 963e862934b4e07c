"""`/v1/rankings`."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Request, Response
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
from app.jobs.states import Kind, State
from app.pages import After, Limit
from app.rankings import service
from app.rankings.schemas import RankingList, RankingRequest, RankingView

router = APIRouter(prefix="/v1/rankings", tags=["rankings"], route_class=StrictRoute)

RANKINGS = Resource(Kind.RANKING, "ranking", RankingView, service.show)


@router.post(
    "",
    status_code=202,
    summary="Ask which source suits a target",
    responses=responses(404, 409, 410, 422, 429),
)
async def create_ranking(
    body: RankingRequest,
    request: Request,
    response: Response,
    caller: Asking,
    idempotency_key: IdempotencyKey = None,
) -> RankingView:
    """Sources are compared by linear models of their features of the target's train rows, out of fold.

    Nothing is trained but these. The answer can be that no source helps. `Location` is the ranking.
    """
    settings, asked = request.app.state.settings, body.model_dump(mode="json")
    workspace, owner = caller.workspace, caller.owner(body.owner)

    def make(session: Session) -> Job:
        return service.accept(session, workspace, owner, body, settings)

    view = await run_in_threadpool(RANKINGS.moved, request, caller, idempotency_key, "created", make, asked)
    response.headers["Location"] = f"/v1/rankings/{view.id}"
    return view


@router.get("", summary="List rankings", responses=responses(422))
def list_rankings(
    session: ReadSession,
    caller: Asking,
    state: Annotated[State | None, Query(description="Only rankings in this state.")] = None,
    after: After = None,
    limit: Limit = 20,
) -> RankingList:
    """Newest first."""
    found, has_more = RANKINGS.page(session, caller.workspace, state, after, limit)
    return RankingList(data=[service.show(session, job) for job in found], has_more=has_more)


add_routes(router, RANKINGS)
