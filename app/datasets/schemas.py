"""What goes in and out of `/v1/datasets`."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, Field

from app.datasets.reading.conventions import MISSING
from app.datasets.reading.declaration import (
    DateFormat,
    DecimalSign,
    Declaration,
    OfColumns,
    ThousandsSign,
    Unit,
    Words,
)
from app.datasets.reading.description import Description
from app.datasets.reading.profile import Notice, Profile
from app.datasets.reading.words import ColumnName, ColumnType
from app.references import Name
from app.texts import Metadata, NotJson, read_json


def _texts(value: Any) -> Any:
    """Texts, each by itself or several as a JSON list, in the order they came."""
    if not isinstance(value, list):
        return value
    texts: list[Any] = []
    for given in value:
        listed = _read(given) if given.startswith("[") else None
        if listed is None and given.startswith('["'):
            raise ValueError("expected a JSON list, received one that does not end well")
        texts += listed if isinstance(listed, list) else [given]
    return texts


def _by_column(value: Any) -> Any:
    """One value of all columns, or JSON objects of values by column, which add up."""
    if not isinstance(value, list):
        return value
    objects = [_json(given) for given in value if given.startswith("{")]
    if len(objects) < len(value):
        if len(value) > 1:
            raise ValueError(f"expected one value, or JSON objects by column, received {len(value)} values")
        return value[0]
    return {column: of for one in objects for column, of in one.items()}


def _missing(value: Any) -> Any:
    is_by_column = isinstance(value, list) and any(given.startswith("{") for given in value)
    if not is_by_column:
        return _texts(value)
    return {column: [of] if isinstance(of, str) else of for column, of in _by_column(value).items()}


def _read(text: str) -> Any:
    try:
        return read_json(text)
    except NotJson:
        return None


def _json(value: Any) -> Any:
    """Form fields are text; objects come as JSON in them."""
    if not isinstance(value, str):
        return value
    try:
        return read_json(value)
    except NotJson as error:
        raise ValueError(f"expected a JSON object, received {error}") from error


REPEATABLE = ("types", "ignore", "columns", "missing", "decimal", "thousands", "unit", "date_format")
"""Fields that may come several times: their lists grow, their objects add up."""


class DatasetForm(Declaration):
    """The fields beside the file. All are optional."""

    name: Name | None = Field(None, description="Default: the file name without its extension.")
    types: Annotated[dict[ColumnName, Literal[ColumnType, "ignore"]], BeforeValidator(_by_column)] = Field(
        default_factory=dict,
        max_length=10_000,
        description='Types of columns as JSON, such as `{"age": "number", "id": "ignore"}`.',
    )
    ignore: Annotated[list[ColumnName], BeforeValidator(_texts)] = Field(
        default_factory=list,
        max_length=10_000,
        description="A column that is left out; several as fields of this name, or as a JSON list.",
    )
    columns: Annotated[list[ColumnName], BeforeValidator(_texts)] = Field(
        default_factory=list,
        max_length=10_000,
        description="CSV and TSV without a header line: the names of all columns, in their order, as fields "
        'of this name or as a JSON list, `["source", "target"]`.',
    )
    missing: Annotated[OfColumns[Words] | None, BeforeValidator(_missing)] = Field(
        None,
        description="A word that means missing; several as fields of this name or as a JSON list, "
        '`["-", "?"]`, by column as a JSON object, `{"age": ["-"]}`; `[]` is none. The empty cell is '
        f"always missing. By default in CSV and TSV {', '.join(MISSING[1:])}; in JSON lines and Parquet "
        "no word is.",
    )
    decimal: Annotated[OfColumns[DecimalSign] | None, BeforeValidator(_by_column)] = Field(
        None, description='The decimal sign of numbers, `.` or `,`, or by column, `{"price": ","}`.'
    )
    thousands: Annotated[OfColumns[ThousandsSign] | None, BeforeValidator(_by_column)] = Field(
        None,
        description="What stands between groups of three digits: `,`, `.`, `'`, `_` or a blank, or by "
        "column; by default nothing does.",
    )
    unit: Annotated[OfColumns[Unit] | None, BeforeValidator(_by_column)] = Field(
        None,
        description="What may stand before or after each number and is left out, such as `$`, `%` (12 % is "
        'then 12) or `kg`, or by column, `{"weight": "kg"}`.',
    )
    date_format: Annotated[OfColumns[DateFormat] | None, BeforeValidator(_by_column)] = Field(
        None,
        description="How dates are written that are not ISO 8601, such as `%d.%m.%Y` or `%m/%d/%Y`, or by "
        'column, `{"day": "%d.%m.%Y"}`; %Y %y %m %d %b %B %a %A %H %I %M %S %p %f %z are known.',
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

    data: list[Annotated[dict[str, Any], Field(description="A row: its cells by column.")]]
    has_more: bool = Field(description="Whether the data set has more rows; its content has all of them.")
