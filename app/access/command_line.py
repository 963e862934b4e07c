"""Keys and workspaces by the command line, which whoever runs the service has: no key is asked for."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import get_args

from pydantic import TypeAdapter, ValidationError
from sqlalchemy.orm import Session

from app.access import audit, keys, quotas, workspaces
from app.access.schemas import KeyName, WorkspaceLimits
from app.access.scopes import Scope
from app.db.access_tables import Key
from app.errors import ServiceError, field_problem
from app.references import Name
from app.settings import Settings

_UNITS = {"h": "hours", "d": "days", "w": "weeks"}
_LONGEST = 10_000
_NAME: TypeAdapter[str] = TypeAdapter(Name)
_KEY_NAME: TypeAdapter[str] = TypeAdapter(KeyName)


def create(session: Session, name: str, scope: str, workspace: str | None, expires: str) -> tuple[str, str]:
    """The new key, and what to say of it."""
    scopes: dict[str, Scope] = {one: one for one in get_args(Scope)}
    if scope not in scopes:
        raise field_problem("scope", f"one of {', '.join(scopes)}", scope)
    of = None if workspace is None else workspaces.find(session, workspace)
    is_first = not keys.is_any(session)
    made, text = keys.create(session, _name(name, _KEY_NAME), scopes[scope], of, _moment(expires))
    told = {"name": made.name, "scope": scope}
    audit.record(session, audit.COMMAND_LINE, "key.created", made.id, within=made.workspace_id, **told)
    whose = "the installation" if of is None else f"the workspace {of.name}"
    lines = [f"{made.id}: {scope} for {whose}, called {made.name}. It is not shown again:"]
    if is_first:
        lines.insert(0, "This is the first key: from now on every request needs one.")
    return text, "\n".join(lines)


def listed(session: Session) -> Iterator[str]:
    """A line for each key."""
    for key in _all(session):
        whose = "the installation" if key.workspace is None else key.workspace.name
        used = "never used" if key.last_used_at is None else f"used {key.last_used_at:%Y-%m-%d %H:%M} UTC"
        ends = "" if key.expires_at is None else f", expires {key.expires_at:%Y-%m-%d %H:%M} UTC"
        about = f"{key.scope} for {whose}, {keys.state(key)}{ends}, {used}"
        yield f"{key.id}  {key.prefix}…  {key.name}: {about}"


def revoke(session: Session, reference: str) -> str:
    """What to say of the key that is good no longer."""
    gone = keys.revoke(session, reference, None)
    audit.record(
        session, audit.COMMAND_LINE, "key.revoked", gone.id, within=gone.workspace_id, name=gone.name
    )
    return f"{gone.id} ({gone.prefix}…), called {gone.name}, is revoked."


def create_workspace(session: Session, name: str) -> str:
    """What to say of the new workspace."""
    made = workspaces.create(session, _name(name))
    audit.record(session, audit.COMMAND_LINE, "workspace.created", made.name)
    return (
        f"The workspace {made.name} is there. Next: model-transfer keys create NAME --workspace {made.name}"
    )


def listed_workspaces(session: Session) -> Iterator[str]:
    """A line for each workspace."""
    after, has_more = None, True
    while has_more:
        found, has_more = workspaces.list_page(session, None, after, 1000)
        for workspace in found:
            after = workspace.id
            yield f"{workspace.name}  since {workspace.created_at:%Y-%m-%d}"


def limit_workspace(
    session: Session, name: str, asked: Mapping[str, str | None], settings: Settings
) -> Iterator[str]:
    """Give a workspace limits, each a number or `default`; a line for each that it has then."""
    given = {limit: _limit(limit, text) for limit, text in asked.items() if text is not None}
    workspace = workspaces.limit(session, name, given)
    if given:
        audit.record(
            session, audit.COMMAND_LINE, "workspace.limited", workspace.name, within=workspace.id, **given
        )
    used = quotas.used(session, [workspace.id])[workspace.id]
    for limit, most in quotas.in_force(workspace, settings).items():
        whose = "a setting" if getattr(workspace, limit) is None else "its own limit"
        now = used.get(limit.removeprefix("max_"))
        has = "" if now is None else f", {now} now"
        yield f"{limit}: {'no limit' if most is None else f'{most:.15g}'} ({whose}){has}"


def _limit(limit: str, text: str) -> float | None:
    if text == "default":
        return None
    try:
        # Not strictly: the command line has texts alone.
        read = WorkspaceLimits.model_validate({limit: text}, strict=False)
    except ValidationError:
        expected = "a number of seconds" if limit == "max_job_seconds" else "a whole number"
        expected += " that is not negative (0: no limit), or `default`"
        raise field_problem(limit, expected, text) from None
    most: float = getattr(read, limit)
    return most


def _all(session: Session) -> Iterator[Key]:
    after, has_more = None, True
    while has_more:
        found, has_more = keys.list_page(session, None, after, 1000)
        for key in found:
            after = key.id
            yield key


def _name(name: str, kind: TypeAdapter[str] = _NAME) -> str:
    try:
        return kind.validate_python(name)
    except ValidationError as error:
        expected = str(error.errors()[0]["msg"]).removeprefix("Value error, expected ")
        raise field_problem("name", expected, name) from None


def _moment(expires: str) -> datetime | None:
    if not expires:
        return None
    found = re.fullmatch(r"([1-9][0-9]{0,4})([hdw])", expires)
    if found is None or int(found[1]) > _LONGEST:
        hint = "Leave --expires out for a key that is good until it is revoked."
        raise ServiceError(
            422,
            "invalid_request",
            f"expires: expected a time such as 90d, 12h or 4w. Received: {expires}.",
            hint=hint,
        )
    return datetime.now(UTC) + timedelta(**{_UNITS[found[2]]: int(found[1])})
