"""What goes into and comes out of `/v1/keys`, `/v1/workspaces` and `/v1/audit`."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, WithJsonSchema

from app.access import keys
from app.access.scopes import Scope
from app.db.access_tables import Key
from app.references import Name
from app.texts import LARGEST_EXACT

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


_Count = Annotated[int, Field(ge=0, le=1_000_000_000)]


class WorkspaceRequest(BaseModel):
    """A new workspace."""

    model_config = ConfigDict(extra="forbid", strict=True, json_schema_extra={"examples": [{"name": "team"}]})

    name: Name


class WorkspaceLimits(BaseModel):
    """What a workspace may have; 0 is no limit, null what the service's settings say."""

    model_config = ConfigDict(extra="forbid", strict=True)

    max_kept_bytes: Annotated[int, Field(ge=0, le=LARGEST_EXACT)] | None = Field(
        None,
        description="Size of its data sets and of the files of its versions: beyond it uploads and transfers "
        "are refused with 507. What another workspace keeps as well counts for each.",
    )
    max_versions: _Count | None = Field(
        None,
        description="Versions of its models, with those that open jobs are to make: beyond it a transfer is "
        "refused with 507.",
    )
    max_queued_jobs: _Count | None = Field(
        None, description="Waiting jobs: beyond it a new, resumed or retried one is refused with 429."
    )
    max_running_jobs: _Count | None = Field(
        None, description="Jobs that run at once: further ones wait, and those of others begin before them."
    )
    max_job_seconds: Annotated[float, Field(ge=0, le=1e9)] | None = Field(
        None,
        description="Running time of a new job, over all attempts: beyond it it fails with `out_of_time`.",
    )


class LimitsInForce(BaseModel):
    """The limits that hold, its own or the settings'; null is no limit."""

    max_kept_bytes: int | None
    max_versions: int | None
    max_queued_jobs: int | None
    max_running_jobs: int | None
    max_job_seconds: float | None


class WorkspaceUse(BaseModel):
    """What a workspace has now."""

    kept_bytes: int = Field(description="Before what is equal is kept once.")
    versions: int = Field(description="Without those that were deleted.")
    queued_jobs: int
    running_jobs: int


class WorkspaceChange(BaseModel):
    """What is to be different of a workspace; a limit that is left out stays as it is."""

    model_config = ConfigDict(
        extra="forbid",
        strict=True,
        json_schema_extra={
            "examples": [{"limits": {"max_kept_bytes": 50_000_000_000, "max_running_jobs": 2}}]
        },
    )

    limits: WorkspaceLimits


class WorkspaceView(BaseModel):
    """A workspace: whose data sets, jobs and models they are."""

    id: str
    name: str
    created_at: datetime
    limits: WorkspaceLimits = Field(description="Its own, as an admin set them.")
    in_force: LimitsInForce
    used: WorkspaceUse


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
    data: dict[str, str | int | float | bool | None] = Field(
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
