"""How is a data set read, and which of its rows train, validate and test?"""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from .conventions import Conventions
from .words import BETWEEN, KIND_OF, ColumnType, Format, Kind, Model, Part, Physical, Role, Task


class Column(Model):
    """A column as it is read."""

    name: str
    type: ColumnType
    role: Role
    part: Part | None = Field(None, description="Of `pairs` and `qa`: what the column holds.")

    @property
    def input(self) -> str:
        """What a network calls it: its part, the kind of data where that is its one input, or its name."""
        return KIND_OF.get(self.type, self.name) if self.part is None else self.part


class Since(Model):
    """When the rows begin that validate and that test: dates as ISO 8601, numbers as they are."""

    validation: str = Field(description="The first that validates.", examples=["2024-10-01"])
    test: str = Field(description="The first that tests.", examples=["2024-11-15"])


class SplitPlan(Model):
    """How the parts were made: by a column's words, by time, or by hashes of groups or of the rows."""

    by: Literal["column", "time", "group", "key"] = Field(
        description="`column`: the words in it. `time`: the last rows test, those before validate, those "
        "without a time train. `group` and `key`: the hash of what stays together, and the seed."
    )
    column: str | None = Field(None, description="The column of words, times or groups.")
    since: Since | None = Field(None, description="By time: the first of the rows that validate and test.")
    seed: int = Field(description="As declared; by words and by time it decides nothing.")
    validation_fraction: float = Field(description="As declared; by words it decides nothing.")
    test_fraction: float = Field(description="As declared; by words it decides nothing.")
    rows: dict[str, int] = Field(description="Labelled rows in train, validation and test.")
    left_out: int = Field(
        0,
        description="Of pairs and questions: rows in no part, since a side is missing, or since they share a "
        "sentence or a context with one that is tested or validates.",
    )
    borrowed: int = Field(
        0,
        description="Rows that are not where hash and fractions put them, so that each class of three "
        "different rows or groups has one in each part, and every class trains.",
    )


class ReadOptions(Model):
    """How the bytes become cells. The fields that do not concern a format are None."""

    columns: list[str]
    ignored: list[str] = Field(default_factory=list, description="Columns that are not read.")
    unnamed: list[str] = Field(
        default_factory=list,
        description="CSV: columns that have no name in the header, as they are called here.",
    )
    headless: bool = Field(False, description="CSV: the file has no header; `columns` were declared.")
    nested: bool = Field(
        False, description="JSON lines and Parquet: objects in a row, whose columns are called `outer.inner`."
    )
    before: list[str] = Field(
        default_factory=list, description="CSV: the lines before the header, which are passed over."
    )
    compression: Literal["gzip"] | None = None
    encoding: str | None = None
    delimiter: str | None = None
    quote: str | None = Field(None, description="None where the file has no quotes.")
    physical: dict[str, Physical] | None = Field(None, description="JSON lines: the JSON type of each key.")
    pictures: bool = Field(False, description="Parquet: whether a column holds bytes.")
    lists: list[str] = Field(
        default_factory=list, description="JSON lines and Parquet: the columns that hold lists."
    )
    contents: Literal["images", "texts", "sequences"] | None = Field(
        None, description="Of an archive's files."
    )
    folders: list[Literal["split", "nothing", "label"]] | None = Field(
        None, description="What the folders of an archive's files say, from the outermost."
    )
    inside: str | None = Field(None, description="The folder of an archive that holds all of its files.")
    header: str | None = Field(None, description="FASTA: the rule that finds the label in a header.")
    letters: Literal["nucleotide", "protein"] | None = Field(
        None, description="What the endings of FASTA files say of their letters: .faa, or .fna and .ffn."
    )
    names: bool = Field(
        False, description="Whether labels are names as they stand: of folders, headers and arrays of text."
    )


class Reading(Model):
    """How the cells of a data set were read: what every later row is read by, such as one to predict."""

    kind: Kind = "tabular"
    format: Format
    options: ReadOptions
    conventions: Conventions
    exceptions: dict[str, Conventions] = Field(
        default_factory=dict, description="Columns that are written otherwise than the others."
    )
    columns: list[Column]
    label: str
    languages: dict[Part, str] = Field(
        default_factory=dict, description="Of `pairs` and `qa`: the language of a column's part, as was said."
    )

    @property
    def target(self) -> str:
        """What the label is called in the table that is read: in pairs and questions by its part."""
        parts = (column.part for column in self.columns if column.name == self.label)
        return next(filter(None, parts), self.label)

    @property
    def features(self) -> list[Column]:
        """The columns that are learnt from, in the file's order."""
        return [column for column in self.columns if column.role == "feature"]

    def conventions_of(self, column: str) -> Conventions:
        """How the cells of a column are written."""
        return self.exceptions.get(column, self.conventions)


class Description(Reading):
    """All that is needed to read the file again and to train on it.

    `classes` are sorted, by number where all are numbers; of a binary task the second is the positive one; of
    a multilabel task they are the labels; of a regression there are none.
    """

    task: Task
    classes: list[str]
    separator: str | None = Field(
        None, description="Between the labels of a row, in a multilabel task whose label holds no lists."
    )
    rows: int
    labelled_rows: int
    split: SplitPlan

    @property
    def between(self) -> str | None:
        """What stands between a row's labels as the format hands them on; None of a task of one label."""
        return BETWEEN if self.label in self.options.lists else self.separator

    @property
    def reading(self) -> Reading:
        """The part that reading other rows needs."""
        return Reading.model_validate(self.model_dump(include=set(Reading.model_fields)))
