"""Lists a page at a time: `?after=` the last id seen, `?limit=`."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import Query
from sqlalchemy import Select
from sqlalchemy.orm import Session

from app.texts import Line

Limit = Annotated[int, Query(ge=1, le=1000, description="Maximum number of items in the answer.")]
After = Annotated[
    Line | None, Query(description="The last id of the previous page; leave it out for the first page.")
]


def page(session: Session, statement: Select[Any], limit: int) -> tuple[list[Any], bool]:
    """The items of one page and whether more follow."""
    found = list(session.scalars(statement.limit(limit + 1)).unique())
    return found[:limit], len(found) > limit
