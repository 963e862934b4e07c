"""`/v1/models`."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path, Query, Request, Response

from app.access import audit
from app.access.caller import Asking
from app.access.requests import StrictRoute
from app.db.session import ReadSession, WriteSession
from app.downloads import answers, blob_response
from app.errors import responses
from app.models import aliases, service
from app.models.schemas import (
    AliasList,
    AliasRequest,
    AliasView,
    Arm,
    Format,
    ModelList,
    VersionList,
    VersionView,
)
from app.pages import After, Limit
from app.references import AliasName, ExactVersion

PARQUET = "application/vnd.apache.parquet"

router = APIRouter(prefix="/v1/models", tags=["models"], route_class=StrictRoute)

ModelPath = Annotated[
    str,
    Path(
        description="Id, name, `name@version` or `name@alias` of a model.",
        openapi_examples={"a version": {"value": "grades@1"}, "the newest": {"value": "grades"}},
    ),
]

VersionPath = Annotated[
    ExactVersion,
    Path(
        description="Id or `name@version`; a name without a version is not accepted.",
        openapi_examples={"a version": {"value": "grades@1"}},
    ),
]


@router.get("", summary="List models", responses=responses(422))
def list_models(session: ReadSession, caller: Asking, after: After = None, limit: Limit = 20) -> ModelList:
    """By name, each with its newest version; continue with `after=` the last name."""
    data, has_more = service.models_page(session, caller.workspace, after, limit)
    return ModelList(data=data, has_more=has_more)


@router.get("/{model}", summary="Get a model version", responses=responses(404))
def get_model_version(model: ModelPath, session: ReadSession, caller: Asking) -> VersionView:
    """By id, `name@version` or name (the newest version): metrics, verdict, receipt, lineage, files."""
    return service.view(session, service.find_version(session, caller.workspace, model))


@router.delete(
    "/{model}",
    status_code=204,
    response_class=Response,
    summary="Delete a version's files",
    responses=responses(404, 409),
)
def delete_model_version(model: VersionPath, session: WriteSession, caller: Asking) -> None:
    """By id or `name@version`. Its record stays readable, and versions made from it keep working."""
    gone = service.delete(session, caller.workspace, model)
    audit.record(session, caller, "version.deleted", service.ref(gone))


@router.get("/{model}/versions", summary="List the versions of a model", responses=responses(404, 422))
def list_model_versions(
    model: str, session: ReadSession, caller: Asking, after: After = None, limit: Limit = 20
) -> VersionList:
    """Newest first."""
    data, has_more = service.versions_page(session, caller.workspace, model, after, limit)
    return VersionList(data=data, has_more=has_more)


@router.get("/{model}/aliases", summary="List the aliases of a model", responses=responses(404))
def list_model_aliases(model: str, session: ReadSession, caller: Asking) -> AliasList:
    """Names that can move from version to version, such as `champion`."""
    named = service.find_version(session, caller.workspace, model).model
    return AliasList(data=aliases.listed(session, caller.workspace, named))


@router.put("/{model}/aliases/{alias}", summary="Set an alias", responses=responses(404, 409, 410, 422))
def set_model_alias(
    model: str, alias: AliasName, body: AliasRequest, session: WriteSession, caller: Asking
) -> AliasView:
    """A version whose verdict is `hurt` cannot become `champion`, unless forced."""
    version = service.find_version_of(session, caller.workspace, model, body.version)
    given = aliases.put(session, version, alias, body.force)
    audit.record(session, caller, "alias.given", f"{model}@{alias}", version=given.ref, force=body.force)
    return given


@router.delete(
    "/{model}/aliases/{alias}",
    status_code=204,
    response_class=Response,
    summary="Delete an alias",
    responses=responses(404),
)
def delete_model_alias(model: str, alias: AliasName, session: WriteSession, caller: Asking) -> None:
    """The version stays."""
    named = service.find_version(session, caller.workspace, model).model
    aliases.delete(session, caller.workspace, named, alias)
    audit.record(session, caller, "alias.deleted", f"{named}@{alias}")


@router.get(
    "/{model}/download",
    summary="Download a model",
    response_class=Response,
    responses={**answers("application/zip", PARQUET, "text/csv"), **responses(404, 410, 422)},
)
def download_model_version(
    model: ModelPath,
    request: Request,
    session: ReadSession,
    caller: Asking,
    format: Annotated[
        Format | None,
        Query(
            description="`keras`: a file for `keras.saving.load_model`; `bundle`: a zip with the "
            "model, its card and `predict.py`; `predictions`: a Parquet file with what every arm and seed "
            "predicted on the test rows, from which the proof can be worked out again; `wrong_rows`: a "
            "Parquet file with the same rows, what each arm answers and their inputs, sorted by the "
            "transfer's loss; `doubtful_labels`: a CSV file with the rows whose labels are likely "
            "wrong. By default `keras`, or `bundle` where the arm's model is no network."
        ),
    ] = None,
    arm: Annotated[
        Arm,
        Query(
            description="Whose model: the `transfer`'s, the `control`'s, which knows nothing of the source, "
            "or the `baseline`'s. The version lists the files of all arms that the job trained."
        ),
    ] = "transfer",
) -> Response:
    """The whole model: raw rows in, predictions out. `curl -OJ` uses the file's name."""
    version = service.find_version(session, caller.workspace, model)
    artifact = service.find_artifact(session, caller.workspace, version.id, format, arm)
    storage = request.app.state.storage
    answer = blob_response(request, storage, artifact.digest, artifact.filename, artifact.media_type)
    return audit.downloaded(
        request,
        caller,
        "version.downloaded",
        f"{service.ref(version)} {artifact.format} of {artifact.arm}",
        answer,
    )
