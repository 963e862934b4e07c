"""The rows of a file that can be read, and those that cannot, some at a time."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from app.datasets.reading.errors import DatasetError
from app.datasets.reading.rows import Rows, RowsFile

ROWS_A_PIECE = {"tabular": 1024, "image": 32, "qa": 16}
"""Rows that are read and answered together; of other kinds `_ROWS_A_PIECE`."""
_ROWS_A_PIECE = 128

Piece = tuple[int, pa.RecordBatch]
"""Cells as they stand in the file, and the number of the first row, from 1."""


class FileRefused(Exception):
    """The file as a whole cannot be read by the model: it is none, or lacks a column."""

    def __init__(self, error: DatasetError) -> None:
        super().__init__(error.message)
        self.code, self.message = error.code, error.message
        self.hint = error.hint or "Post the prediction again with another file."


@dataclass(frozen=True)
class Refused:
    """A row that cannot be read: its number, from 1, and why."""

    row: int
    file: str | None
    column: str | None
    code: str
    expected: str
    received: str


def pieces(file: RowsFile, kind: str) -> Iterator[Piece]:
    """All rows of the file in its order, always cut at the same places.

    Raises:
        FileRefused: the file is broken somewhere.
    """
    most = ROWS_A_PIECE.get(kind, _ROWS_A_PIECE)
    try:
        for first, batch in file.cells():
            for start in range(0, batch.num_rows, most):
                yield first + start, batch.slice(start, most)
    except DatasetError as error:
        raise FileRefused(error) from error


def chunks(parts: Iterator[Piece], rows: int, most_bytes: int) -> Iterator[list[Piece]]:
    """Pieces together until they have so many rows, or bytes."""
    gathered: list[Piece] = []
    count = size = 0
    for first, batch in parts:
        gathered.append((first, batch))
        count, size = count + batch.num_rows, size + batch.nbytes
        if count >= rows or size >= most_bytes:
            yield gathered
            gathered, count, size = [], 0, 0
    if gathered:
        yield gathered


def read(
    file: RowsFile, piece: Piece, keep: Sequence[str], only: str | None = None
) -> tuple[Rows | None, list[int], list[Refused]]:
    """What can be read of a piece, the numbers of these rows, and the others.

    only: what the file is called, if it is the one row.
    """
    first, batch = piece
    if only is not None:
        position = batch.schema.get_field_index("file")
        batch = batch.set_column(position, "file", pa.array([only] * batch.num_rows))
    refused = _refused(file, first, batch)
    bad = {one.row for one in refused}
    good = [place for place in range(batch.num_rows) if first + place not in bad]
    if not good:
        return None, [], refused
    some = batch.take(pa.array(np.array(good, np.int64))) if bad else batch
    return file.read_batch(some, first, keep, again=True), [first + place for place in good], refused


def _refused(file: RowsFile, first: int, batch: pa.RecordBatch) -> list[Refused]:
    """The rows that cannot be read, found by halves: what a refusal names is only the first."""
    try:
        file.read_batch(batch, first)
    except DatasetError as error:
        if batch.num_rows == 1:
            return [_told(first, batch, error, is_of_files=file.is_of_files)]
        half = batch.num_rows // 2
        return [
            *_refused(file, first, batch.slice(0, half)),
            *_refused(file, first + half, batch.slice(half)),
        ]
    return []


def _told(row: int, batch: pa.RecordBatch, error: DatasetError, *, is_of_files: bool) -> Refused:
    about = error.errors[0] if error.errors else {}
    return Refused(
        row=row,
        file=batch["file"][0].as_py() if is_of_files else None,
        column=about.get("column"),
        code=error.code,
        expected=str(about.get("expected") or error.message),
        received=str(about.get("received") if about.get("received") is not None else "nothing"),
    )
