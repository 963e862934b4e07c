"""Models and their versions: published by a worker, found by id or name."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeVar

from sqlalchemy import ColumnElement, Select, func, or_, select
from sqlalchemy.orm import Session

from app.db.clock import db_now
from app.db.input_tables import JobInput
from app.db.locks import lock_name, lock_names
from app.db.tables import Alias, Artifact, Job, Model, TrainedRows, Version
from app.errors import ServiceError, did_you_mean
from app.models import aliases
from app.models.schemas import OF_ALL_ARMS, Arm, ModelView, TrainedOn, VersionSummary, VersionView
from app.models.signature import Backbone, Signature
from app.pages import page
from app.references import is_id, new_id, split_alias, split_reference

Statement = TypeVar("Statement", bound=Select[*tuple[Any, ...]])
_OTHER_ARMS = ("control", "baseline")
"""Those whose name is part of their files' names."""


def publish(
    session: Session,
    job: Job,
    facts: dict[str, Any],
    artifacts: Sequence[dict[str, Any]],
    trained_rows: Sequence[dict[str, Any]],
    compared: dict[str, Any] | None = None,
) -> Version:
    """The next version of the job's model; its caller ends the job in the same transaction.

    `compared`: how it did beside the model's champion, see `aliases.assign_champion`.
    """
    workspace, model = job.workspace_id, job.model
    assert model is not None  # the table's CHECK says so
    lock_name(session, "models", f"{workspace}/{model}")
    if session.get(Model, (workspace, model)) is None:
        session.add(Model(workspace_id=workspace, name=model))
        session.flush()
    newest = session.scalar(select(func.max(Version.number)).where(*_of(workspace, model)))
    number = (newest or 0) + 1
    version = Version(
        id=new_id("ver"),
        workspace_id=workspace,
        model=model,
        number=number,
        job_id=job.id,
        parent_id=job.source_version_id,
        artifacts=[
            Artifact(
                arm=artifact["arm"],
                format=artifact["format"],
                digest=artifact["digest"],
                size=artifact["size"],
                media_type=artifact["media_type"],
                filename=_filename(model, number, artifact),
            )
            for artifact in artifacts
        ],
        trained_rows=[TrainedRows(**rows) for rows in trained_rows],
        **facts,
    )
    session.add(version)
    session.flush()
    aliases.assign_champion(session, job, version, compared)
    return version


def _filename(model: str, number: int, artifact: dict[str, Any]) -> str:
    part = f"-{artifact['arm']}" if artifact["arm"] in _OTHER_ARMS else ""
    if artifact["format"] in ("wrong_rows", "doubtful_labels"):
        part = f"-{artifact['format'].replace('_', '-')}"
    return f"{model}-{number}{part}.{artifact['suffix']}"


def _of(workspace: str, model: str) -> tuple[ColumnElement[bool], ...]:
    """What is true of the versions of a workspace's model alone."""
    return Version.workspace_id == workspace, Version.model == model


def find_version(session: Session, workspace: str, reference: str) -> Version:
    """By id, `name@version`, `name@alias` or name (its newest version); 404 tells the nearest name."""
    statement = _matching(select(Version), workspace, reference)
    found = None if statement is None else session.scalars(statement).one_or_none()
    if found is None:
        raise _not_found(session, workspace, reference)
    return found


def find_digest(session: Session, workspace: str, reference: str, format_: str) -> tuple[str, str]:
    """A version, `name@version`, and the digest of its file in a format: by one query, for who asks often.

    Raises:
        ServiceError: as `find_artifact` tells it.
    """
    columns = select(Version.model, Version.number, Artifact.digest)
    joined = columns.join(Artifact, Artifact.version_id == Version.id)
    wanted = joined.where(
        Artifact.format == format_, Artifact.arm == "transfer", Version.deleted_at.is_(None)
    )
    statement = _matching(wanted, workspace, reference)
    found = None if statement is None else session.execute(statement).one_or_none()
    if found is None:
        artifact = find_artifact(session, workspace, reference, format_)
        return ref(find_version(session, workspace, reference)), artifact.digest
    return f"{found.model}@{found.number}", found.digest


