"""What goes in and out of `/v1/rankings`."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator
from pydantic.config import JsonDict

from app.datasets.reading.profile import Notice
from app.jobs.recipe import Recipe
from app.jobs.schemas import Estimate, JobCommon, WorkRequest
from app.references import Reference
from app.texts import Line

EXAMPLE: JsonDict = {"target": "target", "candidates": [{"version": "grades@1"}]}
ALL_EXAMPLE: JsonDict = {"target": "target", "candidates": "all"}

MOST_CANDIDATES = 50

Answer = Literal["use", "undecided", "no"]


class CandidateRequest(Recipe):
    """A source that might be used: a model version or a pretrained backbone."""

    version: Reference | None = Field(None, description="Id, name or `name@version` of a model version.")
    preset: Line | None = Field(None, description="Name of a pretrained backbone, see `GET /v1/presets`.")

    @model_validator(mode="after")
    def _one(self) -> CandidateRequest:
        if (self.version is None) == (self.preset is None):
            raise ValueError("give one of `version` and `preset`")
        return self


class RankingRequest(WorkRequest):
    """Which source suits a target: only `target` has no default."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [EXAMPLE, ALL_EXAMPLE]})

    target: Reference = Field(description="Id, name or `name@version` of a data set.")
    candidates: (
        Annotated[list[CandidateRequest], Field(min_length=1, max_length=MOST_CANDIDATES)] | Literal["all"]
    ) = Field(
        "all",
        description="The sources to compare. `all`: the newest version of each model, and each preset that "
        f"is here, {MOST_CANDIDATES} at most, the newest first.",
    )
    metric: str | None = Field(
        None, max_length=100, description="Which is told as expected. Default: accuracy, or R² of a number."
    )
    seed: int = Field(0, ge=0, le=2**31 - 1, description="Which rows are held out together.")


class Refused(BaseModel):
    """A source that cannot serve for this target, and why."""

    name: str
    code: str
    reason: str
    hint: str | None


class CandidateSpec(Recipe):
    """A source that can serve."""

    name: str
    version: str | None = Field(None, description="The version's id.")
    preset: str | None = None
    network: dict[str, Any] = Field(default={}, description="The preset's network.")
    source: dict[str, Any] = Field(default={}, description="What is known of the source's own training.")
    job: Estimate | None = Field(None, description="What a transfer from it needs at least, by default.")
    warnings: list[Notice] = Field(default=[])


class RankingSpec(Recipe):
    """A request with every reference filled in, as the workers run it."""

    candidates: list[CandidateSpec]
    refused: list[Refused]
    metric: str | None
    seed: int


class RankedGainView(BaseModel):
    """How much better than the best baseline, on the same rows out of fold."""

    value: float
    standard_error: float | None
    unit: Literal["accuracy", "squared_error"]


class RankedRow(BaseModel):
    """A line of a ranking: a candidate, a baseline, or one answer for all."""

    rank: int
    name: str
    kind: Literal["candidate", "baseline", "none"]
    score: float | None = Field(description="Mean log-likelihood of a row, or minus its squared error.")
    standard_error: float | None
    expected: float | None = Field(description="The metric by cross-validation.")
    gain: RankedGainView | None = Field(description="Against the best baseline; null of that one.")
    answer: Answer | None = Field(description="Of candidates: use it, train both, or it is of no help.")
    metrics: dict[str, float | None]
    scores: dict[str, float | None] = Field(description="Other scores, each by its paper.")
    cpu_seconds: float = Field(description="What ranking it took, without features that were kept.")
    source: dict[str, Any] = Field(
        default={}, description="Rows and metrics of the source's own training: does not predict the order."
    )
    job: Estimate | None = Field(None, description="What a transfer from it needs at least, by default.")
    warnings: list[Notice] = Field(default=[])


class OptimismView(BaseModel):
    """By how much the best of several looks better than it is, since the same rows chose it."""

    expected: float
    corrected: float
    optimism: float
    candidates: int
    method: str


class RankingResult(BaseModel):
    """Candidates, baselines and one answer for all, best first, and what follows."""

    answer: Answer = Field(description="`use` the best, `undecided`: train both, `no` source helps.")
    why: str
    best: str | None
    baseline: str
    score: str
    metric: str
    rows: int = Field(description="Train rows of the target that were held out, of `of_rows`.")
    of_rows: int
    folds: int
    optimism: OptimismView | None
    ranking: list[RankedRow]
    refused: list[Refused]


class RankingView(JobCommon):
    """The current state of a ranking."""

    target: dict[str, str]
    candidates: list[str]
    refused: list[Refused] = Field(description="Sources that cannot serve for this target, known at once.")
    metric: str | None
    seed: int
    result: RankingResult | None


class RankingList(BaseModel):
    """Rankings, newest first."""

    data: list[RankingView]
    has_more: bool
