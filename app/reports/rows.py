"""Rows that stand in a report: those that the model gets wrong, those whose label is doubted."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, Field

Label = str | float | list[str] | None


class ShownRow(BaseModel):
    """A row of the target."""

    row: int = Field(description="Its number in the data set, from 0.")
    label: Label
    inputs: dict[str, str | float | None] | None = Field(
        None, description="The first of them, long texts cut. Not of images."
    )
    thumbnail: str | None = Field(None, description="Of an image: a `data:` URI of at most 64 pixels a side.")


class ArmAnswer(BaseModel):
    """What an arm answers for a row."""

    answer: Label = Field(description="Class, labels or number; null where it is not finite.")
    probability: float | None = Field(description="Of the row's own class; null of labels and numbers.")
    loss: float | None = Field(description="Log loss, of numbers the squared error; null where not finite.")


class WrongRow(ShownRow):
    """With what each arm answers."""

    arms: dict[str, ArmAnswer]


class WrongRows(BaseModel):
    """Rows by the transfer's loss, the largest first."""

    measured: Literal["on the test rows", "in folds"] = Field(
        description="By the first seed's models, or by the means over the repeats of the folds."
    )
    rows: int = Field(description="How many there are; the file `wrong_rows` has all.")
    listed: list[WrongRow]


class ShownTranslation(BaseModel):
    """A sentence of the target, and how each arm translates it."""

    row: int = Field(description="Its number in the data set, from 0.")
    source: str = Field(description="A long text is cut.")
    target: str = Field(description="What the data set has for it.")
    answers: dict[str, str] = Field(description="By arm, of the first seed's model.")
    chrf: float = Field(description="Of the transfer's answer, 0 to 1.")


class Translations(BaseModel):
    """Test rows by the chrF of the transfer's answer."""

    rows: int = Field(description="How many there are; the file `predictions` has all.")
    signatures: dict[str, str] = Field(description="How `bleu` and `chrf` are made, as sacrebleu says it.")
    best: list[ShownTranslation]
    typical: list[ShownTranslation] = Field(description="Those about the median.")
    worst: list[ShownTranslation]


class DoubtfulLabel(ShownRow):
    """With what the models say that were not trained on it."""

    suggested: Label
    quality: float | None = Field(description="Of the label, from 0 to 1.")


class DoubtfulLabels(BaseModel):
    """Labels that are likely wrong, the worst first: by confident learning, of numbers by outliers."""

    arm: str = Field(description="Whose answers for rows it was not trained on they are doubted by.")
    candidate: str | None = Field(None, description="Of the baseline.")
    rows: int = Field(description="Labelled rows looked at, at most 20,000 but in folds of all arms.")
    doubtful: int = Field(description="How many are likely wrong; the file `doubtful_labels` has all.")
    listed: list[DoubtfulLabel]
