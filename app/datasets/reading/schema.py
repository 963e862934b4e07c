"""What is said, found and told about a data set. Imports no pyarrow: the API process uses it."""

from __future__ import annotations

import json
import math
from typing import Annotated, Any, Literal, Self, TypeVar

from pydantic import AfterValidator, BaseModel, ConfigDict, Discriminator, Field, Tag, model_validator

from .date_formats import problem_of

Kind = Literal["tabular", "text", "image", "sequence"]
ColumnType = Literal["number", "category", "boolean", "date", "text", "image", "nucleotide", "protein"]
Role = Literal["feature", "label", "split", "ignored"]
Task = Literal["binary", "multiclass", "multilabel", "regression"]
Format = Literal["csv", "tsv", "parquet", "jsonl", "zip", "fasta", "npz"]
Physical = Literal[
    "integer", "number", "boolean", "text", "nothing",
    "integers", "numbers", "booleans", "texts", "nothings",
]  # fmt: skip

SPLITS = ("train", "validation", "test")

RULE = r"^((first word of )?key \S{1,80}|(field|word) -?[1-9]\d?|words [1-9]\d?|bracket|whole)$"
"""A place of the label in a header of FASTA, see `formats/headers.py`."""

USUAL_LABELS = (("label", "target", "y", "class"), ("labels",))
"""Names of columns that are taken for the label; the second ones where none of the first is there."""

BETWEEN = "\ufdd0"
"""Between the items of a list, once they are one cell: a character that Unicode keeps for such uses."""

LISTS = "[]"
"""The separator of labels that are written as a list in one cell, such as `['a', 'b']`."""

KIND_OF: dict[ColumnType, Kind] = {
    "text": "text",
    "image": "image",
    "nucleotide": "sequence",
    "protein": "sequence",
}
"""The kind of data whose one input a column of this type is; every other type is a tabular column's."""


MISSING = ("", "NA", "N/A", "n/a", "NaN", "nan", "null", "NULL", "None", "?", "<NA>", "#N/A")
"""What means missing where a format has text alone, unless something else is declared."""


def _readable(date_format: str) -> str:
    if problem := problem_of(date_format):
        raise ValueError(f"expected a form of dates such as %d.%m.%Y, received {problem}")
    return date_format


def _with_empty(words: list[str]) -> list[str]:
    return ["", *(word.strip() for word in words if word.strip())]


def _is_number(word: str) -> bool:
    try:
        return not math.isnan(float(word))
    except ValueError:
        return False


def _of_all_or_some(value: Any) -> str:
    return "union-some" if isinstance(value, dict) else "union-all"


class Model(BaseModel):
    """A value of this file: unknown fields are an error."""

    model_config = ConfigDict(extra="forbid")


ColumnName = Annotated[str, Field(min_length=1, max_length=1000)]
"""A column of the file, as it is asked for."""


Word = Annotated[str, Field(max_length=200)]
"""A cell that means missing, or stands beside numbers."""

Words = Annotated[list[Word], Field(max_length=10_000)]

DecimalSign = Literal[".", ","]
ThousandsSign = Literal[",", ".", " ", "'", "_"]
Unit = Annotated[str, Field(min_length=1, max_length=20)]
DateFormat = Annotated[str, Field(min_length=2, max_length=40), AfterValidator(_readable)]

Of = TypeVar("Of")
OfColumns = Annotated[
    Annotated[Of, Tag("union-all")]
    | Annotated[dict[ColumnName, Of], Field(max_length=10_000), Tag("union-some")],
    Discriminator(_of_all_or_some),
]
"""A convention of all columns, or of some by name."""


