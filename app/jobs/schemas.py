"""What goes in and out of `/v1/jobs`."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator
from pydantic.config import JsonDict

from app.datasets.reading.profile import Notice
from app.jobs.evaluation import Evaluation
from app.jobs.networks import Network
from app.jobs.recipe import Recipe
from app.jobs.recipes import Method, ParameterTransfer
from app.jobs.results import JobResult
from app.jobs.running_time import Limits
from app.jobs.states import Stage, State
from app.jobs.stored_options import StoredEvaluation, StoredMethod, StoredNetwork, StoredTraining
from app.jobs.training import Training
from app.references import Name, Reference
from app.texts import Line, Metadata

CURL_EXAMPLE: JsonDict = {
    "model": "grades",
    "source": {"dataset": "source"},
    "target": {"dataset": "target"},
    "method": {"kind": "parameter", "strategy": "full"},
    "network": {"kind": "mlp", "hidden_units": [64, 64]},
    "training": {"epochs": 10, "batch_size": 32, "learning_rate": 0.001, "seed": 0},
    "evaluation": {"control": True},
}
SHORTEST_EXAMPLE: JsonDict = {
    "model": "grades",
    "source": {"dataset": "source"},
    "target": {"dataset": "target"},
}
VERSION_EXAMPLE: JsonDict = {
    "model": "grades",
    "source": {"version": "grades@1"},
    "target": {"dataset": "target"},
    "method": {"kind": "parameter", "strategy": "linear_probe"},
}


Champion = Literal["unless_worse", "always", "never"]


class Source(Recipe):
    """Where knowledge comes from: a data set to train on, a model version, or a pretrained backbone."""

    dataset: Reference | None = Field(None, description="Id, name or `name@version` of a data set.")
    version: Reference | None = Field(None, description="Id, name or `name@version` of a model version.")
    versions: list[Reference] | None = Field(
        None,
        min_length=1,
        max_length=16,
        description="Several model versions, as the teachers of a distillation.",
    )
    preset: Line | None = Field(
        None, description="Name of a pretrained backbone, see `GET /v1/presets`; no source training."
    )
    training: Training | None = Field(
        None,
        description="How the source is trained. Default: like the target. Unless `epochs` or `patience` is "
        "given, it stops after 5 epochs without a lower validation loss, and keeps the best weights. Only "
        "with `dataset`.",
    )
    network: Network | None = Field(
        None,
        description="The source's network, if it should differ from the target's: a distillation's teacher, "
        "or the network that combined transfer adds to. Default: the job's. Only with `dataset`.",
    )

    @model_validator(mode="after")
    def _one(self) -> Source:
        given = (self.dataset, self.version, self.versions, self.preset)
        if sum(one is not None for one in given) != 1:
            raise ValueError("give one of `dataset`, `version`, `versions` and `preset`")
        if self.dataset is None and (self.training is not None or self.network is not None):
            raise ValueError("a version or preset is not trained again: leave out `training` and `network`")
        return self


class Target(Recipe):
    """What the model is for."""

    dataset: Reference = Field(description="Id, name or `name@version` of a data set.")
    pseudo_labels: float | None = Field(
        None,
        gt=0,
        le=1,
        description="After training, continue in every arm with those unlabelled rows of the target whose "
        "predicted class has at least this probability, for as many updates in each arm.",
    )


class WorkRequest(Recipe):
    """What a request for work of any kind may say of its place in the queue."""

    limits: Limits = Field(default_factory=Limits)
    name: Name | None = Field(None, description="Name of the job. Default: made from its id.")
    queue: Line | None = Field(
        None, description="Queue of the workers that may run it. Default: the first queue."
    )
    owner: Name | None = Field(
        None,
        description="Whose job it is. Jobs of different owners alternate. Not checked.",
    )
    priority: int = Field(0, ge=-10, le=10, description="Waiting jobs with a higher priority start first.")
    metadata: Metadata = Field(default_factory=dict, description="Your own notes: at most 16 texts.")


class JobRequest(WorkRequest):
    """A transfer job: only `model`, `source` and `target` have no default."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={"examples": [CURL_EXAMPLE, SHORTEST_EXAMPLE, VERSION_EXAMPLE]},
    )

    model: Name = Field(description="Model that gets a new version; created if it does not exist.")
    source: Source
    target: Target
    method: Method = Field(default_factory=ParameterTransfer)
    network: Network | None = Field(
        None,
        description="Default: the network of the source version or preset, otherwise the default for the "
        "kind of data: `mlp`, `convnet`, `text_convnet` or `sequence_convnet`.",
    )
    training: Training = Field(default_factory=Training)
    evaluation: Evaluation = Field(default_factory=Evaluation)
    champion: Champion = Field(
        "unless_worse",
        description="Whether the new version becomes `model@champion`. `unless_worse`: unless it is worse "
        "than the present champion on test rows that neither was trained on, or cannot be compared with it; "
        "a first version, unless the transfer hurt.",
    )
    name: Name | None = Field(None, description="Name of the job. Default: made from the model's name.")


