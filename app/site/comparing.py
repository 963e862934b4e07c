"""`/ui/compare`: two versions on the rows that both tested."""

from __future__ import annotations

from typing import Annotated

from fastapi import Query, Request, Response

from app.access.caller import Asking
from app.predictions.routes import compared
from app.reports import charts
from app.site.asking import router as make_router
from app.site.rendering import page
from app.texts import Handle

router = make_router()


@router.get("/ui/compare")
def show_comparison(
    request: Request, caller: Asking, a: Annotated[Handle, Query()], b: Annotated[Handle, Query()]
) -> Response:
    """The interval of their difference, each class, and the rows that changed."""
    found = compared(request, caller.workspace, a, b)
    gain = found.gain
    drawn = gain and charts.interval(gain.low, gain.high, gain.value)
    return page(request, "comparison.html", found=found, interval=drawn)
