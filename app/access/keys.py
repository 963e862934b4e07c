"""Keys: made and shown once, listed by how they begin, revoked; those of one name take each other's place."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime
from typing import Literal, get_args

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.access.key_text import SHOWN, hashed, is_whole, new_key
from app.access.scopes import Scope
from app.db.access_tables import Key, Workspace
from app.db.clock import db_now
from app.errors import ServiceError, did_you_mean
from app.pages import page
from app.references import new_id


def create(
    session: Session, name: str, scope: Scope, workspace: Workspace | None, expires_at: datetime | None
) -> tuple[Key, str]:
    """A new key and its text, which is not kept: nobody can read it again."""
    text = new_key()
    key = Key(
        id=new_id("key"),
        name=name,
        workspace=workspace,
        scope=scope,
        prefix=text[:SHOWN],
        hash=hashed(text),
        expires_at=expires_at,
    )
    session.add(key)
    session.flush()
    session.refresh(key)
    return key, text


def list_page(session: Session, only: str | None, after: str | None, limit: int) -> tuple[list[Key], bool]:
    """Newest first, revoked ones too; where `only` one workspace is known, its keys."""
    statement = select(Key).order_by(Key.id.desc())
    if only is not None:
        statement = statement.where(Key.workspace_id == only)
    if after is not None:
        statement = statement.where(Key.id < after)
    return page(session, statement, limit)


def revoke(session: Session, reference: str, only: str | None) -> Key:
    """By id, by how it begins, or by a name that one key alone has. Revoking twice is no error."""
    key = _find(session, reference, only)
    if key.revoked_at is None:
        key.revoked_at = db_now()
        session.flush()
        session.refresh(key)
    return key


State = Literal["active", "expired", "revoked"]


def state(key: Key) -> State:
    """Whether it is good."""
    if key.revoked_at is not None:
        return "revoked"
    expired = key.expires_at is not None and key.expires_at <= datetime.now(UTC)
    return "expired" if expired else "active"


def count(session: Session) -> dict[State, int]:
    """How many keys there are in each state."""
    found = Counter(state(key) for key in session.scalars(select(Key)))
    states: tuple[State, ...] = get_args(State)
    return {one: found[one] for one in states}


def is_any(session: Session) -> bool:
    """Whether there ever was one: then the service is open to nobody without."""
    return session.scalars(select(Key.id).limit(1)).first() is not None


def _find(session: Session, reference: str, only: str | None) -> Key:
    statement = select(Key) if only is None else select(Key).where(Key.workspace_id == only)
    named = statement.where((Key.id == reference) | (Key.prefix == reference) | (Key.name == reference))
    if is_whole(reference):  # as somebody found it where it should not be
        named = statement.where(Key.hash == hashed(reference))
    found = list(session.scalars(named.order_by(Key.id)))
    if by_id := [key for key in found if key.id == reference]:
        return by_id[0]  # whatever another one is called
    good = [key for key in found if key.revoked_at is None]
    if len(good) > 1:
        listed = ", ".join(f"{key.id} ({key.prefix}…)" for key in good)
        message = f"Expected one key. Received: {reference}, the name of {len(good)}: {listed}."
        raise ServiceError(409, "several_keys", message, hint="Name one by its id.")
    if not found:
        known = [key.name for key in session.scalars(statement.limit(1000))]
        shown = f"{reference[:SHOWN]}…, a key" if is_whole(reference) else reference
        message = f"Expected the id, the beginning or the name of a key, or the key. Received: {shown}."
        hint = did_you_mean(reference, known) or "GET /v1/keys lists all keys."
        raise ServiceError(404, "key_not_found", message, hint=hint)
    return (good or found)[-1]
