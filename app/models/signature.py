"""What a network reads and predicts, as data sets, jobs and versions speak of it."""

from __future__ import annotations

from pydantic import BaseModel, Field

from app.datasets.reading.description import Column, Description


class Feature(BaseModel):
    """A column that a network reads."""

    name: str
    type: str
    key: str | None = Field(
        None, description="What Keras calls the input: the name, unless a Keras input cannot be called so."
    )


class Signature(BaseModel):
    """What a network reads and predicts; classes are empty for a regression."""

    columns: list[Feature]
    label: str
    task: str
    classes: list[str]


class Backbone(BaseModel):
    """The shape of a network's middle part."""

    layers: int = Field(0, description="Those with weights.")
    blocks: int = Field(0, description="Those that follow one another, networks inside of it counted as one.")
    in_sequence: bool = Field(True, description="Whether they follow one another; else it branches.")


def features(description: Description) -> list[Column]:
    """The columns that are learnt from, in the file's order."""
    return [column for column in description.columns if column.role == "feature"]


def signature(description: Description) -> Signature:
    """What a network trained on this data reads and predicts."""
    return Signature(
        columns=[Feature(name=column.input, type=column.type) for column in features(description)],
        label=description.target,
        task=description.task,
        classes=description.classes,
    )


def of_preset(target: Description) -> Signature:
    """What a pretrained backbone reads: the target's kind of input; it predicts nothing yet."""
    read = [Feature(name=column.input, type=column.type) for column in features(target)]
    return Signature(columns=read, label=target.target, task="none", classes=[])
