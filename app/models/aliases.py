"""Names that move from version to version; `champion` is not given to one that is worse, unless forced."""

from __future__ import annotations

from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.db.locks import lock_name
from app.db.tables import Alias, Job, Version
from app.errors import ServiceError
from app.jobs.events import record
from app.models.schemas import AliasView

CHAMPION = "champion"


def holder(session: Session, workspace: str, model: str, alias: str) -> Version | None:
    """The version that has the alias."""
    given = session.get(Alias, (workspace, model, alias))
    return None if given is None else session.get_one(Version, given.version_id)


def assign_champion(session: Session, job: Job, version: Version, compared: dict[str, Any] | None) -> None:
    """Make a job's version its model's champion, as far as the job wants it; an event tells how it went.

    `compared` is how it did beside the champion, as `ChampionView`; None if there was none.
    """
    wish = job.spec["champion"]
    if wish == "never":
        return
    before = holder(session, version.workspace_id, version.model, CHAMPION)
    becomes, why = (True, "as asked") if wish == "always" else _is_better(version, before, compared)
    new = f"{version.model}@{version.number}"
    if becomes:
        _give(session, version, CHAMPION)
        record(session, job.id, job.attempt, "champion.given", f"{new} is the champion: {why}.")
        return
    stays = "there is none" if before is None else f"{before.model}@{before.number} stays"
    message = f"{new} did not become the champion, since {why}; {stays}."
    record(session, job.id, job.attempt, "champion.kept", message, level="warning")


def _is_better(version: Version, before: Version | None, compared: dict[str, Any] | None) -> tuple[bool, str]:
    """Whether it takes the place of the champion, and why; it does unless it is shown to be worse."""
    if before is None:
        return (
            version.verdict != "hurt",
            "the transfer hurt" if version.verdict == "hurt" else "it is the first",
        )
    champion = f"{before.model}@{before.number}"
    if compared is None or compared["version"] != champion:
        return False, f"it was not compared with {champion}, which became the champion meanwhile"
    if not compared["comparable"]:
        return False, f"it cannot be compared with {champion}: {compared['why']}"
    measured = (
        f"on {compared['rows']} test rows its {compared['metric'].replace('_', ' ')} is "
        f"{compared['new']:.3g}, and that of {champion} {compared['champion']:.3g}, a difference of "
        f"{compared['value']:+.3g} ({compared['low']:+.3g} to {compared['high']:+.3g})"
    )
    return compared["high"] >= 0, measured


def put(session: Session, version: Version, alias: str, force: bool) -> AliasView:
    """Give a version the alias; another loses it."""
    lock_name(session, "models", f"{version.workspace_id}/{version.model}")
    lock_name(session, "versions", version.id)
    session.refresh(version)  # it may have been deleted a moment ago
    if version.deleted_at is not None:
        message = f"Expected a version whose files are kept. Received: {version.model}@{version.number}."
        raise ServiceError(410, "version_deleted", message, hint="Give the alias to another version.")
    if alias == CHAMPION and version.verdict == "hurt" and not force:
        message = (
            f"Expected a champion whose transfer did not hurt. Received: {version.model}@{version.number}, "
            "whose verdict is `hurt`: its control, which knows no source, does better."
        )
        raise ServiceError(
            409, "verdict_hurt", message, hint="Send `force: true` to make it the champion anyway."
        )
    return _view(session, _give(session, version, alias))


def listed(session: Session, workspace: str, model: str) -> list[AliasView]:
    """By name."""
    of_it = Alias.workspace_id == workspace, Alias.model == model
    found = session.scalars(select(Alias).where(*of_it).order_by(Alias.alias))
    return [_view(session, alias) for alias in found]


def delete(session: Session, workspace: str, model: str, alias: str) -> None:
    """Take the alias away; its version stays."""
    found = session.get(Alias, (workspace, model, alias))
    if found is None:
        known = ", ".join(view.alias for view in listed(session, workspace, model)) or "none"
        message = f"Expected an alias of {model}: {known}. Received: {alias}."
        raise ServiceError(404, "alias_not_found", message, hint="PUT gives a version an alias.")
    session.delete(found)


def _give(session: Session, version: Version, alias: str) -> Alias:
    named = {"workspace_id": version.workspace_id, "model": version.model, "alias": alias}
    given: Alias = session.merge(Alias(**named, version_id=version.id))
    session.flush()
    session.expire(version, ["aliases"])
    return given


def _view(session: Session, alias: Alias) -> AliasView:
    session.refresh(alias)
    number = session.get_one(Version, alias.version_id).number
    ref = f"{alias.model}@{number}"
    return AliasView(alias=alias.alias, ref=ref, version=number, updated_at=alias.updated_at)