class Conventions(Model):
    """How written cells become values: what the uploader meant by them, whatever the format.

    Blanks of ASCII around a cell never count. What a format brings along typed is taken as it is.
    """

    missing: list[str] = Field(
        default_factory=lambda: [""], description="The exact words that mean missing; the empty text is one."
    )
    numbers: bool = Field(
        False, description="Whether text may turn out to be numbers; where they are declared, it always is."
    )
    decimal: Literal[".", ","] = Field(".", description="The decimal sign of numbers.")
    thousands: str | None = Field(None, description="What stands between groups of three digits.")
    unit: str | None = Field(
        None, description="What may stand before or after a number, such as $ or %, and is left out."
    )
    date_format: str | None = Field(None, description="Of dates that are not written as ISO 8601.")
    levels: tuple[int, int] | None = Field(
        None, description="Of images with 16 bits of grey: the values that become 0 and 255 of 8 bits."
    )

    @property
    def plain_numbers(self) -> bool:
        """Whether numbers are digits and a decimal sign alone, as CSV readers know them, none for missing."""
        return self.thousands is None and self.unit is None and not any(map(_is_number, self.missing))

    @classmethod
    def of(cls, file_format: Format) -> Self:
        """Those of a format: words mean missing, and text numbers, where a format has text alone."""
        if file_format in ("parquet", "jsonl"):
            return cls()
        return cls(missing=list(MISSING), numbers=True)


