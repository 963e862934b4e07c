"""Workspaces: made by an admin of the installation, found by name."""

from __future__ import annotations

from collections.abc import Mapping

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.db.access_tables import Workspace
from app.db.locks import lock_name
from app.errors import ServiceError, did_you_mean
from app.pages import page
from app.references import new_id


def create(session: Session, name: str) -> Workspace:
    """A new, empty one."""
    lock_name(session, "workspaces", name)
    if session.scalars(select(Workspace).where(Workspace.name == name)).first() is not None:
        message = f"Expected a workspace name that is not taken. Received: {name}."
        raise ServiceError(409, "workspace_name_taken", message, hint="Choose another name.")
    workspace = Workspace(id=new_id("ws"), name=name)
    session.add(workspace)
    session.flush()
    session.refresh(workspace)
    return workspace


def find(session: Session, name: str, only: str | None = None) -> Workspace:
    """By name; where a caller knows `only` one workspace, by its id, no other is there."""
    found = session.scalars(select(Workspace).where(Workspace.name == name)).first()
    if found is None or only not in (None, found.id):
        known = [workspace.name for workspace in list_page(session, only, None, 1000)[0]]
        message = f"Expected the name of a workspace. Received: {name}."
        hint = did_you_mean(name, known) or "`model-transfer workspaces list` lists them."
        raise ServiceError(404, "workspace_not_found", message, hint=hint)
    return found


def limit(
    session: Session, name: str, limits: Mapping[str, float | None], only: str | None = None
) -> Workspace:
    """Give the workspace these limits of its own, by their columns; None: those that the settings have."""
    workspace = find(session, name, only)
    for column, most in limits.items():
        setattr(workspace, column, most)
    session.flush()
    return workspace


def list_page(
    session: Session, only: str | None, after: str | None, limit: int
) -> tuple[list[Workspace], bool]:
    """In the order in which they were made."""
    statement = select(Workspace).order_by(Workspace.id)
    if only is not None:
        statement = statement.where(Workspace.id == only)
    if after is not None:
        statement = statement.where(Workspace.id > after)
    return page(session, statement, limit)
