"""What goes into and comes out of `/v1/keys`, `/v1/workspaces` and `/v1/audit`."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, WithJsonSchema

from app.access import keys
from app.access.scopes import Scope
from app.db.access_tables import Key
from app.references import Name

_RESERVED = ("key_", "ws_", "mt_")
"""How ids of keys and workspaces begin, and keys themselves: a name must be taken for none of them."""


def _named(name: str) -> str:
    if name.startswith(_RESERVED):
        raise ValueError(f"expected a name that does not begin like an id or a key ({', '.join(_RESERVED)})")
    return name


KeyName = Annotated[
    Name,
    AfterValidator(_named),
    WithJsonSchema(
        {"type": "string", "pattern": r"^(?!(ds|job|ver|key|ws|mt)_)[A-Za-z0-9][A-Za-z0-9._-]{0,99}$"}
    ),
]
"""A name by which a key is found beside its id and its beginning."""


class WorkspaceRequest(BaseModel):
    """A new workspace."""

    model_config = ConfigDict(extra="forbid", strict=True, json_schema_extra={"examples": [{"name": "team"}]})

    name: Name


class WorkspaceView(BaseModel):
    """A workspace: whose data sets, jobs and models they are."""

    id: str
    name: str
    created_at: datetime


class WorkspaceList(BaseModel):
    """Workspaces in the order in which they were made."""

    data: list[WorkspaceView]
    has_more: bool


class KeyRequest(BaseModel):
    """A new key."""

    model_config = ConfigDict(
        extra="forbid", strict=True, json_schema_extra={"examples": [{"name": "ci", "scope": "write"}]}
    )

    name: KeyName = Field(
        description="Who asks with it: the owner of jobs. Keys of one name take each other's place."
    )
    scope: Scope = Field(
        description="`read`: see and download; `write`: also upload, start, stop, name and delete; `admin`: "
        "also keys, workspaces and the audit."
    )
    workspace: Name | None = Field(
        None, description="The name of its workspace. By default the asking key's, or `default`."
    )
    installation: bool = Field(
        False,
        description="A key of no workspace: it sees metrics, and as an admin's all keys, workspaces and the "
        "whole audit, but no data.",
    )
    expires_in_days: Annotated[int, Field(ge=1, le=36_500)] | None = Field(
        None, description="After so many days it is good no longer. Null: when it is revoked."
    )


class KeyView(BaseModel):
    """A key, which cannot be read again."""

    id: str
    name: str
    workspace: str | None = Field(description="Null for a key of the installation.")
    scope: Scope
    prefix: str = Field(description="How it begins.", examples=["mt_4fXk09aB"])
    state: Literal["active", "expired", "revoked"]
    created_at: datetime
    expires_at: datetime | None
    last_used_at: datetime | None = Field(description="To the minute.")
    revoked_at: datetime | None


class NewKeyView(KeyView):
    """A key that was just made."""

    key: str = Field(description="The key itself, shown this once.", examples=["mt_…"])


class KeyList(BaseModel):
    """Keys, newest first."""

    data: list[KeyView]
    has_more: bool


class AuditView(BaseModel):
    """Who did what."""

    id: int
    created_at: datetime
    workspace: str | None = Field(description="Where. Null for what belongs to the installation.")
    key: str | None = Field(description="The key's name. Null on the command line, and without a key.")
    key_id: str | None
    action: str = Field(examples=["dataset.deleted"])
    subject: str = Field(description="What it was done to.", examples=["grades@1"])
    data: dict[str, str | int | bool | None] = Field(
        description="What else the action says of itself.", examples=[{"version": "grades@1", "force": False}]
    )


class AuditList(BaseModel):
    """Oldest first."""

    data: list[AuditView]
    has_more: bool


def plain(key: Key) -> dict[str, Any]:
    """A key as it is told."""
    return {
        "id": key.id,
        "name": key.name,
        "workspace": None if key.workspace is None else key.workspace.name,
        "scope": key.scope,
        "prefix": key.prefix,
        "state": keys.state(key),
        "created_at": key.created_at,
        "expires_at": key.expires_at,
        "last_used_at": key.last_used_at,
        "revoked_at": key.revoked_at,
    }
