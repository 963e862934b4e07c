"""What the test rows said of the arms of a job: the part of a report that the proof stands in.

It is answered as the job wrote it down: what a job did not say, since the service learnt later to
say it, is left out.
"""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from app.jobs.result_arms import Baseline, Choice, Control
from app.jobs.result_cost import JobCost
from app.jobs.results import GainView, Proof, RowsSeen, Versus
from app.reports.rows import DoubtfulLabels, Translations, WrongRows

Metrics = dict[str, float | None]


class _Part(BaseModel):
    """What a job wrote down."""

    model_config = ConfigDict(extra="allow", validate_by_name=True, validate_by_alias=True)


class OneSeed(_Part):
    """The metrics of one training of an arm."""

    seed: int
    metrics: Metrics


class McNemar(_Part):
    """McNemar's mid-p test on the rows that only one arm gets right."""

    transfer_only: int
    control_only: int
    p_value: float


class CalibrationErrors(_Part):
    """How well probabilities fit what happened."""

    calibration_error: float | None = Field(
        None, description="Debiased, over bins of equal mass; null where there are too few test rows to tell."
    )
    brier: float
    nll: float = Field(description="Negative log-likelihood.")


class Calibration(_Part):
    """An arm's calibration on the test rows, before and after its temperature was fitted."""

    temperature: float | None = Field(None, description="Null without validation rows to fit it on.")
    before: CalibrationErrors
    after: CalibrationErrors | None = None


class ClassScores(_Part):
    """How well a class is found."""

    class_: str = Field(alias="class")
    precision: float
    recall: float
    f1: float
    support: int = Field(description="Its test rows.")


class Confusion(_Part):
    """Test rows by true class (row) and decided class (column)."""

    classes: list[str]
    transfer: list[list[int]]
    control: list[list[int]] | None = None


class TimeToThreshold(_Part):
    """Epochs until a share of the control's best is reached."""

    share: float
    threshold: float
    transfer: float | None = Field(None, description="Null if it is never reached.")
    control: float | None = Field(None, description="Null if it is never reached.")
    ratio: float | None = None


class Curves(_Part):
    """The validation metric by epoch, means over the seeds."""

    metric: str
    higher_is_better: bool
    transfer: list[float] | None = None
    control: list[float] | None = None
    jumpstart: float | None = Field(None, description="The gain at the first epoch.")
    asymptotic_gain: float | None = Field(None, description="The gain at the end.")
    area_ratio: float | None = Field(None, description="The area between the curves, of the control's.")
    time_to_threshold: list[TimeToThreshold] | None = None


class PointGain(_Part):
    """The gain at a point of the few-shot curve."""

    value: float
    low: float = Field(description="With the other points in mind.")
    high: float
    p_value: float | None = Field(None, description="Corrected for their number by Holm's method.")
    comparisons: int | None = Field(None, description="How many there are.")


class FewShotPoint(_Part):
    """Both arms on a part of the train rows."""

    per_class: int | None = Field(None, description="Rows of each class; null: all.")
    rows: int
    transfer: float | None = None
    control: float | None = None
    gain: PointGain | None = None


class FewShot(_Part):
    """What fewer labelled rows come to."""

    points: list[FewShotPoint]
    labels_saved: int | None = Field(
        None, description="Labelled rows that the transfer needs fewer than the control; null if unknown."
    )
    comparisons: int | None = Field(None, description="How many of them are compared.")
    note: str | None = Field(None, description="What the points do not say.")


class Ablation(GainView):
    """The gain over a further arm, corrected for the number of them."""

    p_value: float | None = Field(None, description="By Holm's method.")
    comparisons: int | None = Field(None, description="How many there are.")


class Evaluated(_Part):
    """What the test rows, or the folds, said of all arms."""

    metrics: dict[str, Metrics] = Field(default={}, description="By arm, means over the seeds.")
    gain: GainView | None = None
    verdict: Literal["helped", "no difference", "hurt"] | None = None
    verdict_details: list[str] = Field(default=[])
    reason: str = ""
    arms: dict[str, list[OneSeed]] = Field(default={}, description="By arm, the metrics of each seed.")
    ablations: dict[str, Ablation] = Field(
        default={}, description="The gain of the transfer over each further arm."
    )
    ablations_reason: str | None = Field(None, description="What they say together, in a sentence.")
    proof: Proof | None = Field(
        None, description="What verdict, gains and recommendation are worked out from."
    )
    rows_needed: int | None = Field(None, description="Test rows that would be enough for a verdict.")
    mcnemar: McNemar | None = None
    calibration: dict[str, Calibration] | None = Field(None, description="By arm, of the first seed.")
    classes: dict[str, list[ClassScores]] | None = Field(None, description="By arm, of the first seed.")
    confusion: Confusion | None = None
    curves: Curves | None = None
    few_shot: FewShot | None = None
    choices: dict[str, Choice] = Field(default={}, description="The learning rate of each arm.")
    control: Control | None = None
    baseline: Baseline | None = None
    versus_control: Versus | None = None
    versus_baseline: Versus | None = None
    recommendation: str | None = None
    recommendation_reason: str | None = None
    rows_seen: RowsSeen | None = None
    wrong_rows: WrongRows | None = Field(None, description="The rows that the transfer gets most wrong.")
    translations: Translations | None = Field(
        None, description="Of `pairs`: sentences that the transfer translates best, typically and worst."
    )
    doubtful_labels: DoubtfulLabels | None = Field(
        None, description="Rows whose labels are likely wrong; null without a baseline or folds to tell by."
    )
    cost: JobCost | None = None
