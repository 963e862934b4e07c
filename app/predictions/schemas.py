"""What goes in and out of `:predict`."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

_LARGEST_FLOAT = 1.7976931348623157e308

Text = Annotated[str, Field(max_length=100_000_000)]
Whole = Annotated[int, Field(ge=-(2**63), lt=2**63)]
Float = Annotated[float, Field(ge=-_LARGEST_FLOAT, le=_LARGEST_FLOAT)]

Instance = Annotated[
    dict[Annotated[str, Field(max_length=1000)], Text | bool | Whole | Float | None],
    Field(max_length=100_000),
]

MOST_INSTANCES = 10_000


class PredictRequest(BaseModel):
    """Rows as the model reads them."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={"examples": [{"instances": [{"a": 0.5, "b": None, "c": 0, "city": "rome"}]}]},
    )

    instances: list[Instance] = Field(
        min_length=1,
        max_length=MOST_INSTANCES,
        description="A row each, by the model's columns, see its `signature`; what is missing is null or "
        "left out, other columns are passed over. Texts and sequences as `text` and `sequence`, images as "
        "`image`, their file in base64. Numbers may be numbers, or text as in the data set's file.",
    )


class Prediction(BaseModel):
    """A row's answer: of one class `class`, of several labels `classes`, of numbers `value`, else `text`.

    Of questions also where the text stands in its context, and its score.
    """

    model_config = ConfigDict(populate_by_name=True)

    class_: str | None = Field(None, alias="class", description="The most probable class.")
    classes: list[str] | None = Field(None, description="Of several labels a row, those it has.")
    probabilities: dict[str, float] | None = Field(None, description="By class or label.")
    calibrated_probabilities: dict[str, float] | None = Field(
        None,
        description="The same at the temperature that was found on the validation rows: what the model says "
        "as often as it is right. Null where none was found.",
    )
    value: float | None = Field(None, description="In the label's unit.")
    text: str | None = Field(None, description="What a translation or a question is answered with.")
    start: int | None = Field(
        None, description="Of questions: where the answer begins in its context, in code points."
    )
    end: int | None = Field(None, description="Of questions: where it ends, behind its last code point.")
    score: float | None = Field(None, description="Of questions: the probability of this span, 0 to 1.")


class PredictionList(BaseModel):
    """Answers in the order of the rows."""

    version: str = Field(description="Which version answered.", examples=["grades@1"])
    predictions: list[Prediction] = Field(
        examples=[
            [
                {
                    "class": "pass",
                    "probabilities": {"fail": 0.08, "pass": 0.92},
                    "calibrated_probabilities": {"fail": 0.13, "pass": 0.87},
                }
            ]
        ]
    )


class PredictorProblem(BaseModel):
    """What the predictor says where it does not answer."""

    code: str
    message: str
    hint: str | None = None
    errors: list[dict[str, Any]] = []
