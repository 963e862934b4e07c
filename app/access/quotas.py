"""How much may a workspace have, how much has it, and what is told to who wants more?

Each limit is the workspace's own, or where it has none a setting's; 0 is no limit. They are counted in the
transaction that wants more, so that two at the same moment may both find the last place.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from app.db.access_tables import Workspace
from app.db.output_tables import JobFile
from app.db.tables import Artifact, Dataset, Job, Version
from app.errors import ServiceError
from app.settings import Settings

DEFAULTS = {
    "max_kept_bytes": "max_workspace_bytes",
    "max_versions": "max_workspace_versions",
    "max_queued_jobs": "max_queued_jobs",
    "max_running_jobs": "max_running_jobs",
    "max_job_seconds": "max_job_seconds",
}
"""The limits of a workspace, each with the setting that holds where it has none of its own."""

_QUEUED, _RUNNING = "queued", "running"
_TRANSFER, _PREDICTION = "transfer", "prediction"
"""As in `jobs/states.py`, which stands on a higher floor."""

_TRY_AGAIN_SECONDS = 60
"""What is told to who finds the queue full."""


def allowed(session: Session, workspace: str, limit: str, settings: Settings) -> Any:
    """The limit that holds for a workspace, by its id; 0: none."""
    own = session.scalar(select(getattr(Workspace, limit)).where(Workspace.id == workspace))
    return getattr(settings, DEFAULTS[limit]) if own is None else own


def in_force(workspace: Workspace, settings: Settings) -> dict[str, Any]:
    """All limits that hold for it, None where nothing is limited."""
    own = {limit: getattr(workspace, limit) for limit in DEFAULTS}
    holds = {
        limit: getattr(settings, setting) if own[limit] is None else own[limit]
        for limit, setting in DEFAULTS.items()
    }
    return {limit: most or None for limit, most in holds.items()}


def used(session: Session, workspaces: Sequence[str]) -> dict[str, dict[str, int]]:
    """What each of these workspaces has, by its id, in a few queries for all of them."""
    kept = _kept(session, workspaces)
    versions = select(Version.workspace_id, func.count()).where(Version.deleted_at.is_(None))
    jobs = select(Job.workspace_id, Job.state, func.count()).where(Job.state.in_((_QUEUED, _RUNNING)))
    of_jobs = {
        (workspace, state): count
        for workspace, state, count in session.execute(
            jobs.where(Job.workspace_id.in_(workspaces)).group_by(Job.workspace_id, Job.state)
        )
    }
    of_versions = dict(
        session.execute(
            versions.where(Version.workspace_id.in_(workspaces)).group_by(Version.workspace_id)
        ).all()
    )
    return {
        workspace: {
            "kept_bytes": sum(sizes.get(workspace, 0) for sizes in kept.values()),
            "versions": of_versions.get(workspace, 0),
            "queued_jobs": of_jobs.get((workspace, _QUEUED), 0),
            "running_jobs": of_jobs.get((workspace, _RUNNING), 0),
        }
        for workspace in workspaces
    }


def kept_bytes(session: Session, workspace: str | None = None) -> dict[str, int]:
    """Size of the data sets, of the versions' files and of predictions, before what is equal is kept once.

    Of a workspace, or of all.
    """
    found = _kept(session, None if workspace is None else [workspace])
    return {what: sum(sizes.values()) for what, sizes in found.items()}


def require_room(session: Session, workspace: str, settings: Settings, *, is_kept: bool = False) -> None:
    """Refuse to keep more where a workspace, or all of them together, keep as much as may be.

    `is_kept`: what is asked for is counted already, and may fill what the workspace has to the last byte.

    Raises:
        ServiceError: 507, with what the workspace itself keeps; how much is others' is not told.
    """
    most = allowed(session, workspace, "max_kept_bytes", settings)
    if not most and not settings.max_kept_bytes:
        return
    own = kept_bytes(session, workspace)
    usage = ", ".join(f"{size} bytes of {what}" for what, size in own.items())
    total = sum(own.values())
    if most and (total > most if is_kept else total >= most):
        with_it = " with this one" if is_kept else ""
        message = f"Expected at most {most} bytes of stored files of a workspace. Received: {usage}{with_it}."
        hint = f"Delete data sets, versions or predictions. {_more(session, workspace, 'max_kept_bytes')}"
        raise ServiceError(507, "quota_full", message, hint=hint)
    if is_kept or not settings.max_kept_bytes:
        return
    if sum(kept_bytes(session).values()) >= settings.max_kept_bytes:
        message = (
            f"Expected less than {settings.max_kept_bytes} bytes of stored files. Received: as many or more, "
            f"{usage} here."
        )
        hint = "Delete data sets, versions or predictions, or raise MODEL_TRANSFER_MAX_KEPT_BYTES."
        raise ServiceError(507, "quota_full", message, hint=hint)


def require_place(session: Session, workspace: str, kind: str, settings: Settings) -> None:
    """Refuse a job that was just made to wait, where more wait, or would make versions, than may.

    Raises:
        ServiceError: 429 for a full queue, 507 for versions or stored files.
    """
    _require_queue(session, workspace, settings)
    if kind == _TRANSFER:
        _require_version(session, workspace, settings)
    if kind in (_TRANSFER, _PREDICTION):
        require_room(session, workspace, settings)


def _require_queue(session: Session, workspace: str, settings: Settings) -> None:
    most = allowed(session, workspace, "max_queued_jobs", settings)
    if not most:
        return
    waiting = select(func.count()).where(Job.workspace_id == workspace, Job.state == _QUEUED)
    count = session.scalar(waiting) or 0
    if count > most:
        message = f"Expected at most {most} waiting jobs of a workspace. Received: {count} with this one."
        hint = (
            "Wait until one has begun, or cancel one: GET /v1/jobs?state=queued lists them. "
            f"{_more(session, workspace, 'max_queued_jobs')}"
        )
        headers = {"Retry-After": str(_TRY_AGAIN_SECONDS)}
        raise ServiceError(429, "too_many_queued", message, hint=hint, headers=headers)


def _require_version(session: Session, workspace: str, settings: Settings) -> None:
    """Each open job is to make a version: one that has made it already is not counted twice."""
    most = allowed(session, workspace, "max_versions", settings)
    if not most:
        return
    has_one = select(Version.id).where(Version.job_id == Job.id).exists()
    is_there = Version.workspace_id == workspace, Version.deleted_at.is_(None)
    is_open = Job.workspace_id == workspace, Job.kind == _TRANSFER, Job.finished_at.is_(None), ~has_one
    versions = session.scalar(select(func.count()).select_from(Version).where(*is_there)) or 0
    jobs = session.scalar(select(func.count()).select_from(Job).where(*is_open)) or 0
    if versions + jobs > most:
        message = (
            f"Expected at most {most} versions of models of a workspace. Received: {versions}, and {jobs} "
            "with this job that are to be made."
        )
        hint = (
            "Delete a version: DELETE /v1/models/{model}@{version}; or cancel a job. "
            f"{_more(session, workspace, 'max_versions')}"
        )
        raise ServiceError(507, "too_many_versions", message, hint=hint)


def _more(session: Session, workspace: str, limit: str) -> str:
    """Who can raise a limit of the workspace, and how."""
    name = session.scalar(select(Workspace.name).where(Workspace.id == workspace))
    return (
        f"An admin of the installation can raise `limits.{limit}`: PATCH /v1/workspaces/{name}, or "
        f"model-transfer workspaces limit {name}."
    )


def _kept(session: Session, workspaces: Sequence[str] | None) -> dict[str, dict[str, int]]:
    """Bytes by what they are of, and by workspace."""
    datasets = select(Dataset.workspace_id, func.sum(Dataset.size + Dataset.rows_size)).where(
        Dataset.deleted_at.is_(None)
    )
    versions = select(Version.workspace_id, func.sum(Artifact.size)).join(
        Version, Version.id == Artifact.version_id
    )
    files = select(Job.workspace_id, func.sum(JobFile.size)).join(Job, Job.id == JobFile.job_id)
    if workspaces is not None:
        files = files.where(Job.workspace_id.in_(workspaces))
        datasets = datasets.where(Dataset.workspace_id.in_(workspaces))
        versions = versions.where(Version.workspace_id.in_(workspaces))
    queries = {
        "datasets": datasets.group_by(Dataset.workspace_id),
        "versions": versions.group_by(Version.workspace_id),
        "predictions": files.group_by(Job.workspace_id),
    }
    return {
        what: {workspace: int(size or 0) for workspace, size in session.execute(query)}
        for what, query in queries.items()
    }
