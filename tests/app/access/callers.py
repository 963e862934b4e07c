"""Clients with keys: made in the database, as the command line does."""

from __future__ import annotations

from dataclasses import dataclass

from fastapi.testclient import TestClient

from app.access import keys, workspaces
from app.access.scopes import Scope
from app.db.access_tables import DEFAULT_WORKSPACE, Workspace


@dataclass(frozen=True)
class Made:
    """A key that was just made."""

    id: str
    name: str
    prefix: str
    text: str

    @property
    def headers(self) -> dict[str, str]:
        """What a request with it is sent with."""
        return {"Authorization": f"Bearer {self.text}"}


def make_key(
    client: TestClient, name: str, scope: Scope = "write", workspace: str | None = "default"
) -> Made:
    """A key of a workspace, which is made where there is none; without one, of the installation."""
    state = client.app.state  # type: ignore[attr-defined]
    with state.sessions.begin() as session:
        of = None
        if workspace is not None:
            known = {one.name: one for one in workspaces.list_page(session, None, None, 1000)[0]}
            of = known.get(workspace) or workspaces.create(session, workspace)
        key, text = keys.create(session, name, scope, of, None)
    state.keyring.forget()
    return Made(key.id, key.name, key.prefix, text)


def workspace_id(client: TestClient, name: str) -> str:
    """The id of a workspace."""
    if name == "default":
        return DEFAULT_WORKSPACE
    with client.app.state.readers() as session:  # type: ignore[attr-defined]
        found: Workspace = workspaces.find(session, name)
        return found.id
