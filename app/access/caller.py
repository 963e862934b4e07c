"""Who asks, with which scope, in which workspace: settled before a route is chosen, read by all of them."""

from __future__ import annotations

from collections.abc import MutableMapping
from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import Depends, Request

from app.access.scopes import RANKS, Scope
from app.db.access_tables import DEFAULT_WORKSPACE
from app.errors import ServiceError

_IN_SCOPE = "model_transfer.caller"


@dataclass(frozen=True)
class Caller:
    """Who asks: without a key whoever reaches the service, without a workspace the installation itself."""

    scope: Scope
    key_id: str | None = None
    key_name: str | None = None
    workspace_id: str | None = None
    workspace_name: str | None = None

    @property
    def workspace(self) -> str:
        """The id of the workspace whose things are asked for.

        Raises:
            ServiceError: 403; a key of the installation has none.
        """
        if self.workspace_id is None:
            message = "Expected a key of a workspace. Received: one of the installation, which has no data."
            hint = "Make a key of the workspace: model-transfer keys create NAME --workspace WORKSPACE"
            raise ServiceError(403, "no_workspace", message, hint=hint)
        return self.workspace_id

    @property
    def is_installation(self) -> bool:
        """Whether it is asked for all workspaces together."""
        return self.workspace_id is None

    def may(self, scope: Scope) -> bool:
        """Whether the key's scope is enough."""
        return RANKS[self.scope] >= RANKS[scope]

    def owner(self, asked: str | None) -> str:
        """Whose a job is: the key's, unless an admin says otherwise. Without a key, whose it is said to be.

        Raises:
            ServiceError: 403; somebody else's, and the key is no admin's.
        """
        if self.key_name is None or (self.may("admin") and asked is not None):
            return asked or ""
        if asked not in (None, self.key_name):
            message = f"Expected `owner` to be {self.key_name}, as the key is called. Received: {asked}."
            hint = "Leave `owner` out. A key with the scope admin can post jobs for others."
            raise ServiceError(403, "owner_not_allowed", message, hint=hint)
        return self.key_name


ANYONE = Caller("write", workspace_id=DEFAULT_WORKSPACE, workspace_name="default")
"""As long as there is no key: keys are made by whoever runs the service."""


def keep_caller(request: Request, caller: Caller) -> None:
    """Write down who asks, where `caller_of` finds it."""
    request.scope[_IN_SCOPE] = caller


def key_of(scope: MutableMapping[str, Any]) -> str | None:
    """The id of the key that a request came with, None where it came without or none was asked for."""
    caller: Caller | None = scope.get(_IN_SCOPE)
    return None if caller is None else caller.key_id


def caller_of(request: Request) -> Caller:
    """Who asks; a request that nobody was asked about has none, and fails."""
    caller: Caller = request.scope[_IN_SCOPE]
    return caller


def caller_if_known(request: Request) -> Caller | None:
    """The same, None of what anybody may ask for."""
    caller: Caller | None = request.scope.get(_IN_SCOPE)
    return caller


Asking = Annotated[Caller, Depends(caller_of)]
"""A route's parameter."""
