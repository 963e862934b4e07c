"""The network's answers for rows that were read, as a table: what `:predict` answers, a column each."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from app.datasets.reading.rows import Rows
from workers.batch.rows import ROWS_A_PIECE
from workers.predictor.answers import told
from workers.predictor.loading import Inputs, Loaded
from workers.transfer.data import Array
from workers.transfer.networks.inputs.pictures import decode

REFUSED = pa.schema(
    [("row", pa.int64()), *((n, pa.string()) for n in ("file", "column", "code", "expected", "received"))]
)


@dataclass(frozen=True)
class Layout:
    """The columns of the answers.

    row: its number in the file, from 1. file: where the rows are files. Kept columns, as text, under their
    names, or after `input_` where an answer is called so. prediction: the class, the value or the text; of
    several labels a list. Then the probability of each class, as the network says it and, where a temperature
    was found, calibrated.
    """

    has_files: bool
    kept: Sequence[str]
    output: Mapping[str, Any]

    @property
    def classes(self) -> list[str]:
        """Those that have a probability."""
        has_none = self.output["task"] in ("regression", "seq2seq", "span")
        return [] if has_none else list(self.output["classes"])

    @property
    def probabilities(self) -> list[tuple[str, str]]:
        """Which of an answer's parts have numbers by class, and how their columns begin."""
        named = [("probabilities", "probability_"), ("calibrated_probabilities", "calibrated_probability_")]
        return named[: 1 if self.output.get("temperature") is None else 2] if self.classes else []

    @property
    def said(self) -> str:
        """The part of an answer that is the prediction."""
        parts = {"regression": "value", "seq2seq": "text", "span": "text", "multilabel": "classes"}
        return parts.get(self.output["task"], "class")

    @property
    def places(self) -> list[tuple[str, pa.DataType]]:
        """Of spans: where each begins and ends in its context, and how sure the network is of it."""
        is_span = self.output["task"] == "span"
        return [("start", pa.int64()), ("end", pa.int64()), ("score", pa.float64())] if is_span else []

    @property
    def of_row(self) -> list[str]:
        """The columns before the kept ones."""
        return ["row", "file"] if self.has_files else ["row"]

    @property
    def of_answer(self) -> list[str]:
        """The columns after the kept ones."""
        chances = [start + name for _, start in self.probabilities for name in self.classes]
        return ["prediction", *chances, *(name for name, _ in self.places)]

    @property
    def of_kept(self) -> list[str]:
        """The names of kept columns in the files, none of them another's."""
        names: list[str] = []
        for name in self.kept:
            unlike = name
            while unlike in {*self.of_row, *self.of_answer, *names}:
                unlike = f"input_{unlike}"
            names.append(unlike)
        return names

    @property
    def schema(self) -> pa.Schema:
        """All columns with their types."""
        types = {"value": pa.float64(), "classes": pa.list_(pa.string())}
        texts = [*self.of_row[1:], *self.of_kept]
        answer = [("prediction", types.get(self.said, pa.string()))]
        answer += [(name, dict(self.places).get(name, pa.float64())) for name in self.of_answer[1:]]
        return pa.schema([("row", pa.int64()), *((name, pa.string()) for name in texts), *answer])


def table(loaded: Loaded, rows: Rows, numbers: Sequence[int], layout: Layout) -> pa.Table:
    """The answers for these rows."""
    contexts = loaded.contexts(loaded.arrays(rows.inputs)) if layout.places else []
    answers = told(_outputs(loaded, rows), layout.output, contexts)
    columns: list[Any] = [numbers]
    columns += [rows.files] if layout.has_files else []
    columns += [rows.kept[name] for name in layout.kept]
    columns.append([answer[layout.said] for answer in answers])
    for part, _ in layout.probabilities:
        # Null where the network's answer is not finite.
        columns += [[(answer[part] or {}).get(name) for answer in answers] for name in layout.classes]
    columns += [[answer[name] for answer in answers] for name, _ in layout.places]
    schema = layout.schema
    return pa.Table.from_arrays(
        [pa.array(column, field.type) for column, field in zip(columns, schema, strict=True)], schema=schema
    )


def _outputs(loaded: Loaded, rows: Rows) -> Array:
    inputs = loaded.arrays(rows.inputs)
    if "image" not in inputs:
        return loaded.answer(inputs)
    channels = int(loaded.about["inputs"][0]["channels"])
    return np.concatenate([loaded.answer(some) for some in _images(loaded, inputs["image"], channels)])


def _images(loaded: Loaded, files: Array, channels: int) -> Iterator[Inputs]:
    """Images of one size that follow each other, as many as one call takes."""
    group: list[Array] = []
    most = 1
    for data in files:
        pixels = decode(data, channels)
        if group and (group[0].shape != pixels.shape or len(group) >= most):
            yield {"image": np.stack(group)}
            group = []
        if not group:
            most = min(loaded.most_rows({"image": pixels[np.newaxis]}), ROWS_A_PIECE["image"])
        group.append(pixels)
    yield {"image": np.stack(group)}