class Estimate(BaseModel):
    """The least that a job needs, as estimated when it was accepted."""

    parameters: int = Field(description="Weights of the network whose training needs the most memory.")
    memory_bytes: int = Field(description="Memory that one step of this training needs, or the baseline.")
    steps: int = Field(description="Training steps of the whole job.")


class JobSpec(Recipe):
    """A request with every default and reference filled in, as the workers run it."""

    method: Method
    network: Network
    source_network: Network
    training: Training
    source_training: Training | None
    champion: Champion = "unless_worse"
    other_versions: list[str] = Field(default=[], description="Ids of the further source versions.")
    pseudo_labels: float | None = None
    evaluation: Evaluation
    estimate: Estimate | None = None
    warnings: list[Notice] = Field(default=[])


class Progress(BaseModel):
    """How far a job is."""

    stage: Stage
    epoch: int | None = Field(None, description="Epochs done in the running stage, if it trains.")
    epochs: int | None = None
    fraction: float = Field(description="Finished share of the whole job, 0 to 1.")
    seconds_remaining: float | None = None


class StageView(BaseModel):
    """A step of the job; a finished one is not run again."""

    stage: Stage
    state: Literal["waiting", "running", "finished"]
    reused: bool = Field(description="Taken from an earlier job with exactly the same source.")
    started_at: datetime | None
    finished_at: datetime | None


class JobError(BaseModel):
    """Why a job failed and what to do."""

    code: str
    message: str
    hint: str | None


class JobCommon(BaseModel):
    """The current state of a job of any kind."""

    id: str
    name: str
    state: State
    terminal: bool
    attempt: int
    max_attempts: int
    stop_request: Literal["cancel", "pause"] | None = Field(description="What its worker was asked to do.")
    queue: str
    owner: str | None
    priority: int
    retry_at: datetime | None = Field(
        description="When it is tried again, after a temporary error such as a full disk."
    )
    limits: Limits = Field(default=Limits(), description="What it may use, the operator's limits included.")
    ran_seconds: float = Field(
        0.0, description="Running time over all attempts since the last retry, told every few seconds."
    )
    metadata: dict[str, str]
    progress: Progress | None
    stages: list[StageView]
    error: JobError | None
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None


class JobSummary(JobCommon):
    """The current state of a transfer job, without its options."""

    model: str
    source: dict[str, str] = Field(
        examples=[{"dataset": "source@1", "id": "ds_0199f0c2a7e13f0d9b5a6c7e8f01"}]
    )
    target: dict[str, str]
    result: JobResult | None


class JobView(JobSummary):
    """The current state of a job."""

    method: StoredMethod
    network: StoredNetwork
    training: StoredTraining
    evaluation: StoredEvaluation
    warnings: list[Notice] = Field(
        default=[],
        description="What its sender should know, told when it was accepted: such as columns that source and "
        "target have as other types, which are not carried.",
    )


class JobList(BaseModel):
    """Jobs, newest first."""

    data: list[JobSummary]
    has_more: bool


class EventView(BaseModel):
    """Something that happened to a job."""

    id: int
    level: Literal["info", "warning", "error"]
    type: str
    message: str
    data: dict[str, Any] = Field(description="What `type` has to tell besides, by name.")
    attempt: int
    created_at: datetime


class EventList(BaseModel):
    """Events, oldest first; continue with `after=` the last id."""

    data: list[EventView]
    has_more: bool


class EpochView(BaseModel):
    """The metrics of one epoch."""

    stage: Stage
    run: str = Field(
        description="Which training of the stage: an arm and its seed, or a trial.", examples=["transfer/0"]
    )
    epoch: int
    values: dict[str, float]


class EpochList(BaseModel):
    """Metrics by stage and epoch."""

    data: list[EpochView]
