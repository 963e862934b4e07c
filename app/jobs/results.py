"""What a job came to: the verdict, the gain, and which rows had been seen before."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, Field


class GainView(BaseModel):
    """Transfer minus control on the test rows; above zero, the transfer is better."""

    metric: str
    value: float
    low: float
    high: float
    confidence: float
    transfer: float
    control: float
    rows: int = Field(description="Test rows on which both were measured.")
    draws: int = Field(description="Bootstrap draws on which the metric is defined.")
    seeds: int = Field(1, description="Trainings of each that were measured, one for each seed.")


class DatasetOverlap(BaseModel):
    """Rows of the target among those of a data set that something in the transfer was trained on."""

    dataset: str = Field(description="Whose rows they are; it may be deleted.", examples=["source@1"])
    rows: int = Field(description="Its rows that something was trained or validated on.")
    test: int = Field(description="Test rows of the target among them.")
    validation: int = Field(description="Validation rows of the target among them.")
    near: int = Field(description="Of both, rows that are not equal, but nearly so.")
    overlap_not_tellable: bool = Field(
        description="Whether rows are equal, or could be, that may be so by chance, since rows repeat, are "
        "much alike, or few columns are shared. Such rows are not counted."
    )


class RowsSeen(BaseModel):
    """Rows of the target that something in the transfer was trained or validated on.

    The test rows among them are left out of every arm's comparison, and the validation rows choose nothing.
    """

    test: int = Field(description="Test rows that were left out.")
    test_rows: int = Field(description="Of so many.")
    validation: int = Field(description="Validation rows that were left out.")
    validation_rows: int = Field(description="Of so many.")
    datasets: list[DatasetOverlap] = Field(
        description="By data set: the source, what its version and its ancestors were trained on, what the "
        "teachers were, and the target itself where its unlabelled rows are used."
    )
    unknown: list[str] = Field(
        description="Presets, and versions without a record of their rows: what they were trained on is not "
        "known, so none of it is left out."
    )


class JobResult(BaseModel):
    """The result of a job that succeeded."""

    version: str = Field(examples=["grades@1"])
    verdict: Literal["helped", "no difference", "hurt"] | None = Field(
        description="Null if no control was trained, or if too few test rows were not seen before."
    )
    reason: str
    gain: GainView | None
    metrics: dict[str, dict[str, float | None]] = Field(
        examples=[{"transfer": {"accuracy": 0.91}, "control": {"accuracy": 0.78}}]
    )
    rows_seen: RowsSeen = Field(
        description="Rows of the target that something in the transfer was trained or validated on.",
        examples=[
            {
                "test": 4,
                "test_rows": 60,
                "validation": 7,
                "validation_rows": 60,
                "datasets": [
                    {
                        "dataset": "source@1",
                        "rows": 320,
                        "test": 4,
                        "validation": 7,
                        "near": 0,
                        "overlap_not_tellable": False,
                    }
                ],
                "unknown": [],
            }
        ],
    )
