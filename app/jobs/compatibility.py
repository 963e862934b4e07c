"""Whether a job can be run at all: asked before it is accepted, so that none fails for its data's shape."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel

from app.datasets.schema import Column, Description, Profile
from app.errors import ServiceError
from app.jobs.recipes import METRICS_OF_TASK, Mlp
from app.jobs.schemas import JobRequest


class Feature(BaseModel):
    """A column that a network reads."""

    name: str
    type: str


class Signature(BaseModel):
    """What a network reads and predicts; classes are empty for a regression."""

    columns: list[Feature]
    label: str
    task: str
    classes: list[str]


def features(description: Description) -> list[Column]:
    """The columns that are learnt from, in the file's order."""
    return [column for column in description.columns if column.role == "feature"]


def signature(description: Description) -> Signature:
    """What a network trained on this data reads and predicts."""
    return Signature(
        columns=[Feature(name=column.name, type=column.type) for column in features(description)],
        label=description.label,
        task=description.task,
        classes=description.classes,
    )


@dataclass(frozen=True)
class Examples:
    """A data set that a job is to train on."""

    description: Description
    profile: Profile


def check(
    request: JobRequest, network: Mlp, learnt: Signature, source: Examples | None, target: Examples
) -> None:
    """Raise a ServiceError (422) that names what does not fit.

    `learnt` is what the source's network reads; `source` its data, where the job trains it.
    """
    _same_columns(learnt, signature(target.description))
    if not network.preprocessing:
        for place, examples in (("source", source), ("target", target)):
            if examples is not None:
                _only_numbers(place, examples)
    _has_test_rows(target.description)
    _metric_fits(request, target.description)


def _same_columns(source: Signature, target: Signature) -> None:
    """Parameters are bound to the columns they were learnt on."""
    theirs = {column.name: column.type for column in source.columns}
    ours = {column.name: column.type for column in target.columns}
    errors: list[dict[str, Any]] = [
        {
            "column": name,
            "expected": f"{theirs.get(name, 'absent')}",
            "received": f"{ours.get(name, 'absent')}",
        }
        for name in sorted(theirs.keys() | ours.keys())
        if theirs.get(name) != ours.get(name)
    ]
    if errors:
        first = errors[0]
        message = (
            "Expected source and target with the same feature columns of the same types. "
            f"Received: column {first['column']} is {first['expected']} in the source "
            f"and {first['received']} in the target ({len(errors)} such columns)."
        )
        hint = "Upload one of them again with the other's columns; `types` declares a column's type."
        raise ServiceError(422, "columns_differ", message, hint=hint, errors=errors)


def _only_numbers(place: str, examples: Examples) -> None:
    for column in (column for column in examples.profile.columns if column.role == "feature"):
        if column.type not in ("number", "boolean") or column.missing:
            found = f"a {column.type} with {column.missing} missing values"
            message = (
                "Expected only numbers without missing values, since `network.preprocessing` is false. "
                f"Received: column {column.name} of the {place}, {found}."
            )
            raise ServiceError(422, "needs_preprocessing", message, hint="Leave `preprocessing` at true.")


def _has_test_rows(target: Description) -> None:
    rows = target.split.rows["test"]
    if rows < 2:
        message = f"Expected a target with at least 2 labelled test rows to measure on. Received: {rows}."
        hint = "Mark test rows in its split column, or upload it without one to have them drawn."
        raise ServiceError(422, "no_test_rows", message, hint=hint)


def _metric_fits(request: JobRequest, target: Description) -> None:
    metric = request.evaluation.metric
    if metric is not None and metric not in METRICS_OF_TASK[target.task]:
        known = ", ".join(sorted(METRICS_OF_TASK[target.task]))
        message = f"evaluation.metric: expected one of a {target.task} task: {known}. Received: {metric}."
        raise ServiceError(422, "metric_of_other_task", message, hint="Leave it out for the usual one.")
