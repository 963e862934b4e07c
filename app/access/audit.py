"""Who made, deleted, downloaded, named or stopped what: one row each, in the transaction that did it."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Sequence
from typing import Any

from fastapi import Request, Response
from sqlalchemy import select
from sqlalchemy.orm import Session

from app.access.caller import Caller
from app.db.access_tables import AuditEntry
from app.http_methods import ASKED_FOR_HEAD
from app.pages import page

COLUMNS = ("id", "created_at", "workspace", "key", "key_id", "action", "subject", "data")
COMMAND_LINE = Caller("admin")
"""Whoever runs the service, by its command line: without a key."""


def record(
    session: Session, caller: Caller, action: str, subject: str, *, within: str | None = None, **data: Any
) -> None:
    """Write down what the caller does: within its own workspace, or this one that it administers."""
    session.add(
        AuditEntry(
            workspace_id=within or caller.workspace_id,
            key_id=caller.key_id,
            key_name=caller.key_name,
            action=action,
            subject=subject,
            data=data,
        )
    )


def downloaded(request: Request, caller: Caller, action: str, subject: str, answer: Response) -> Response:
    """The answer, once it is written down that it is given; who has the file already gets none."""
    if answer.status_code != 304 and not request.scope.get(ASKED_FOR_HEAD):
        told = {"range": asked[:200]} if (asked := request.headers.get("range")) else {}
        with request.app.state.sessions.begin() as session:
            record(session, caller, action, subject, **told)
    return answer


def list_page(
    session: Session,
    only: str | None,
    after: int,
    limit: int,
    *,
    action: str | None = None,
    key: str | None = None,
) -> tuple[list[AuditEntry], bool]:
    """Oldest first, from the row after `after`; where `only` one workspace is known, what was done in it."""
    statement = select(AuditEntry).where(AuditEntry.id > after).order_by(AuditEntry.id)
    if only is not None:
        statement = statement.where(AuditEntry.workspace_id == only)
    if action is not None:
        statement = statement.where(AuditEntry.action == action)
    if key is not None:
        statement = statement.where((AuditEntry.key_name == key) | (AuditEntry.key_id == key))
    return page(session, statement, limit)


def plain(entry: AuditEntry) -> dict[str, Any]:
    """The row as it is told."""
    return {
        "id": entry.id,
        "created_at": entry.created_at,
        "workspace": None if entry.workspace is None else entry.workspace.name,
        "key": entry.key_name,
        "key_id": entry.key_id,
        "action": entry.action,
        "subject": entry.subject,
        "data": entry.data,
    }


def as_lines(entries: Sequence[AuditEntry]) -> str:
    """One JSON object a line."""
    return "".join(f"{json.dumps(_written(entry), ensure_ascii=False)}\n" for entry in entries)


def as_csv(entries: Sequence[AuditEntry]) -> str:
    """A table with a header; what else is known of a row is JSON in its last column."""
    file = io.StringIO()
    writer = csv.DictWriter(file, COLUMNS, lineterminator="\n")
    writer.writeheader()
    for entry in entries:
        row = _written(entry)
        writer.writerow({**row, "data": json.dumps(row["data"], ensure_ascii=False)})
    return file.getvalue()


def _written(entry: AuditEntry) -> dict[str, Any]:
    return {**plain(entry), "created_at": entry.created_at.isoformat()}
