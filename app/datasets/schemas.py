"""What goes in and out of `/v1/datasets`."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, Field

from app.datasets.reading.schema import ColumnName, ColumnType, Declaration, Description, Notice, Profile
from app.references import Name
from app.texts import Metadata, NotJson, read_json


def _json(value: Any) -> Any:
    """Form fields are text; objects come as JSON in them."""
    if not isinstance(value, str):
        return value
    try:
        return read_json(value)
    except NotJson as error:
        raise ValueError(f"expected a JSON object, received {error}") from error


class DatasetForm(Declaration):
    """The fields beside the file. All are optional."""

    name: Name | None = Field(None, description="Default: the file name without its extension.")
    types: Annotated[dict[ColumnName, ColumnType], BeforeValidator(_json)] = Field(
        default_factory=dict,
        max_length=10_000,
        description='Declared column types as JSON, such as {"age": "number"}.',
    )
    metadata: Annotated[Metadata, BeforeValidator(_json)] = Field(
        default_factory=dict, description="Your own notes: a JSON object of at most 16 texts."
    )

    def declaration(self) -> Declaration:
        """What the file is said to be."""
        return Declaration.model_validate(self.model_dump(exclude={"name", "metadata"}))


class DatasetSummary(BaseModel):
    """A validated, immutable data set, without the parts that grow with its columns."""

    id: str = Field(examples=["ds_0199f0c2a7e13f0d9b5a6c7e8f01"])
    name: str = Field(examples=["source"])
    version: int
    ref: str = Field(
        description="`name@version`; use it wherever a data set is expected.", examples=["source@1"]
    )
    kind: str
    filename: str
    media_type: str
    sha256: str
    size: int = Field(description="Size of the uploaded file in bytes.")
    rows: int
    metadata: dict[str, str]
    created_at: datetime


class DatasetView(DatasetSummary):
    """A validated, immutable data set."""

    description: Description = Field(description="Columns, label, task and split: how the file is read.")
    profile: Profile
    warnings: list[Notice]


class DatasetList(BaseModel):
    """Data sets, newest first."""

    data: list[DatasetSummary]
    has_more: bool


class RowList(BaseModel):
    """The first rows of a data set, as the service reads them."""

    data: list[dict[str, Any]]
    has_more: bool = Field(description="Whether the data set has more rows; its content has all of them.")
