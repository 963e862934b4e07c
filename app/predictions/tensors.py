"""Columns of the Open Inference Protocol as rows, and answers as its tensors."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from app.errors import field_problem
from app.models.signature import Signature
from app.predictions.schemas import MOST_INSTANCES

Datatype = Literal[
    "BOOL", "UINT8", "UINT16", "UINT32", "UINT64", "INT8", "INT16", "INT32", "INT64",
    "FP16", "FP32", "FP64", "BYTES",
]  # fmt: skip

_DATATYPES: Mapping[str, Datatype] = {"number": "FP64", "boolean": "BOOL"}
"""By a column's type; all others are text."""

Parameters = Annotated[
    dict[Annotated[str, Field(max_length=200)], Any], Field(max_length=100, description="By name.")
]


class _Part(BaseModel):
    """A part of a request, which has no fields but these."""

    model_config = ConfigDict(extra="forbid")


class InputTensor(_Part):
    """A column of all rows."""

    name: str = Field(max_length=1000, description="The column's, see the model's `inputs`.")
    shape: list[Annotated[int, Field(ge=0, le=MOST_INSTANCES)]] = Field(
        min_length=1, max_length=2, description="The number of rows; perhaps 1."
    )
    datatype: Datatype
    parameters: Parameters | None = Field(None, description="Passed over.")
    data: list[Any] = Field(
        max_length=MOST_INSTANCES,
        description="Row by row, flat or nested: numbers, text, true and false; null is missing. Images as "
        "BYTES, their file in base64.",
    )


class RequestedOutput(_Part):
    """An output that is asked for."""

    name: str = Field(max_length=200)
    parameters: Parameters | None = Field(None, description="Passed over.")


class InferRequest(_Part):
    """Rows as columns."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [
                {
                    "inputs": [
                        {"name": "a", "shape": [2, 1], "datatype": "FP64", "data": [0.5, -1.5]},
                        {"name": "city", "shape": [2, 1], "datatype": "BYTES", "data": ["rome", "oslo"]},
                    ]
                }
            ]
        },
    )

    id: str | None = Field(None, max_length=1000)
    parameters: Parameters | None = Field(None, description="Passed over.")
    inputs: list[InputTensor] = Field(min_length=1, max_length=100_000)
    outputs: list[RequestedOutput] | None = Field(None, max_length=100, description="By default all.")


class TensorMetadata(BaseModel):
    """A tensor that a model takes or answers; -1 is the number of rows."""

    name: str
    datatype: Datatype
    shape: list[int]


class OutputTensor(TensorMetadata):
    """What a model answers for all rows, flat, row by row."""

    data: list[Any]


def inputs_of(signature: Signature) -> list[TensorMetadata]:
    """What the model takes, a tensor a column."""
    return [
        TensorMetadata(name=one.name, datatype=_DATATYPES.get(one.type, "BYTES"), shape=[-1, 1])
        for one in signature.columns
    ]


def outputs_of(signature: Signature) -> list[TensorMetadata]:
    """What it answers. The columns of probabilities are in the order of `classes`."""
    count = len(signature.classes)
    if signature.task == "regression":
        return [TensorMetadata(name="value", datatype="FP64", shape=[-1])]
    if signature.task == "seq2seq":
        return [TensorMetadata(name="text", datatype="BYTES", shape=[-1])]
    if signature.task == "span":
        spans: list[tuple[str, Any]] = [
            ("text", "BYTES"),
            ("start", "INT64"),
            ("end", "INT64"),
            ("score", "FP64"),
        ]
        return [TensorMetadata(name=name, datatype=type_, shape=[-1]) for name, type_ in spans]
    several = signature.task == "multilabel"
    decided = ("is_label", "BOOL", [-1, count]) if several else ("class", "BYTES", [-1])
    told: list[tuple[str, Any, list[int]]] = [
        decided,
        ("probabilities", "FP64", [-1, count]),
        ("calibrated_probabilities", "FP64", [-1, count]),
        ("classes", "BYTES", [count]),
    ]
    return [TensorMetadata(name=name, datatype=type_, shape=shape) for name, type_, shape in told]


def rows_of(tensors: Sequence[InputTensor]) -> list[dict[str, Any]]:
    """The rows, an object each as `:predict` takes them.

    Raises:
        ServiceError: 422 where a tensor's data do not fill its shape, lengths differ, or a name comes twice.
    """
    columns: dict[str, list[Any]] = {}
    for number, tensor in enumerate(tensors):
        place = f"inputs[{number}]"
        values = list(_flat(tensor.data, f"{place}.data"))
        rows = tensor.shape[0]
        if not 0 < rows <= MOST_INSTANCES or tensor.shape[1:] not in ([], [1]):
            expected = f"the shape [rows] or [rows, 1], of at most {MOST_INSTANCES:,} rows"
            raise field_problem(f"{place}.shape", expected, str(tensor.shape))
        if len(values) != rows:
            raise field_problem(f"{place}.data", f"{rows:,} values, by the shape", f"{len(values):,}")
        if tensor.name in columns:
            raise field_problem(f"{place}.name", "each column once", tensor.name)
        if columns and rows != len(next(iter(columns.values()))):
            first = len(next(iter(columns.values())))
            raise field_problem(f"{place}.shape", f"{first:,} rows, as in inputs[0]", f"{rows:,}")
        columns[tensor.name] = values
    return [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]


def _flat(values: list[Any], place: str) -> Iterable[Any]:
    for value in values:
        if isinstance(value, list):
            yield from _flat(value, place)
        elif isinstance(value, float) and not math.isfinite(value):
            raise field_problem(place, "finite numbers, or null for what is missing", str(value))
        elif value is None or isinstance(value, str | int | float):
            yield value
        else:
            raise field_problem(place, "numbers, text, true, false or null", type(value).__name__)


def tensors_of(
    signature: Signature, answers: Sequence[Mapping[str, Any]], asked: Sequence[RequestedOutput] | None
) -> list[OutputTensor]:
    """The answers of `:predict` as tensors: those asked for, or all that there are.

    Raises:
        ServiceError: 422 where an output is asked for that the model has not, or twice.
    """
    known = {one.name: one for one in outputs_of(signature)}
    for number, one in enumerate(asked or []):
        if any(one.name == other.name for other in (asked or [])[:number]):
            raise field_problem(f"outputs[{number}].name", "each output once", one.name)
        if one.name not in known:
            raise field_problem(f"outputs[{number}].name", f"one of {', '.join(known)}", one.name)
    names = [one.name for one in asked] if asked else list(known)
    found = []
    for name in names:
        data = _data(name, signature.classes, answers)
        if data is None:
            continue  # no temperature was found
        shape = [len(answers) if size == -1 else size for size in known[name].shape]
        found.append(OutputTensor(name=name, datatype=known[name].datatype, shape=shape, data=data))
    return found


def _data(name: str, classes: Sequence[str], answers: Sequence[Mapping[str, Any]]) -> list[Any] | None:
    if name == "classes":
        return list(classes)
    if name == "is_label":
        told = [one["classes"] for one in answers]
        return [None if of is None else label in of for of in told for label in classes]
    if name in ("class", "value", "text", "start", "end", "score"):
        return [one[name] for one in answers]
    named = [one.get(name) for one in answers]
    if not any(named):
        return None
    return [None if of is None else of[label] for of in named for label in classes]
