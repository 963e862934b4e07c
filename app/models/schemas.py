"""What comes out of `/v1/models`."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from app.jobs.result_cost import JobCost
from app.jobs.results import ChampionView, GainView, Outcome
from app.jobs.stored_options import StoredMethod, StoredTraining
from app.models.receipt import Receipt
from app.models.signature import Backbone, Signature
from app.references import Reference

Arm = Literal["transfer", "control", "baseline"]
"""The arms whose models can be downloaded."""


Format = Literal["keras", "bundle", "predictions", "wrong_rows", "doubtful_labels"]
"""Files of a version; the last three are of all arms."""

OF_ALL_ARMS = ("predictions", "wrong_rows", "doubtful_labels")


class ArtifactView(BaseModel):
    """A downloadable file."""

    arm: Literal["transfer", "control", "baseline", "all"] = Field(
        description="Whose model it is; `all` of what is of every arm."
    )
    format: Format
    filename: str
    media_type: str
    size: int
    sha256: str
    url: str = Field(examples=["/v1/models/grades@1/download?format=keras"])


class TrainedOn(BaseModel):
    """What a version, its sources and ancestors were trained or validated on."""

    datasets: list[str] = Field(
        default=[],
        description="By name and version; they may be deleted.",
        examples=[["source@1", "target@1"]],
    )
    unknown: list[str] = Field(
        default=[],
        description="Presets, and versions without a record: what they were trained on is not known.",
        examples=[["minilm_l6_v2"]],
    )


class Lineage(BaseModel):
    """Where a version comes from."""

    job: str
    source: dict[str, str] = Field(examples=[{"dataset": "source@1"}])
    target: dict[str, str] = Field(examples=[{"dataset": "target@1"}])
    method: StoredMethod
    training: StoredTraining
    findings: dict[str, Any] = Field(
        default_factory=dict,
        description="What the method reports: the structure found, the shares of its branches, …",
    )
    cost: JobCost | None = Field(None, description="What the job's trainings took, and what reuse saved.")
    champion: ChampionView | None = Field(
        None, description="How it did beside the model's champion at the time. Null if there was none."
    )
    trained_on: TrainedOn = Field(
        default=TrainedOn(),
        description="Over all generations. Rows of a later target that are among them are not compared on.",
    )
    backbone: Backbone = Field(default=Backbone(), description="What later jobs can build on.")
    versions: dict[str, str] = Field(description="Libraries that trained it.", examples=[{"keras": "3.15.1"}])


class VersionSummary(BaseModel):
    """An immutable version of a model, without the parts that grow with its columns and layers."""

    id: str
    name: str = Field(examples=["grades"])
    version: int
    ref: str = Field(examples=["grades@1"])
    aliases: list[str] = Field(description="Its aliases, such as `champion` in `grades@champion`.")
    parent: str | None = Field(description="The version it was transferred from, if any.")
    metrics: dict[str, dict[str, float | None]]
    verdict: Outcome | None
    gain: GainView | None
    weights_sha256: str = Field(description="Digest of the weights only: equal weights have equal digests.")
    artifacts: list[ArtifactView]
    created_at: datetime
    deleted_at: datetime | None = Field(description="When its files were deleted; its record stays.")


class BuiltNetwork(BaseModel):
    """The network's options, those of its kind: `GET /v1/networks/{kind}` describes them."""

    model_config = ConfigDict(extra="allow")

    kind: str = Field(examples=["mlp"])


class VersionView(VersionSummary):
    """An immutable version of a model."""

    signature: Signature
    network: BuiltNetwork
    receipt: Receipt
    lineage: Lineage


class AliasRequest(BaseModel):
    """Which version an alias should name."""

    model_config = ConfigDict(extra="forbid", strict=True, json_schema_extra={"examples": [{"version": 3}]})

    version: Annotated[int, Field(ge=1, lt=2**31)] | Reference = Field(
        description="Its number, id or `name@version`."
    )
    force: bool = Field(False, description="Make a version the champion even if its verdict is `hurt`.")


class AliasView(BaseModel):
    """A name that moves from version to version."""

    alias: str = Field(examples=["champion"])
    ref: str = Field(examples=["grades@3"])
    version: int
    updated_at: datetime


class AliasList(BaseModel):
    """The aliases of a model, by name."""

    data: list[AliasView]


class VersionList(BaseModel):
    """Versions, newest first."""

    data: list[VersionSummary]
    has_more: bool


class ModelView(BaseModel):
    """A named model."""

    name: str
    newest: VersionSummary
    versions: int
    created_at: datetime


class ModelList(BaseModel):
    """Models by name."""

    data: list[ModelView]
    has_more: bool
