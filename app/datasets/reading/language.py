"""Sentence pairs and questions as they stand in batches of a described file."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from .cells import text_of, texts
from .description import Column
from .errors import DatasetError
from .spans import Span, find_span
from .words import Part

ANSWERS = pa.list_(pa.struct([("start", pa.int64()), ("end", pa.int64()), ("text", pa.string())]))
"""The answers of a question: `context[start:end] == text`, in code points; none of an impossible one."""

_TRUE = ("true", "1", "yes")


@dataclass(frozen=True)
class Asked:
    """A question as it stands in a row; None is missing. `answers` are texts and where they are said "
    "to begin."""

    question: str | None
    context: str | None
    answers: list[tuple[str, int | None]] | None
    is_impossible: bool


def read_text(cells: pa.Array) -> pa.Array:
    """Texts as they stand, null where there is nothing but blanks."""
    return texts(text_of(cells) if not pa.types.is_string(cells.type) else cells)


def asked(batch: pa.RecordBatch, names: dict[Part, str]) -> Iterator[Asked]:
    """The questions of a batch by the names of its columns.

    Raises:
        ValueError: what stands for answers or starts is none; its message says what was received.
    """
    cells = {
        part: _cells(batch, names.get(part))
        for part in ("question", "context", "answers", "starts", "impossible")
    }
    for question, context, answers, starts, impossible in zip(*cells.values(), strict=True):
        listed = _answers(answers)
        is_impossible = (impossible or "").strip().lower() in _TRUE
        if is_impossible or (listed is not None and not listed):
            yield Asked(question, context, [], True)
            continue
        begins = _starts(starts, len(listed or ()))
        pairs = None if listed is None else list(zip(listed, begins, strict=True))
        yield Asked(question, context, pairs, False)


def _cells(batch: pa.RecordBatch, name: str | None) -> list[str | None]:
    if name is None:
        return [None] * batch.num_rows
    values: list[str | None] = read_text(batch[name]).to_pylist()
    return values


def _answers(cell: str | None) -> list[str] | None:
    """The texts of a JSON list, or the one text that the cell is."""
    if cell is None:
        return None
    listed = _list(cell)
    if listed is None or not all(isinstance(item, str) for item in listed):
        return [cell]
    return listed


def _starts(cell: str | None, count: int) -> list[int | None]:
    if cell is None:
        return [None] * count
    listed = _list(cell)
    items = [cell] if listed is None else listed
    if len(items) != count:
        raise ValueError(f"{len(items)} starts of {count} answers, {cell[:80]}")
    return [None if item is None else _whole(item) for item in items]


def _list(cell: str) -> list[Any] | None:
    if not cell.lstrip().startswith("["):
        return None
    try:
        listed = json.loads(cell)
    except (ValueError, RecursionError):
        return None
    return listed if isinstance(listed, list) else None


def _whole(item: Any) -> int | None:
    try:
        number = float(item)
    except (TypeError, ValueError):
        raise ValueError(f"{str(item)[:80]!r} as where an answer begins") from None
    if not number.is_integer() or abs(number) > 2**53:
        raise ValueError(f"{str(item)[:80]!r} as where an answer begins")
    return None if number < 0 else int(number)


def spans_of(question: Asked) -> list[Span] | None:
    """The answers in the context; None where the row has none."""
    if question.answers is None or question.context is None:
        return None
    found = [find_span(question.context, text, start) for text, start in question.answers]
    return [span for span in found if span is not None]


def as_table(batch: pa.RecordBatch, columns: list[Column]) -> pa.RecordBatch:
    """The inputs and the label of a batch of pairs or questions, by their parts."""
    names: dict[Part, str] = {column.part: column.name for column in columns if column.part is not None}
    if "source" in names:
        sides = {part: read_text(batch[names[part]]) for part in ("source", "target")}
        return pa.record_batch(sides)
    rows = []
    try:
        for row in asked(batch, names):
            spans = spans_of(row)
            rows.append(
                None if spans is None else [{"start": s.start, "end": s.end, "text": s.text} for s in spans]
            )
    except ValueError as error:
        raise DatasetError("incomplete_question", f"Expected answers. Received: {error}.") from error
    inputs = {part: read_text(batch[names[part]]) for part in ("question", "context")}
    return pa.record_batch({**inputs, "answers": pa.array(rows, ANSWERS)})