def _matching(statement: Statement, workspace: str, reference: str) -> Statement | None:
    """The one version that a reference means, of those that the statement selects; None for no reference."""
    statement = statement.where(Version.workspace_id == workspace)
    statement = statement.order_by(Version.deleted_at.is_not(None), Version.number.desc()).limit(1)
    parts, alias = split_reference(reference), split_alias(reference)
    if alias is not None:
        statement = statement.join(Alias, Alias.version_id == Version.id)
        statement = statement.where(Alias.model == alias[0], Alias.alias == alias[1])
    elif is_id(reference):
        statement = statement.where(Version.id == reference)
    elif parts is None:
        return None
    else:
        name, number = parts
        statement = statement.where(Version.model == name)
        if number is not None:
            statement = statement.where(Version.number == number)
    return statement


def find_version_of(session: Session, workspace: str, model: str, version: int | str) -> Version:
    """A version of this model, by its number or a reference."""
    reference = f"{model}@{version}" if isinstance(version, int) else version
    found = find_version(session, workspace, reference)
    if found.model != model:
        message = f"Expected a version of {model}. Received: {ref(found)}."
        raise ServiceError(422, "other_model", message, hint=f"GET /v1/models/{model}/versions lists them.")
    return found


def _not_found(session: Session, workspace: str, reference: str) -> ServiceError:
    known = session.scalars(select(Model.name).where(Model.workspace_id == workspace).limit(1000)).all()
    hint = did_you_mean(reference.partition("@")[0], known) or "GET /v1/models lists all models."
    message = f"Expected the id, the name, `name@version` or `name@alias` of a model. Received: {reference}."
    return ServiceError(404, "model_not_found", message, hint=hint)


def find_artifact(
    session: Session,
    workspace: str,
    reference: str,
    format_: str | None = "keras",
    arm: Arm = "transfer",
) -> Artifact:
    """The file of an arm's model in a format: by default the Keras file, or the bundle where there is none.

    Predictions are of all arms.
    """
    version = usable(find_version(session, workspace, reference))
    by_arm = _by_arm(version.artifacts)
    if arm not in by_arm and format_ not in OF_ALL_ARMS:
        there = ", ".join(name for name in by_arm if name != "all")
        message = f"Expected an arm whose model {ref(version)} has: {there or 'none'}. Received: {arm}."
        hint = "Ask for one of these; a job trains the arms that its `evaluation` asks for."
        raise ServiceError(404, "arm_not_found", message, hint=hint)
    known = {one.format: one for one in [*by_arm.get(arm, []), *by_arm.get("all", [])]}
    if format_ is None:
        format_ = "keras" if "keras" in known else "bundle"
    if format_ in known:
        return known[format_]
    there = ", ".join(known) or "none"
    of = f" of the {arm}" if arm != "transfer" else ""
    message = f"Expected a format{of} that {ref(version)} has: {there}. Received: {format_}."
    raise ServiceError(404, "format_not_found", message, hint="Ask for one of these.")


def _by_arm(artifacts: Sequence[Artifact]) -> dict[str, list[Artifact]]:
    """The transfer's first, those of all arms last."""
    order = ("transfer", *_OTHER_ARMS, "all")
    found: dict[str, list[Artifact]] = {}
    for artifact in sorted(artifacts, key=lambda one: (order.index(one.arm), one.format)):
        found.setdefault(artifact.arm, []).append(artifact)
    return found


def usable(version: Version) -> Version:
    """The version, if its files are there."""
    if version.deleted_at is not None:
        message = f"Expected a version whose files are kept. Received: {ref(version)}, which was deleted."
        hint = f"GET /v1/models/{version.model}/versions lists the others; its record stays readable."
        raise ServiceError(410, "version_deleted", message, hint=hint)
    return version


def find_to_use(session: Session, workspace: str, references: Sequence[str]) -> list[Version]:
    """Versions to learn from; none is deleted before the job that asks for them is there."""
    found = [find_version(session, workspace, reference) for reference in references]
    lock_names(session, "versions", (version.id for version in found))
    for version in found:
        session.refresh(version)
    return [usable(version) for version in found]


