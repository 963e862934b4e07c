"""`/ui/models`: the list, a model's versions, one version with its files, lineage and champion."""

from __future__ import annotations

from typing import Any

from fastapi import Request, Response
from fastapi.responses import RedirectResponse
from sqlalchemy.orm import Session
from starlette.concurrency import run_in_threadpool

from app.access.caller import Asking, Caller
from app.db.session import ReadSession
from app.errors import ServiceError, field_problem
from app.jobs import service as jobs
from app.jobs.results import JobResult
from app.models import routes as models
from app.models.aliases import CHAMPION
from app.models.schemas import AliasRequest, Format, VersionView
from app.pages import After
from app.references import is_id
from app.reports import charts
from app.site.asking import own_form, texts
from app.site.asking import router as make_router
from app.site.lineage import lineage
from app.site.prediction_forms import Example, example
from app.site.rendering import page

router = make_router()

_PER_PAGE = 25
_MOST = 1 << 14

FILES: dict[Format, str] = {
    "keras": "a file for keras.saving.load_model",
    "bundle": "model, card and predict.py in a zip",
    "predictions": "what every arm answered on the test rows",
    "wrong_rows": "the test rows by how wrong the transfer is, as Parquet",
    "doubtful_labels": "rows whose labels are likely wrong, as CSV to correct",
}
"""What each file of a version is, in words."""


@router.get("/ui/models")
def list_models(request: Request, session: ReadSession, caller: Asking, after: After = None) -> Response:
    """By name, each with its newest version."""
    return page(request, "models.html", models=models.list_models(session, caller, after, _PER_PAGE))


@router.get("/ui/models/{model}")
def show_model(
    model: str,
    request: Request,
    session: ReadSession,
    caller: Asking,
    after: After = None,
    row: int = 0,
) -> Response:
    """Of a name all versions; of an id, `name@version` or `name@alias` that version."""
    if "@" in model or is_id(model):
        shown = version_values(session, caller, model, row)
        return page(request, "version.html", answer=None, problem=None, errors={}, **shown)
    found = models.list_model_versions(model, session, caller, after, _PER_PAGE)
    champion = next((one for one in models.list_model_aliases(model, session, caller).data), None)
    return page(request, "model.html", name=model, versions=found, champion=champion)


def version_values(session: Session, caller: Caller, reference: str, row: int = 0) -> dict[str, Any]:
    """What the page of a version shows, its form filled in with a row of its target."""
    view = models.get_model_version(reference, session, caller)
    filled: Example = example(session, caller, view, row)
    result = _result(session, caller.workspace, view)
    files: dict[str, list[Any]] = {}
    for one in view.artifacts:
        files.setdefault(one.arm, []).append(one)
    return {
        "version": view,
        "result": result,
        "interval": view.gain and charts.interval(view.gain.low, view.gain.high, view.gain.value),
        "files": files,
        "file_words": FILES,
        "drawing": lineage(session, caller.workspace, view),
        "example": filled,
        "is_champion": CHAMPION in view.aliases,
    }


def _result(session: Session, workspace: str, view: VersionView) -> JobResult | None:
    """What the job that made it came to; None where the job is gone."""
    try:
        return jobs.view(jobs.find(session, workspace, view.lineage.job)).result
    except ServiceError:
        return None


@router.post("/ui/models/{model}:champion")
async def make_champion(model: str, request: Request, caller: Asking) -> Response:
    """As `PUT /v1/models/{model}/aliases/champion`, then the version again."""
    form = texts(await own_form(request, _MOST))
    version = form.get("version", "")
    if not version.isdecimal() or len(version) > 9 or int(version) < 1:
        raise field_problem("version", "the number of a version", version or "nothing")
    body = AliasRequest(version=int(version), force="force" in form)

    def give() -> str:
        with request.app.state.sessions.begin() as session:
            return models.set_model_alias(model, CHAMPION, body, session, caller).ref

    return RedirectResponse(f"/ui/models/{await run_in_threadpool(give)}", 303)
