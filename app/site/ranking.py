"""`/ui/rankings`: which source suits a data set, and which data sets are related to it."""

from __future__ import annotations

import secrets
from typing import Annotated, Any

from fastapi import Query, Request, Response
from fastapi.responses import RedirectResponse
from sqlalchemy.orm import Session
from starlette.concurrency import run_in_threadpool

from app.access.caller import Asking, Caller
from app.datasets import routes as datasets
from app.db.session import ReadSession
from app.db.tables import Job
from app.errors import ServiceError
from app.jobs import service as jobs
from app.jobs.states import Kind
from app.pages import After
from app.rankings import routes as rankings
from app.rankings.schemas import RankingRequest, RankingView
from app.site.asking import own_form, texts
from app.site.asking import router as make_router
from app.site.rendering import page
from app.texts import Line
from app.vectors import routes as vectors
from app.vectors import service as vector_service
from app.vectors.schemas import VectorRequest

router = make_router()

_PER_PAGE = 25
_MOST = 1 << 14
_MANY = 200
_NEAREST = 10

ANSWERS = {
    "use": "Use this source",
    "undecided": "Undecided: train both",
    "no": "No source helps",
}
"""What a ranking says, as its page has it."""

ACTIONS = {
    "queued": "cancel",
    "running": "cancel",
    "paused": "resume",
    "failed": "retry",
    "cancelled": "retry",
}
"""What can be asked of a ranking, by its state."""


@router.get("/ui/rankings")
def list_rankings(
    request: Request,
    session: ReadSession,
    caller: Asking,
    target: Annotated[Line, Query()] = "",
    after: After = None,
) -> Response:
    """Newest first, and a form for another one."""
    found = rankings.list_rankings(session, caller, None, after, _PER_PAGE)
    return page(
        request,
        "rankings.html",
        rankings=found,
        answers=ANSWERS,
        target=target,
        datasets=datasets.list_datasets(session, caller, None, None, _MANY).data,
        once=secrets.token_hex(16),
    )


@router.get("/ui/rankings/{ranking}")
def show_ranking(ranking: str, request: Request, session: ReadSession, caller: Asking) -> Response:
    """Its progress while it runs, then the answer and every candidate."""
    return page(request, "ranking.html", **_values(session, caller, ranking))


@router.get("/ui/rankings/{ranking}/now")
def show_now(ranking: str, request: Request, session: ReadSession, caller: Asking) -> Response:
    """The part of its page that changes, which the page asks for while it runs."""
    return page(request, "ranking_now.html", **_values(session, caller, ranking))


@router.post("/ui/rankings")
async def start_ranking(request: Request, caller: Asking) -> Response:
    """As `POST /v1/rankings` with all candidates, then its page."""
    given = texts(await own_form(request, _MOST))
    body = RankingRequest(target=_reference(given))
    view = await rankings.create_ranking(body, request, Response(), caller, given.get("once"))
    return RedirectResponse(f"/ui/rankings/{view.id}", 303)


@router.post("/ui/rankings/{ranking}:{action}")
async def move_ranking(ranking: str, action: str, request: Request, caller: Asking) -> Response:
    """As `POST /v1/rankings/{ranking}:{action}`, then its page again."""
    await own_form(request, _MOST)
    view = await run_in_threadpool(_moved, ranking, action, request, caller)
    return RedirectResponse(f"/ui/rankings/{view.id}", 303)


@router.post("/ui/vectors")
async def make_vector(request: Request, caller: Asking) -> Response:
    """As `POST /v1/vectors`, then the data set's related ones, where they will be."""
    dataset = _reference(texts(await own_form(request, _MOST)))
    await vectors.create_vector(VectorRequest(dataset=dataset), request, Response(), caller, None)
    return RedirectResponse(f"/ui/datasets/{dataset}#related", 303)


def related(session: Session, caller: Caller, dataset_id: str) -> dict[str, Any]:
    """The nearest tasks of a data set, or why there are none yet: what its page shows of them."""
    try:
        return {"neighbours": vector_service.neighbours(session, caller.workspace, dataset_id, _NEAREST)}
    except ServiceError:
        return {"neighbours": None, "making": vector_service.is_being_made(session, dataset_id)}


def _values(session: Session, caller: Caller, ranking: str) -> dict[str, Any]:
    view = rankings.RANKINGS.show(session, jobs.find(session, caller.workspace, ranking, Kind.RANKING))
    return {
        "ranking": view,
        "answers": ANSWERS,
        "action": None if view.stop_request else ACTIONS.get(view.state),
    }


def _moved(ranking: str, action: str, request: Request, caller: Caller) -> RankingView:
    moves = {"cancel": jobs.cancel, "resume": jobs.resume}

    def move(session: Session) -> Job:
        if action == "retry":
            state = request.app.state
            attempts = state.settings.max_attempts
            return jobs.retry(session, state.storage, caller.workspace, ranking, attempts, Kind.RANKING)
        return moves[action](session, caller.workspace, ranking, Kind.RANKING)

    done = {"cancel": "cancelled", "resume": "resumed", "retry": "retried"}
    if action not in done:
        message = f"Expected one of {', '.join(done)}. Received: {action}."
        raise ServiceError(404, "not_found", message, hint="Go back to the ranking.")
    return rankings.RANKINGS.moved(request, caller, None, done[action], move)


def _reference(given: dict[str, str]) -> str:
    if "dataset" not in given:
        message = "Expected a data set. Received: none."
        raise ServiceError(422, "invalid_request", message, hint="Choose one from the list.")
    return given["dataset"]
