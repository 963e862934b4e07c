"""What does the uploader say about a file? What is left out is found."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self, TypeVar

from pydantic import AfterValidator, Discriminator, Field, Tag, model_validator

from .conventions import MISSING, Conventions
from .date_formats import problem_of
from .words import ColumnName, ColumnType, Format, Kind, Model, Task

RULE = r"^((first word of )?key \S{1,80}|(field|word) -?[1-9]\d?|words [1-9]\d?|bracket|whole)$"
"""A place of the label in a header of FASTA, see `formats/headers.py`."""


USUAL_LABELS = (("label", "target", "y", "class"), ("labels",))
"""Names of columns that are taken for the label; the second ones where none of the first is there."""


def _readable(date_format: str) -> str:
    if problem := problem_of(date_format):
        raise ValueError(f"expected a form of dates such as %d.%m.%Y, received {problem}")
    return date_format


def _with_empty(words: list[str]) -> list[str]:
    return ["", *(word.strip() for word in words if word.strip())]


def _of_all_or_some(value: Any) -> str:
    return "union-some" if isinstance(value, dict) else "union-all"


Word = Annotated[str, Field(max_length=200)]
"""A cell that means missing, or stands beside numbers."""

Words = Annotated[list[Word], Field(max_length=10_000)]
DecimalSign = Literal[".", ","]
ThousandsSign = Literal[",", ".", " ", "'", "_"]
Unit = Annotated[str, Field(min_length=1, max_length=20)]
DateFormat = Annotated[str, Field(min_length=2, max_length=40), AfterValidator(_readable)]

Language = Annotated[str, Field(pattern=r"^[A-Za-z]{2,3}([-_][A-Za-z0-9]{2,8})*$", max_length=35)]
"""A language as BCP 47 writes it: `en`, `pt-BR`, `zh-Hant`."""

Of = TypeVar("Of")
OfColumns = Annotated[
    Annotated[Of, Tag("union-all")]
    | Annotated[dict[ColumnName, Of], Field(max_length=10_000), Tag("union-some")],
    Discriminator(_of_all_or_some),
]
"""A convention of all columns, or of some by name."""


class Declaration(Model):
    """What the uploader says about a file. What is left out is found out, and reported."""

    format: Format | None = Field(None, description="By default found by the file's name, then its contents.")
    filename: str | None = Field(None, max_length=255, description="The name the file was uploaded under.")
    kind: Kind | None = Field(
        None,
        description="What an example is: a row of columns (`tabular`), a `text`, an `image`, a biological "
        "`sequence`, a sentence and its translation (`pairs`) or a question about a passage (`qa`). By "
        "default "
        "found in the file, and reported where it is a guess; pairs and questions in columns have to be "
        "declared.",
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
    columns: list[ColumnName] = Field(
        default_factory=list,
        max_length=10_000,
        description="CSV and TSV without a header line: the names of all columns, in their order.",
    )
    source: ColumnName | None = Field(
        None, description="Of `pairs`: the column of the sentences that are translated, by default `source`."
    )
    target: ColumnName | None = Field(
        None, description="Of `pairs`: the column of their translations, by default `target`."
    )
    source_language: Language | None = Field(
        None, description="Of `pairs`, such as `de`: the sources' writing is held against it."
    )
    target_language: Language | None = Field(None, description="Of `pairs`: that of the translations.")
    question: ColumnName | None = Field(None, description="Of `qa`: by default the column `question`.")
    context: ColumnName | None = Field(
        None, description="Of `qa`: the column of the passages that answers stand in, by default `context`."
    )
    answer: ColumnName | None = Field(
        None, description="Of `qa`: by default `answer`, `answers` or `answer_text`; one text or a JSON list."
    )
    answer_start: ColumnName | None = Field(
        None,
        description="Of `qa`: where each answer begins in its context, in code points from 0; by default "
        "`answer_start`, if it is there. What is off by a few characters is mended and told.",
    )
    language: Language | None = Field(None, description="Of `qa`, such as `en`.")
    split: ColumnName | None = Field(
        None,
        description="The column that says train, validation or test. By default the column `split`, if it "
        "holds only these words (or val, valid, dev for validation).",
    )
    time: ColumnName | None = Field(
        None,
        description="The column of dates or numbers that says when each row was: the last rows test, those "
        "before them validate. It is not learnt from.",
    )
    group: ColumnName | None = Field(
        None,
        description="The column that says which rows belong together, such as a patient's: all of a group "
        "are in one part. It is not learnt from.",
    )
    seed: int = Field(
        0, ge=0, lt=2**63, description="Fixes which rows are in which part, without `split` and `time`."
    )
    validation_fraction: float = Field(
        0.15, gt=0, le=0.4, description="Of the rows, about; not with a column of split words."
    )
    test_fraction: float = Field(
        0.15, gt=0, le=0.4, description="Of the rows, about; not with a column of split words."
    )
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
    def _names_each_column_once(self) -> Self:
        told = [name for name in (self.split, self.time, self.group) if name is not None]
        if len(set(told)) < len(told):
            raise ValueError(
                "expected different columns as `split`, `time` and `group`, received one of them twice; "
                "leave one of the fields out"
            )
        return self

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
        total = self.validation_fraction + self.test_fraction
        if round(total, 9) > 0.6:  # 0.4 + 0.2 is 0.6000000000000001
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