class Declaration(Model):
    """What the uploader says about a file. What is left out is found out, and reported."""

    format: Format | None = Field(None, description="By default found by the file's name, then its contents.")
    filename: str | None = Field(None, max_length=255, description="The name the file was uploaded under.")
    kind: Kind | None = Field(
        None,
        description="What an example is: a row of columns (`tabular`), a `text`, an `image` or a biological "
        "`sequence`. By default found in the file, and reported where it is a guess.",
    )
    input: ColumnName | None = Field(
        None,
        description="The column of the texts, images or sequences. By default the one called so, or the only "
        "one there is beside label and split.",
    )
    label: ColumnName | None = Field(
        None,
        description="By default the only column called label, target, y or class (any case), or else labels.",
    )
    task: Task | None = Field(
        None,
        description="By default inferred from the label's values. `multilabel`, several labels a row, is "
        "taken for granted where the label holds lists, and never a guess elsewhere.",
    )
    separator: str | None = Field(
        None,
        min_length=1,
        max_length=8,
        description="Of a multilabel task: what stands between the labels of a row, by default `|`. A cell "
        "of the separator alone is a row that has none of the labels; an empty cell is one nobody labelled. "
        "`[]` reads lists that are written as text, `['a', 'b']`.",
    )
    types: dict[ColumnName, Literal[ColumnType, "ignore"]] = Field(
        default_factory=dict, max_length=10_000, description="Types of columns by name, or `ignore`."
    )
    ignore: list[ColumnName] = Field(
        default_factory=list, max_length=10_000, description="Columns that are left out."
    )
    missing: OfColumns[Words] | None = Field(
        None,
        description="The words that mean missing, of all columns or of some; the empty cell always does. By "
        f"default in CSV and TSV {', '.join(MISSING[1:])}, and in JSON lines and Parquet no word.",
    )
    decimal: OfColumns[DecimalSign] | None = Field(
        None, description="The decimal sign of numbers, of all columns or of some; by default the point."
    )
    thousands: OfColumns[ThousandsSign] | None = Field(
        None, description="What stands between groups of three digits; by default nothing does."
    )
    unit: OfColumns[Unit] | None = Field(
        None,
        description="What may stand before or after each number and is left out, such as `$`, `%` (12 % is "
        "then 12) or `kg`.",
    )
    date_format: OfColumns[DateFormat] | None = Field(
        None,
        description="How dates are written that are not ISO 8601, such as `%d.%m.%Y`, `%m/%d/%Y` or "
        "`%Y-%m-%d %I:%M %p`; %Y %y %m %d %b %B %a %A %H %I %M %S %p %f %z are known.",
    )
    split: ColumnName | None = Field(
        None,
        description="The column that says train, validation or test, or a column of dates, of which the last "
        "test and those before them validate. By default the column `split`, if it holds only these words "
        "(or val, valid, dev for validation).",
    )
    seed: int = Field(0, ge=0, lt=2**63, description="Fixes the split of a file without a split column.")
    validation_fraction: float = Field(
        0.15, gt=0, le=0.4, description="Of each class, without a split column."
    )
    test_fraction: float = Field(0.15, gt=0, le=0.4, description="Of each class, without a split column.")
    unlabelled: bool = Field(
        False,
        description="Rows without a label are meant so, however many: for distillation and pseudo-labels.",
    )
    encoding: str | None = Field(
        None, max_length=40, description="By default UTF-8, UTF-16 or a guess, which is reported."
    )
    quote: Literal["double", "single", "none"] | None = Field(
        None,
        description="What cells of CSV and TSV are quoted with; by default found. `none` reads all as it is.",
    )
    delimiter: str | None = Field(
        None,
        min_length=1,
        max_length=1,
        pattern=r"^[\x01-\x7f]$",
        description="An ASCII character; by default the one of `, ; tab |` that fits.",
    )

    header: str | None = Field(
        None,
        max_length=100,
        pattern=RULE,
        description="FASTA: where each header says the label, by default found and reported: `key NAME` (the "
        "value of `NAME=`), `field N` (between `|`), `word N` (both from the end where N is negative), "
        "`words N` (all from the N-th on), `bracket` (what the last `[…]` holds) or `whole`.",
    )

    def may_be_label(self, name: str) -> bool:
        """Whether the column may turn out to be the label, as far as names tell."""
        usual = any(name.lower() in names for names in USUAL_LABELS)
        return usual if self.label is None else name == self.label

    @property
    def ignored(self) -> frozenset[str]:
        """The columns that are left out."""
        return frozenset(self.ignore) | {name for name, of in self.types.items() if of == "ignore"}

    @property
    def column_types(self) -> dict[str, ColumnType]:
        """The types that were declared, or follow from how a column's cells are said to be written."""
        types: dict[str, ColumnType] = {}
        for option in (self.decimal, self.thousands, self.unit):
            types |= dict.fromkeys(option, "number") if isinstance(option, dict) else {}
        types |= dict.fromkeys(self.date_format, "date") if isinstance(self.date_format, dict) else {}
        return types | {name: of for name, of in self.types.items() if of != "ignore"}

    def conventions(self, file_format: Format) -> tuple[Conventions, dict[str, Conventions]]:
        """How the cells are written, and those of columns that are written otherwise."""
        asked = {name: getattr(self, name) for name in ("decimal", "thousands", "unit", "date_format")}
        asked["missing"] = self.missing
        of_all = {name: value for name, value in asked.items() if value and not isinstance(value, dict)}
        if isinstance(self.missing, list):
            of_all["missing"] = _with_empty(self.missing)
        usual = Conventions.of(file_format).model_copy(update=of_all)
        others: dict[str, Conventions] = {}
        for name, values in asked.items():
            for column, value in values.items() if isinstance(values, dict) else ():
                changed = {name: _with_empty(value) if name == "missing" else value}
                others[column] = others.get(column, usual).model_copy(update=changed)
        return usual, others

    @model_validator(mode="after")
    def _tells_signs_apart(self) -> Self:
        usual, others = self.conventions("csv")
        for where, said in (("", usual), *((f" in {name}", said) for name, said in others.items())):
            if said.thousands == said.decimal:
                other = "," if said.decimal == "." else "."
                raise ValueError(
                    f"expected `decimal` and `thousands` to differ{where}, "
                    f"received {said.decimal!r} for both; declare `decimal` as {other!r} if that is what "
                    "stands before the fractions"
                )
        return self

    @model_validator(mode="after")
    def _leaves_rows_to_train_on(self) -> Self:
        # Up to 0.6 every class of 3 rows keeps at least one row to train on, whatever the rounding.
        if self.validation_fraction + self.test_fraction > 0.6:
            total = self.validation_fraction + self.test_fraction
            raise ValueError(
                f"expected validation_fraction + test_fraction of at most 0.6, received {total:g}"
            )
        return self

    @model_validator(mode="after")
    def _separates_labels_of_a_row(self) -> Self:
        if self.separator is not None and self.task != "multilabel":
            raise ValueError(
                "expected `separator` only with the task `multilabel`, "
                f"received it with {self.task or 'no declared task'}"
            )
        return self


