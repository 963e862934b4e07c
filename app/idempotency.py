"""A request that comes again under its `Idempotency-Key` is answered as the first time and does no more.

The answer is kept in the transaction that does what was asked, so that none is there without the other. What
was refused is not kept: it is tried again.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from typing import Annotated, Any, TypeVar

from fastapi import Header
from pydantic import BaseModel
from sqlalchemy.orm import Session

from app.db.locks import lock_name
from app.db.tables import Reply
from app.errors import ServiceError
from app.texts import Key

View = TypeVar("View", bound=BaseModel)

IdempotencyKey = Annotated[
    Key | None,
    Header(
        alias="Idempotency-Key",
        description="A text of your choice, new for each request. Sending the same request again "
        "with its key, "
        "for example after a lost answer, returns the first answer without doing anything again. Another "
        "request with the same key is refused with 409.",
    ),
]


def once(
    session: Session,
    workspace: str,
    key: str | None,
    request: list[Any],
    view: type[View],
    make: Callable[[], View],
) -> tuple[View, bool]:
    """What `make` answers, or answered when this key came first to the workspace; and whether it did so now.

    `request` is all that makes the request what it is, as plain values.

    Raises:
        ServiceError: 409 if the key came with another request.
    """
    if key is not None:
        lock_name(session, "reply", f"{workspace}/{key}")
        known = find(session, workspace, key, request, view)
        if known is not None:
            return known, False
    made = make()
    body = json.loads(made.model_dump_json())  # an answer that cannot be written fails here, and undoes all
    if key is not None:
        session.add(Reply(workspace_id=workspace, key=key, request=_digest(request), body=body))
    return made, True


def find(
    session: Session, workspace: str, key: str | None, request: list[Any], view: type[View]
) -> View | None:
    """What was answered to this key, if it came to the workspace before.

    Raises:
        ServiceError: 409 if it came with another request.
    """
    known = None if key is None else session.get(Reply, (workspace, key))
    if known is None:
        return None
    if known.request != _digest(request):
        message = (
            f"Expected the request that first came with the Idempotency-Key {key}. Received: a different one."
        )
        hint = "Send the same request again, or use a new key for this one."
        raise ServiceError(409, "idempotency_key_reused", message, hint=hint)
    return view.model_validate(known.body)


def _digest(request: list[Any]) -> str:
    return hashlib.sha256(json.dumps(request, sort_keys=True).encode()).hexdigest()
