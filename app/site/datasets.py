"""`/ui/datasets`: the list, and one with its profile, notices, parts and rows."""

from __future__ import annotations

from typing import Annotated, Any
from urllib.parse import urlencode

from fastapi import Query, Request, Response

from app.access.caller import Asking
from app.datasets import routes as datasets
from app.datasets.schemas import DatasetView
from app.db.session import ReadSession
from app.jobs.filters import Wanted
from app.jobs.routes import listed
from app.pages import After
from app.site.asking import router as make_router
from app.site.bars import bars, range_of
from app.site.ranking import related
from app.site.rendering import page
from app.texts import Line

router = make_router()

_PER_PAGE = 25
_ROWS = 20
_COLUMNS = 60
"""Columns that are drawn at once; the others are a page away."""


@router.get("/ui/datasets")
def list_datasets(
    request: Request,
    session: ReadSession,
    caller: Asking,
    name: Annotated[Line, Query()] = "",
    after: After = None,
) -> Response:
    """Newest first."""
    found = datasets.list_datasets(session, caller, name or None, after, _PER_PAGE)
    return page(request, "datasets.html", datasets=found, name=name)


@router.get("/ui/datasets/{dataset}")
def show_dataset(
    dataset: str,
    request: Request,
    session: ReadSession,
    caller: Asking,
    offset: Annotated[int, Query(ge=0, le=100)] = 0,
    columns: Annotated[int, Query(ge=0)] = 0,
) -> Response:
    """What was found in its file; from `offset` on its rows, from `columns` on its columns."""
    view = datasets.get_dataset(dataset, session, caller)
    rows = datasets.preview_dataset_rows(view.id, session, caller, _ROWS, offset)
    shown = view.profile.columns[columns : columns + _COLUMNS]
    drawn = [{"of": one, "bars": bars(one.top) if one.top else None, "range": range_of(one)} for one in shown]
    return page(
        request,
        "dataset.html",
        dataset=view,
        classes=bars(view.profile.classes, 20) if view.profile.classes else None,
        parts=_parts(view),
        columns=drawn,
        first_column=columns,
        next_columns=columns + _COLUMNS if columns + _COLUMNS < len(view.profile.columns) else None,
        rows=rows.data,
        cells=_cells(view),
        offset=offset,
        next_rows=offset + _ROWS if rows.has_more and offset + _ROWS < 100 else None,
        notices=[(one, _again(view, one.send)) for one in view.warnings],
        **related(session, caller, view.id),
        jobs=listed(session, caller, Wanted(dataset=view.id), None, 10).data,
    )


def _parts(view: DatasetView) -> list[tuple[str, int, float]]:
    """Each part's rows, and its share of them."""
    rows = view.description.split.rows
    total = sum(rows.values()) or 1
    return [(name, count, count / total) for name, count in rows.items()]


def _cells(view: DatasetView) -> list[str]:
    """The columns of the rows that are shown: a table of very many could not be read."""
    return [column.name for column in view.description.columns][:_COLUMNS]


def _again(view: DatasetView, send: dict[str, str] | None) -> str | None:
    """Where the file is sent again with the fields that settle a notice."""
    if send is None:
        return None
    fields: dict[str, Any] = {"name": view.name, "label": view.description.label, **send}
    return f"/ui/upload?{urlencode(fields)}"
