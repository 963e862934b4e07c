"""`/v1/keys`, `/v1/workspaces`, `/v1/audit`: for admins."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Annotated, Literal

from fastapi import APIRouter, Path, Query, Request, Response
from fastapi.responses import JSONResponse
from sqlalchemy.orm import Session

from app.access import audit, keys, quotas, workspaces
from app.access.caller import Asking, Caller
from app.access.requests import StrictRoute
from app.access.schemas import (
    AuditList,
    AuditView,
    KeyList,
    KeyRequest,
    KeyView,
    LimitsInForce,
    NewKeyView,
    WorkspaceChange,
    WorkspaceLimits,
    WorkspaceList,
    WorkspaceRequest,
    WorkspaceUse,
    WorkspaceView,
    plain,
)
from app.db.access_tables import Workspace
from app.db.session import ReadSession, WriteSession
from app.errors import ServiceError, responses
from app.pages import After, Limit
from app.texts import LARGEST, Line

router = APIRouter(prefix="/v1", tags=["access"], route_class=StrictRoute)


@router.post("/keys", status_code=201, summary="Make a key", responses=responses(403, 404, 422))
def create_key(body: KeyRequest, request: Request, caller: Asking) -> NewKeyView:
    """The answer shows the key, this once.

    An `Idempotency-Key` would keep it, so there is none here: where the answer was lost, revoke the key.
    """
    with request.app.state.sessions.begin() as session:
        if body.installation:
            _require_installation(caller)
        workspace = None
        if not body.installation:
            name = body.workspace or caller.workspace_name or "default"
            workspace = workspaces.find(session, name, caller.workspace_id)
        key, text = keys.create(session, body.name, body.scope, workspace, _end(body.expires_in_days))
        told = {"name": key.name, "scope": key.scope}
        audit.record(session, caller, "key.created", key.id, within=key.workspace_id, **told)
        view = NewKeyView.model_validate({**plain(key), "key": text})
    request.app.state.keyring.forget()  # after the commit
    return view


@router.get("/keys", summary="List keys", responses=responses(403, 422))
def list_keys(session: ReadSession, caller: Asking, after: After = None, limit: Limit = 20) -> KeyList:
    """Newest first, revoked ones too: how they begin, who has them, when they were used last."""
    found, has_more = keys.list_page(session, caller.workspace_id, after, limit)
    return KeyList(data=[KeyView.model_validate(plain(key)) for key in found], has_more=has_more)


@router.delete(
    "/keys/{key}",
    status_code=204,
    response_class=Response,
    summary="Revoke a key",
    responses=responses(403, 404, 409),
)
def revoke_key(
    key: Annotated[str, Path(description="Id, beginning or name of a key, or the key itself.")],
    request: Request,
    caller: Asking,
) -> None:
    """By all processes it is refused within two seconds. It stays in the list; revoking twice is no error."""
    with request.app.state.sessions.begin() as session:
        revoked = keys.revoke(session, key, caller.workspace_id)
        told = {"name": revoked.name}
        audit.record(session, caller, "key.revoked", revoked.id, within=revoked.workspace_id, **told)
    request.app.state.keyring.forget()  # after the commit


@router.post("/workspaces", status_code=201, summary="Make a workspace", responses=responses(403, 409, 422))
def create_workspace(
    body: WorkspaceRequest, request: Request, session: WriteSession, caller: Asking
) -> WorkspaceView:
    """For an admin of the installation. Make a key of it next."""
    _require_installation(caller)
    made = workspaces.create(session, body.name)
    audit.record(session, caller, "workspace.created", made.name)
    return _workspaces(session, request, [made])[0]


@router.get("/workspaces", summary="List workspaces", responses=responses(403, 422))
def list_workspaces(
    request: Request, session: ReadSession, caller: Asking, after: After = None, limit: Limit = 20
) -> WorkspaceList:
    """In the order in which they were made, with limits and what is used; an admin of one sees that one."""
    found, has_more = workspaces.list_page(session, caller.workspace_id, after, limit)
    return WorkspaceList(data=_workspaces(session, request, found), has_more=has_more)


@router.patch(
    "/workspaces/{workspace}", summary="Set a workspace's limits", responses=responses(403, 404, 422)
)
def set_workspace_limits(
    workspace: Annotated[str, Path(description="Name of a workspace.")],
    body: WorkspaceChange,
    request: Request,
    session: WriteSession,
    caller: Asking,
) -> WorkspaceView:
    """For an admin of the installation. What it has beyond a limit it keeps; what runs goes on."""
    found = workspaces.find(session, workspace, caller.workspace_id)
    _require_installation(caller)
    told = body.limits.model_dump(exclude_unset=True)
    changed = workspaces.limit(session, found.name, told)
    audit.record(session, caller, "workspace.limited", changed.name, within=changed.id, **told)
    return _workspaces(session, request, [changed])[0]


@router.get(
    "/audit",
    summary="Read who did what",
    response_model=AuditList,
    responses={
        200: {
            "content": {
                "application/x-ndjson": {"schema": {"type": "string"}},
                "text/csv": {"schema": {"type": "string"}},
            }
        },
        **responses(403, 422),
    },
)
def get_audit(
    session: ReadSession,
    caller: Asking,
    after: Annotated[int, Query(ge=0, le=LARGEST, description="The id of the last row you have.")] = 0,
    limit: Limit = 100,
    action: Annotated[Line | None, Query(description="Only this, such as `dataset.deleted`.")] = None,
    key: Annotated[Line | None, Query(description="Only by this key: its name or id.")] = None,
    format: Annotated[
        Literal["json", "jsonl", "csv"], Query(description="`jsonl` and `csv` are for files.")
    ] = "json",
) -> Response:
    """What was made, deleted, downloaded, named, stopped and continued, oldest first, by whom.

    An admin of a workspace sees what was done in it. Go on with `after=` the last id until nothing comes.
    """
    found, has_more = audit.list_page(session, caller.workspace_id, after, limit, action=action, key=key)
    if format == "csv":
        return Response(audit.as_csv(found), media_type="text/csv")
    if format == "jsonl":
        return Response(audit.as_lines(found), media_type="application/x-ndjson")
    views = [AuditView.model_validate(audit.plain(entry)) for entry in found]
    return JSONResponse(AuditList(data=views, has_more=has_more).model_dump(mode="json"))


def _end(days: int | None) -> datetime | None:
    return None if days is None else datetime.now(UTC) + timedelta(days=days)


def _require_installation(caller: Caller) -> None:
    if not caller.is_installation:
        message = (
            "Expected an admin's key of the installation. "
            f"Received: {caller.key_name}, a key of the workspace {caller.workspace_name}."
        )
        hint = (
            "Whoever runs the service makes one: model-transfer keys create NAME --scope admin --installation"
        )
        raise ServiceError(403, "installation_only", message, hint=hint)


def _workspaces(session: Session, request: Request, found: Sequence[Workspace]) -> list[WorkspaceView]:
    used = quotas.used(session, [workspace.id for workspace in found])
    return [
        WorkspaceView(
            id=workspace.id,
            name=workspace.name,
            created_at=workspace.created_at,
            limits=WorkspaceLimits.model_validate(
                {name: getattr(workspace, name) for name in quotas.DEFAULTS}
            ),
            in_force=LimitsInForce.model_validate(quotas.in_force(workspace, request.app.state.settings)),
            used=WorkspaceUse.model_validate(used[workspace.id]),
        )
        for workspace in found
    ]