def delete(session: Session, workspace: str, reference: str) -> Version:
    """Let the version's files go with the next sweep; its record stays, and what came of it is untouched.

    Deleting twice is no error.
    """
    version = find_version(session, workspace, reference)
    lock_name(session, "versions", version.id)
    session.refresh(version)
    if version.aliases:
        named = ", ".join(alias.alias for alias in version.aliases)
        message = f"Expected a version without an alias. Received: {ref(version)}, which is {named}."
        hint = "Give the alias to another version, or take it away: DELETE …/aliases/{alias}."
        raise ServiceError(409, "version_has_alias", message, hint=hint)
    beside = select(JobInput.job_id).where(JobInput.version_id == version.id)
    uses = or_(Job.source_version_id == version.id, Job.id.in_(beside))
    open_jobs = select(Job.name).where(Job.workspace_id == workspace, Job.finished_at.is_(None), uses)
    needing = session.scalars(open_jobs.limit(1)).all()
    if needing:
        message = (
            f"Expected a version that no unfinished job uses. Received: {ref(version)}, needed by "
            f"{needing[0]}."
        )
        raise ServiceError(409, "version_in_use", message, hint="Cancel the job, or wait until it ends.")
    if version.deleted_at is None:
        version.artifacts.clear()
        version.trained_rows.clear()  # what came of it refers to them by itself
        version.deleted_at = db_now()
    return version


def models_page(
    session: Session, workspace: str, after: str | None, limit: int
) -> tuple[list[ModelView], bool]:
    """By name."""
    statement = select(Model).where(Model.workspace_id == workspace).order_by(Model.name)
    if after is not None:
        statement = statement.where(Model.name > after)
    models, has_more = page(session, statement, limit)
    return [_model_view(session, model) for model in models], has_more


def _model_view(session: Session, model: Model) -> ModelView:
    versions = select(func.count()).where(*_of(model.workspace_id, model.name))
    newest = summary(session, find_version(session, model.workspace_id, model.name))
    return ModelView(
        name=model.name, newest=newest, versions=session.scalar(versions) or 0, created_at=model.created_at
    )


def versions_page(
    session: Session, workspace: str, name: str, after: str | None, limit: int
) -> tuple[list[VersionSummary], bool]:
    """The versions of one model, newest first."""
    if session.get(Model, (workspace, name)) is None:
        raise _not_found(session, workspace, name)
    statement = select(Version).where(*_of(workspace, name)).order_by(Version.number.desc())
    if after is not None:
        statement = statement.where(Version.number < find_version(session, workspace, after).number)
    versions, has_more = page(session, statement, limit)
    return [summary(session, version) for version in versions], has_more


def signature(version: Version) -> Signature:
    """What the version's network reads and predicts."""
    return Signature.model_validate(version.signature)


def backbone(version: Version) -> Backbone:
    """The shape of its network's backbone."""
    return Backbone.model_validate(version.lineage["backbone"])


def trained_on(version: Version) -> TrainedOn:
    """What it, its sources and ancestors were trained or validated on."""
    return TrainedOn.model_validate(version.lineage.get("trained_on", {}))


def ref(version: Version) -> str:
    """`name@version`."""
    return f"{version.model}@{version.number}"


def url(version: Version, artifact: Artifact) -> str:
    """Where a file is downloaded."""
    arm = f"arm={artifact.arm}&" if artifact.arm in _OTHER_ARMS else ""
    return f"/v1/models/{ref(version)}/download?{arm}format={artifact.format}"


def summary(session: Session, version: Version) -> VersionSummary:
    """The version as lists show it."""
    return VersionSummary.model_validate(_plain(session, version))


def view(session: Session, version: Version) -> VersionView:
    """The version as the API shows it."""
    contents = {
        "signature": version.signature,
        "network": version.network,
        "receipt": version.receipt,
        "lineage": version.lineage,
    }
    return VersionView.model_validate({**_plain(session, version), **contents})


def _plain(session: Session, version: Version) -> dict[str, Any]:
    parent = session.get(Version, version.parent_id) if version.parent_id else None
    return {
        "id": version.id,
        "name": version.model,
        "version": version.number,
        "ref": ref(version),
        "parent": ref(parent) if parent else None,
        "metrics": version.metrics,
        "aliases": [alias.alias for alias in version.aliases],
        "verdict": version.verdict,
        "gain": version.gain,
        "weights_sha256": version.weights_digest,
        "artifacts": [
            {
                "arm": artifact.arm,
                "format": artifact.format,
                "filename": artifact.filename,
                "media_type": artifact.media_type,
                "size": artifact.size,
                "sha256": artifact.digest,
                "url": url(version, artifact),
            }
            for artifacts in _by_arm(version.artifacts).values()
            for artifact in artifacts
        ],
        "created_at": version.created_at,
        "deleted_at": version.deleted_at,
    }
