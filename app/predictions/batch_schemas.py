"""What goes in and out of `/v1/predictions`."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field
from pydantic.config import JsonDict

from app.datasets.reading.description import Reading
from app.datasets.reading.words import ColumnName, Format
from app.jobs.recipe import Recipe
from app.jobs.schemas import JobCommon, WorkRequest
from app.references import Reference

EXAMPLE: JsonDict = {"model": "grades@champion", "dataset": "target", "keep": ["id"]}

FileFormat = Literal["csv", "jsonl", "parquet"]
ResultFormat = Literal["csv", "jsonl", "parquet", "refused"]

ANSWERS: tuple[FileFormat, ...] = ("csv", "jsonl", "parquet")


class BatchOptions(WorkRequest):
    """What is asked of a file's rows, whichever way it came."""

    model: Reference = Field(description="Id, name, `name@version` or `name@alias` of a model.")
    keep: Annotated[list[ColumnName], Field(max_length=1000)] | Literal["all"] = Field(
        default=[], description="Columns of the file that stand beside the answers, as they are written."
    )
    formats: list[FileFormat] = Field(
        list(ANSWERS), min_length=1, max_length=3, description="The files that are written."
    )


class BatchRequest(BatchOptions):
    """A model and the rows that it answers."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [EXAMPLE]})

    dataset: Reference = Field(
        description="Id, name or `name@version` of a data set of the kind that the model reads. Its label, "
        "if it has one, is passed over."
    )


class BatchSpec(Recipe):
    """A request with every reference filled in, as the workers run it."""

    version: str
    bundle: str = Field(description="The digest of the version's bundle.")
    dataset: str | None = Field(description="`name@version` of the data set; null of a file that was sent.")
    digest: str = Field(description="That of the rows' file.")
    filename: str
    format: Format | None = Field(None, description="Of a data set: what its file is.")
    like: Reading | None = Field(None, description="Of a data set: how its file is read.")
    keep: list[str] | Literal["all"]
    formats: list[FileFormat]


class ResultFile(BaseModel):
    """A file to download."""

    format: ResultFormat
    filename: str
    size: int
    sha256: str
    url: str


class BatchResult(BaseModel):
    """What became of the rows."""

    rows: int
    answered: int
    refused: int = Field(description="Rows that could not be read, listed in the file `refused`.")
    files: list[ResultFile]


class BatchView(JobCommon):
    """A file's predictions, a job of its own kind."""

    version: str = Field(description="Which version answers.", examples=["grades@1"])
    dataset: str | None = Field(description="`name@version`; null where a file was sent.")
    filename: str = Field(description="What the file with the rows is called.")
    keep: list[str] | Literal["all"]
    result: BatchResult | None


class BatchList(BaseModel):
    """Predictions of files, newest first."""

    data: list[BatchView]
    has_more: bool
