"""What the service answers, as far as a program usually reads it; what else there is, is kept as it came.

So a client goes on working with a service that answers more than it knew.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from pydantic import BaseModel, ConfigDict


class View(BaseModel):
    """An answer; further fields are attributes, too, and `model_dump()` has all of them."""

    model_config = ConfigDict(extra="allow")


class Notice(View):
    """What an uploader or the sender of a job should know."""

    code: str
    message: str
    column: str | None = None


class Dataset(View):
    """A data set; `ref` is its `name@version`."""

    id: str
    name: str
    version: int
    ref: str
    kind: str
    rows: int
    size: int
    created_at: datetime
    description: dict[str, Any] = {}
    warnings: list[Notice] = []


class Progress(View):
    """How far a job is; `fraction` of the whole from 0 to 1."""

    stage: str
    epoch: int | None = None
    epochs: int | None = None
    fraction: float
    seconds_remaining: float | None = None


class StageState(View):
    """A stage of a job: `waiting`, `running` or `finished`."""

    stage: str
    state: str
    reused: bool = False


class Failure(View):
    """Why a job failed, and what to do."""

    code: str
    message: str
    hint: str | None = None


class Gain(View):
    """Transfer minus control on test rows, and its interval."""

    metric: str
    value: float
    low: float
    high: float
    confidence: float


class Proof(View):
    """What the verdict is worked out from: `test_rows`, or `cross-validation` with means over folds."""

    kind: str
    metrics: dict[str, dict[str, float | None]] = {}


class Result(View):
    """What a job came to."""

    version: str
    verdict: str | None
    verdict_details: list[str] = []
    reason: str
    gain: Gain | None = None
    metrics: dict[str, dict[str, float | None]] = {}
    recommendation: str | None = None
    recommendation_reason: str | None = None
    proof: Proof | None = None


class Job(View):
    """A job; `terminal` once it has succeeded, failed or was cancelled."""

    id: str
    name: str
    model: str
    state: str
    terminal: bool
    created_at: datetime
    progress: Progress | None = None
    stages: list[StageState] = []
    error: Failure | None = None
    result: Result | None = None
    warnings: list[Notice] = []


class Match(View):
    """What source and target have alike, by name."""

    matched: list[str]
    new: list[str]
    dropped: list[str]


class Seconds(View):
    """Processor time, as finished jobs took it."""

    low: float
    high: float
    from_jobs: int


class Plan(View):
    """What a job would be and take."""

    source: str
    target: str
    stages: list[str]
    steps: int
    parameters: int
    memory_bytes: int
    cpu_seconds: Seconds | None = None
    columns: Match
    classes: Match
    warnings: list[Notice] = []


class RankedRow(View):
    """A line of a ranking."""

    rank: int
    name: str
    kind: str
    score: float | None = None
    standard_error: float | None = None
    expected: float | None = None
    answer: str | None = None


class RefusedSource(View):
    """A source that cannot serve."""

    name: str
    reason: str


class RankingResult(View):
    """Candidates, baselines and one answer for all, best first."""

    answer: str
    why: str
    best: str | None = None
    metric: str
    ranking: list[RankedRow] = []
    refused: list[RefusedSource] = []


class Ranking(View):
    """Which source suits a target."""

    id: str
    name: str
    state: str
    terminal: bool
    error: Failure | None = None
    result: RankingResult | None = None


class Answered(View):
    """What became of a file's rows."""

    rows: int
    answered: int
    refused: int


class Prediction(View):
    """A file's answers, as a job."""

    id: str
    name: str
    state: str
    terminal: bool
    version: str
    error: Failure | None = None
    result: Answered | None = None


class Event(View):
    """Something that happened to a job."""

    id: int
    level: str
    type: str
    message: str
    created_at: datetime


class Artifact(View):
    """A file of a version."""

    arm: str = "transfer"
    format: str
    filename: str
    size: int
    sha256: str
    url: str


class Version(View):
    """A version of a model; `ref` is its `name@version`."""

    id: str
    name: str
    version: int
    ref: str
    verdict: str | None = None
    gain: Gain | None = None
    metrics: dict[str, dict[str, float | None]] = {}
    aliases: list[str] = []
    artifacts: list[Artifact] = []
    created_at: datetime


class Model(View):
    """A named model with its newest version."""

    name: str
    versions: int
    newest: Version
