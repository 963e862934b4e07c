"""What was found in a file: statistics of its columns, and what the uploader should know."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from .description import Column, Description
from .words import Model


class Spread(Model):
    """How a measure of the examples is spread over the rows."""

    minimum: float
    median: float
    percentile_95: float
    maximum: float
    mean: float


class ValueCount(Model):
    """How often a value stands in a column."""

    value: str
    count: int


class ColumnProfile(Column):
    """A column's statistics over all rows, the missing cells aside.

    `distinct` is exact if `distinct_is_exact`, else there are at least so many: counting stops beyond 10,000
    values (or 4 MB of them) a column, sooner in files of more than 100 columns. `top` holds the 20 most
    frequent values; their counts are exact, but a value that first stood after the counting stopped is not
    among them. `standard_deviation` is the population's. `minimum` and `maximum` are numbers, or ISO 8601
    dates.

    Of texts `top` are words and `distinct` is the number of different words; of sequences they are the
    letters; of images the formats, sizes and modes.
    """

    missing: int
    distinct: int
    distinct_is_exact: bool = True
    minimum: float | str | None = None
    maximum: float | str | None = None
    mean: float | None = None
    standard_deviation: float | None = None
    top: list[ValueCount] = Field(default_factory=list)
    measures: dict[str, Spread] = Field(
        default_factory=dict,
        description="Characters and words of texts, letters of sequences, width, height and bytes of images.",
    )
    alphabet: Literal["dna", "rna", "protein"] | None = Field(None, description="Of sequences.")
    tokens: Literal["words", "characters"] | None = Field(
        None, description="Of texts: what they are cut into by default, characters in writing without blanks."
    )


class Notice(Model):
    """Something the uploader should know; it refuses nothing.

    `rows` are a few of the rows concerned, counted from 1.
    """

    code: str
    column: str | None = None
    rows: list[int] | None = None
    message: str
    send: dict[str, str] | None = Field(
        None, description="Fields that settle it, as they are sent with the file; the message has them, too."
    )


class Profile(Model):
    """Statistics of the whole file."""

    rows: int
    bytes: int
    missing_cells: int
    duplicate_rows: int = Field(description="Rows with input and label of an earlier one.")
    near_duplicates: int | None = Field(
        None, description="Texts, images or sequences that nearly repeat an earlier one; null of a table."
    )
    near_duplicates_searched: int | None = Field(
        None, description="Rows, from the first, that were compared to find them; later ones were not."
    )
    columns: list[ColumnProfile]
    classes: list[ValueCount] = Field(description="Rows of each class or label; empty for a regression.")


class Inspection(Model):
    """The outcome for a file that is accepted."""

    description: Description
    profile: Profile
    warnings: list[Notice]
    preview: list[dict[str, Any]] = Field(description="The first 100 rows, long cells cut.")
