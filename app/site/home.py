"""`/`: what is here, and what to do next."""

from __future__ import annotations

from fastapi import Request, Response

from app.access.caller import Asking
from app.datasets import routes as datasets
from app.db.session import ReadSession
from app.jobs.filters import Wanted
from app.jobs.routes import listed
from app.models import routes as models
from app.site.asking import router as make_router
from app.site.rendering import page

router = make_router()

_FEW = 5


@router.get("/")
def show_home(request: Request, session: ReadSession, caller: Asking) -> Response:
    """The latest of each, and the steps to a first prediction for who has not gone them."""
    return page(
        request,
        "home.html",
        datasets=datasets.list_datasets(session, caller, None, None, _FEW).data,
        jobs=listed(session, caller, Wanted(), None, _FEW).data,
        models=models.list_models(session, caller, None, _FEW).data,
    )
