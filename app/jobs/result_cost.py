"""What the trainings of a job took, and what reuse saved."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field


class Spent(BaseModel):
    """What trainings took, those included that chose a learning rate or a structure."""

    updates: int = Field(description="Steps of the optimizer, each on one batch.")
    cpu_seconds: float = Field(
        description="Time of the worker's processors, all threads together, for training, for the features "
        "of frozen layers and for predictions. What a GPU computes is not in it."
    )


class SourceSpent(Spent):
    """What the source took in this job."""

    reused: bool = Field(
        description="It was there before: of an equal stage of an earlier job, a version or a preset."
    )


class Saved(Spent):
    """What would have been done as well, had it not been done before."""

    why: list[str] = Field(description="What was reused, and what each of it would have taken.")


class JobCost(BaseModel):
    """What the job's trainings took, by arm; of all attempts, but for work that was lost and done again."""

    model_config = ConfigDict(extra="allow")
    __pydantic_extra__: dict[str, Spent]

    source: SourceSpent
    transfer: Spent
    control: Spent | None = Field(None, description="Null if none was trained.")
    few_shot: Spent | None = Field(None, description="All few-shot points together, of transfer and control.")
    total: Spent = Field(
        description="All of them, the other arms, each by its name, and `folds`: of a "
        "cross-validation all arms in all folds together."
    )
    saved: Saved
