"""What goes in and out of `/v1/vectors`, a data set's vector and its neighbours."""

from __future__ import annotations

from pydantic import BaseModel, Field

from app.jobs.schemas import JobCommon, WorkRequest
from app.references import Reference


class VectorRequest(WorkRequest):
    """A data set whose vector is to be made."""

    dataset: Reference = Field(description="Id, name or `name@version` of the data set.")


class VectorSpec(BaseModel):
    """What its worker needs besides."""


class TaskVector(BaseModel):
    """A task as numbers. The names and the order of classes do not enter.

    Good for a list of related tasks. As a ranking of sources it is weak: POST /v1/rankings looks at the
    target's labels.
    """

    probe: str = Field(
        description="The fixed network of drawn weights whose features it is made of, with its version. "
        "Vectors of one probe can be compared.",
        examples=["text-1"],
    )
    task: str
    rows: int = Field(description="Train rows that it is made of, at most 2,000.")
    of_rows: int = Field(description="Train rows there are.")
    classes: int = Field(description="Classes or labels; 0 for numbers.")
    class_shares: list[float] = Field(description="In falling order; of labels the share of rows with each.")
    label_entropy: float | None = Field(description="In nats; of several labels their sum; null for numbers.")
    feature_mean: list[float] = Field(description="Of the probe's 256 features.")
    feature_deviation: list[float]
    fisher: list[float] = Field(
        description="Diagonal of the Fisher information of a linear head on the features, pooled over "
        "classes (Task2Vec); its sum is 1."
    )
    separation: list[float] = Field(
        description="Share of each feature's variance that is between classes, less what chance gives; for "
        "numbers what a line explains."
    )


class VectorView(JobCommon):
    """The making of a vector, a job of its own kind."""

    dataset: dict[str, str] = Field(
        examples=[{"dataset": "churn@1", "id": "ds_0199f0c2a7e13f0d9b5a6c7e8f01"}]
    )
    result: TaskVector | None


class DatasetVector(TaskVector):
    """The newest vector of a data set."""

    dataset: str = Field(description="`name@version`.")
    id: str
    made_by: str = Field(description="Id of the job, see GET /v1/vectors/{vector}.")


class Neighbour(BaseModel):
    """Another data set whose task is near."""

    dataset: str = Field(description="`name@version`.")
    id: str
    distance: float = Field(
        description="0 to 1: the mean of 1 - cos(f/(f+g), g/(f+g)) of the Fisher diagonals and of 1 - "
        "Σ min / Σ max of the separations."
    )
    task: str
    rows: int
    classes: int


class NeighbourList(BaseModel):
    """The nearest first."""

    dataset: str
    probe: str
    data: list[Neighbour]
    without_vector: int = Field(
        description="Data sets of the same kind that have no vector of this probe yet: POST /v1/vectors."
    )
