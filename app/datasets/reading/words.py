"""The words for kinds, types, roles, tasks and formats, and the base of all values that use them."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

Kind = Literal["tabular", "text", "image", "sequence", "pairs", "qa"]
ColumnType = Literal["number", "category", "boolean", "date", "text", "image", "nucleotide", "protein"]
Role = Literal["feature", "label", "split", "group", "time", "ignored"]
Task = Literal["binary", "multiclass", "multilabel", "regression", "seq2seq", "span"]
Format = Literal["csv", "tsv", "parquet", "jsonl", "zip", "fasta", "npz", "squad"]
Part = Literal["source", "target", "question", "context", "answers", "starts", "impossible", "title"]
"""What a column of sentence pairs or of questions holds."""
Physical = Literal[
    "integer", "number", "boolean", "text", "nothing",
    "integers", "numbers", "booleans", "texts", "nothings",
]  # fmt: skip

SPLITS = ("train", "validation", "test")
"""The parts of a data set; a row's part is kept as the place in here."""

KIND_OF: dict[ColumnType, Kind] = {
    "text": "text",
    "image": "image",
    "nucleotide": "sequence",
    "protein": "sequence",
}
"""The kind of data whose one input a column of this type is; every other type is a tabular column's."""

BETWEEN = "\ufdd0"
"""Between the items of a list, once they are one cell: a character that Unicode keeps for such uses."""

LISTS = "[]"
"""The separator of labels that are written as a list in one cell, such as `['a', 'b']`."""


class Model(BaseModel):
    """A value that is said, found or told of a data set: unknown fields are an error."""

    model_config = ConfigDict(extra="forbid")


ColumnName = Annotated[str, Field(min_length=1, max_length=1000)]
"""A column of the file, as it is asked for."""
