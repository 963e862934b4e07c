"""What is kept for how long, and how much: versions, data sets, source networks, as settings say."""

from __future__ import annotations

from sqlalchemy import delete, func, or_, select, update

from app.datasets.service import uses_dataset
from app.db.clock import db_now
from app.db.locks import lock_name
from app.db.session import Sessions
from app.db.tables import Dataset, Job, Reply, SourceRun, Version
from app.errors import ServiceError
from app.jobs import scheduling
from app.models import service as models
from app.settings import Settings


def clean(sessions: Sessions, settings: Settings) -> dict[str, int]:
    """Let go what the settings do not keep; how many of each. A sweep deletes the files afterwards."""
    gone = {"versions": 0, "datasets": 0, "source networks": 0, "replies": 0}
    if settings.keep_versions:
        gone["versions"] = _old_versions(sessions, settings.keep_versions)
    if settings.keep_dataset_seconds:
        gone["datasets"] = _unused_datasets(sessions, settings.keep_dataset_seconds)
    if settings.keep_source_seconds:
        with sessions.begin() as session:
            old = delete(SourceRun).where(SourceRun.created_at < db_now(-settings.keep_source_seconds))
            gone["source networks"] = len(session.scalars(old.returning(SourceRun.key)).all())
    with sessions.begin() as session:
        answered = delete(Reply).where(Reply.created_at < db_now(-settings.keep_reply_seconds))
        gone["replies"] = len(session.scalars(answered.returning(Reply.key)).all())
        scheduling.forget_idle_owners(session)
    return gone


def _old_versions(sessions: Sessions, keep: int) -> int:
    """Of each model all but its newest so many; those with an alias, or that an open job needs, stay."""
    with sessions() as session:
        place = func.row_number().over(
            partition_by=(Version.workspace_id, Version.model), order_by=Version.number.desc()
        )
        kept = select(Version.workspace_id, Version.id, place.label("place"))
        ranked = kept.where(Version.deleted_at.is_(None)).subquery()
        old = session.execute(select(ranked.c.workspace_id, ranked.c.id).where(ranked.c.place > keep)).all()
    count = 0
    for workspace, version_id in old:
        try:
            with sessions.begin() as session:
                models.delete(session, workspace, version_id)
            count += 1
        except ServiceError:  # in use, or named by an alias
            continue
    return count


def _unused_datasets(sessions: Sessions, seconds: float) -> int:
    """Data sets that no job has used for so long, nor is about to."""
    uses = uses_dataset(Dataset.id)
    lately = or_(Job.finished_at.is_(None), Job.finished_at > db_now(-seconds))
    unused = (
        Dataset.deleted_at.is_(None),
        Dataset.created_at < db_now(-seconds),
        ~select(Job.id).where(uses, lately).exists(),
    )
    with sessions() as session:
        candidates = session.scalars(select(Dataset.id).where(*unused)).all()
    count = 0
    for dataset_id in candidates:
        with sessions.begin() as session:
            lock_name(session, "dataset", dataset_id)  # against a job that is being accepted
            statement = update(Dataset).where(Dataset.id == dataset_id, *unused).values(deleted_at=db_now())
            gone = statement.returning(Dataset.id).execution_options(synchronize_session=False)
            count += len(session.scalars(gone).all())
    return count