class Limits(Model):
    """What one file may hold; more is refused."""

    entries: int = Field(1_000_000, description="Files in an archive.")
    unpacked_bytes: int = Field(50 << 30, description="Bytes of a file unpacked, images decoded.")
    unpacked_ratio: int = Field(200, description="Times its own size that a file may unpack to.")
    unpacked_freely: int = Field(256 << 20, description="Bytes up to which that ratio does not matter.")
    example_bytes: int = Field(64 << 20, description="Bytes of one image or text.")
    pixels: int = Field(64 << 20, description="Pixels of one image.")

    def unpacked_from(self, size: int) -> int:
        """The most bytes that a packed file of `size` bytes may hold."""
        return min(self.unpacked_bytes, self.in_proportion_to(size))

    def in_proportion_to(self, size: int) -> int:
        """The most bytes that work on a file of `size` bytes may make of it."""
        return max(self.unpacked_freely, self.unpacked_ratio * size)


class Column(Model):
    """A column as it is read."""

    name: str
    type: ColumnType
    role: Role

    @property
    def input(self) -> str:
        """What a network calls it: the kind of data where that is its one input, else the column's name."""
        return KIND_OF.get(self.type, self.name)


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


class DateSplit(Model):
    """The first dates, ISO 8601, of the rows that validate and that test; rows without one train."""

    validation: str
    test: str


class SplitPlan(Model):
    """Which labelled rows train, validate and test: by a column's words or dates, or drawn from the seed."""

    column: str | None
    dates: DateSplit | None = Field(None, description="Where the column holds dates.")
    seed: int
    validation_fraction: float
    test_fraction: float
    rows: dict[str, int] = Field(description="Labelled rows in train, validation and test.")


class ReadOptions(Model):
    """How the bytes become cells. The fields that do not concern a format are None."""

    columns: list[str]
    ignored: list[str] = Field(default_factory=list, description="Columns that are not read.")
    unnamed: list[str] = Field(
        default_factory=list,
        description="CSV: columns that have no name in the header, as they are called here.",
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


class Profile(Model):
    """Statistics of the whole file."""

    rows: int
    bytes: int
    missing_cells: int
    duplicate_rows: int
    duplicates_searched: int = Field(description="Rows, from the first, among which duplicates were counted.")
    columns: list[ColumnProfile]
    classes: list[ValueCount] = Field(description="Rows of each class or label; empty for a regression.")


class Inspection(Model):
    """The outcome for a file that is accepted."""

    description: Description
    profile: Profile
    warnings: list[Notice]
    preview: list[dict[str, Any]] = Field(description="The first 100 rows, long cells cut.")


def is_text(text: str) -> bool:
    """Whether it can be kept and answered: no NUL, no half of a surrogate pair."""
    if text.isascii():
        return "\0" not in text
    try:
        return b"\0" not in text.encode("utf-8")
    except UnicodeEncodeError:
        return False


def speakable(value: Any) -> Any:
    """Plain values as JSON answers can carry them, whatever was in the file that they quote."""
    if isinstance(value, str):
        plain = value if value.isascii() else value.encode("utf-8", "replace").decode("utf-8")
        return plain.replace("\0", "\ufffd")
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    if isinstance(value, dict):
        return {speakable(name): speakable(held) for name, held in value.items()}
    return [speakable(held) for held in value] if isinstance(value, list | tuple) else value


class DatasetError(Exception):
    """The file is refused.

    `errors` holds `{row, column, expected, received}` and, for CSV and JSON lines, `line` where it is known;
    `row` counts data rows from 1, `line` the lines of the file from 1.
    """

    def __init__(
        self, code: str, message: str, hint: str | None = None, errors: list[dict[str, Any]] | None = None
    ) -> None:
        super().__init__(speakable(message))
        self.code = code
        self.message: str = speakable(message)
        self.hint: str | None = speakable(hint)
        self.errors: list[dict[str, Any]] = speakable(errors or [])

    def to_json(self) -> str:
        """The error as JSON text."""
        return json.dumps(
            {"code": self.code, "message": self.message, "hint": self.hint, "errors": self.errors}
        )

    @classmethod
    def from_json(cls, text: str) -> Self:
        """The error that `to_json` wrote."""
        return cls(**json.loads(text))
