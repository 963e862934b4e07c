"""Two versions on the rows that both tested: they are found here, and compared by the predictor."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, Field
from sqlalchemy.orm import Session

from app.errors import ServiceError
from app.models import service as models
from app.predictions.predictor import Predictor, PredictorAway

_COMPARED = ("binary", "multiclass", "regression")


class Difference(BaseModel):
    """`b` less `a`; above zero, `b` is better. The interval is that of the test rows alone."""

    metric: str
    value: float
    low: float
    high: float
    confidence: float


class ComparedClass(BaseModel):
    """The share of a class's rows that each gets right."""

    class_: str = Field(alias="class")
    rows: int
    a: float
    b: float


class ChangedRow(BaseModel):
    """A row that the two answer otherwise; of numbers, one whose error changed most."""

    row: int = Field(description="Its number in the data set of `b`, from 0.")
    label: str | float
    a: str | float
    b: str | float


class ComparisonView(BaseModel):
    """Two versions on the same test rows."""

    a: str = Field(examples=["grades@1"])
    b: str = Field(examples=["grades@2"])
    matched_by: Literal["row", "inputs"] = Field(
        description="`row`: both have the same target. `inputs`: rows that stand once in each, by inputs."
    )
    rows: int = Field(description="Rows that both tested, and that nothing in either transfer had seen.")
    gain: Difference | None = Field(description="Null where the metric is undefined on these rows.")
    metrics: dict[str, dict[str, float | None]] = Field(description="By `a` and `b`, on these rows.")
    classes: list[ComparedClass]
    changed_rows: int = Field(0, description="Rows with another answer.")
    only_a_right: int = Field(0, description="Rows that `a` alone gets right; of numbers, nearer.")
    only_b_right: int = Field(0, description="Rows that `b` alone gets right; of numbers, nearer.")
    changed: list[ChangedRow] = Field(description="At most 100 of them, those that became worse first.")


def question(session: Session, workspace: str, a: str, b: str) -> dict[str, Any]:
    """What the predictor is asked about two versions, and what is answered of them besides.

    Raises:
        ServiceError: 404, 410; 409, they cannot be compared.
    """
    first, second = (models.usable(models.find_version(session, workspace, one)) for one in (a, b))
    one, other = models.signature(first), models.signature(second)
    refs = models.ref(first), models.ref(second)
    why = None
    if one.task != other.task or sorted(one.classes) != sorted(other.classes):
        why = "which predict other things"
    elif one.task not in _COMPARED:
        why = f"whose task is {one.task}"
    if why is not None:
        message = (
            "Expected two versions with the same classes and one answer a row. "
            f"Received: {' and '.join(refs)}, {why}."
        )
        raise ServiceError(409, "not_comparable", message, hint="Compare versions of one model.")
    digests = [models.find_artifact(session, workspace, ref, "predictions").digest for ref in refs]
    same = first.lineage["target"] == second.lineage["target"]
    return {
        "refs": refs,
        "a": digests[0],
        "b": digests[1],
        "task": one.task,
        "classes": one.classes,
        "metric": first.gain["metric"] if first.gain else None,
        "same_rows": same,
    }


def compare(predictor: Predictor, workspace: str, asked: dict[str, Any]) -> ComparisonView:
    """The answer to such a question.

    Raises:
        ServiceError: 503, no predictor answers, or it lacks a file; 500, it failed.
    """
    a, b = asked["refs"]
    try:
        status, body = predictor.compare(
            workspace, {name: of for name, of in asked.items() if name != "refs"}
        )
    except PredictorAway as away:
        message = f"Expected a predictor that answers. Received: {away}."
        raise ServiceError(503, "predictor_away", message, hint="Try again in a second.") from away
    if status == 200:
        matched = "row" if asked["same_rows"] else "inputs"
        return ComparisonView.model_validate({"a": a, "b": b, "matched_by": matched, **body})
    if status == 404:
        message = f"Expected the files of {a} and {b}. Received: none in the predictor's storage."
        raise ServiceError(503, "files_missing", message, hint="Its storage must be the API's.")
    message = f"Expected {a} and {b} to be compared. Received: an error of the predictor."
    raise ServiceError(500, "comparison_failed", message, hint="The predictor's log has the reason.")
