"""What is kept of every row while a file goes by: its key, label, part, group and time, some numbers each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import TypeVar

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from app.datasets.inspection.columns import DISTINCT
from app.datasets.inspection.layout import Layout
from app.datasets.partition.keys import Keys, add_column, cell_keys, column_keys, mix_in_place, text_keys
from app.datasets.partition.parts import UNLABELLED, Classes, count_parts
from app.datasets.partition.shingles import Bytes
from app.datasets.reading.cells import text_of
from app.datasets.reading.splits_words import WORDS
from app.datasets.reading.words import SPLITS, Role

Scalar = TypeVar("Scalar", bound=np.generic)

SIGNED_ROWS = 1_000_000
"""Rows, from the first, that are compared with one another: in about 600 MB, and 10 s of images."""

NO_WORD = np.uint8(len(SPLITS))
"""In place of a part: what is no word for one."""
_UNLABELLED = np.int16(UNLABELLED)


class KeptRows:
    """Grows by the batches of a pass: some 30 bytes a row, and a signature of 80 of the first million."""

    def __init__(self, layout: Layout) -> None:
        self._layout = layout
        self._sums: list[Keys] = []  # of the columns that are surely learnt from, or the one input's keys
        self._signatures: list[Bytes] = []
        self._apart: dict[str, list[Keys]] = {}  # columns of which it turns out later
        self._labels: list[Keys] = []
        self._words: list[npt.NDArray[np.uint8]] = []
        self._groups: list[Keys] = []
        self._times: list[npt.NDArray[np.float64]] = []
        self._marks: dict[str, int] = {}
        self._mark_codes: list[npt.NDArray[np.int32]] = []
        self._mark_rows: list[npt.NDArray[np.int64]] = []
        self._of_numbers = False  # the labels
        self._rows = 0

    def add(
        self, values: Mapping[str, pa.Array], keys: Keys | None, signatures: Bytes | None, rows: int
    ) -> None:
        """Take in a batch: the values of each column; `keys` and `signatures` are those of the one input."""
        layout = self._layout
        self._sums.append(self._sum(values, rows) if keys is None else keys)
        if signatures is not None and self._rows < SIGNED_ROWS:
            self._signatures.append(signatures[: SIGNED_ROWS - self._rows])
        self._of_numbers |= pa.types.is_floating(values[layout.label].type)
        self._labels.append(_label_keys(values[layout.label]))
        if layout.split is not None:
            self._words.append(parts_of(values[layout.split]))
        if layout.group is not None:
            self._groups.append(cell_keys(values[layout.group]))
        if layout.time is not None:
            self._times.append(_instants(values[layout.time]))
        self._rows += rows

    def _sum(self, values: Mapping[str, pa.Array], rows: int) -> Keys:
        total, layout = np.zeros(rows, np.uint64), self._layout
        for name, cells in values.items():
            if name in (layout.label, layout.group, layout.time):
                continue
            if name == layout.split or layout.is_index(name):
                self._apart.setdefault(name, []).append(column_keys(name, cell_keys(cells)))
            elif cells.null_count < rows:
                add_column(total, name, cells)
        return total

    def add_marks(self, marks: pa.Array, rows: pa.Array) -> None:
        """Take in the single labels of a batch with several a row, and their rows in it; before `add`."""
        known = pc.dictionary_encode(marks)
        if len(self._marks) > DISTINCT:  # refused later
            return
        codes = [self._marks.setdefault(mark, len(self._marks)) for mark in known.dictionary.to_pylist()]
        self._mark_codes.append(np.array(codes, np.int32)[known.indices.to_numpy()])
        self._mark_rows.append(rows.to_numpy().astype(np.int64) + self._rows)

    def keys(self, roles: Mapping[str, Role]) -> Keys:
        """The key of each row, (n, 1), by the columns that turned out to be learnt from; to be asked once."""
        total = _joined(self._sums, np.uint64)
        self._sums.clear()
        if self._layout.input is not None:
            return total.reshape(-1, 1)
        for name, parts in self._apart.items():
            if roles.get(name) == "feature":
                total += _joined(parts, np.uint64)
        mix_in_place(total)
        return total.reshape(-1, 1)

    @property
    def signatures(self) -> Bytes | None:
        """Those by which examples are found to be nearly equal, zeros behind the first million: (n, s)."""
        if not self._signatures:
            return None
        found = np.zeros((self._rows, self._signatures[0].shape[1]), np.uint8)
        np.concatenate(self._signatures, out=found[: self.signed])
        return found

    @property
    def signed(self) -> int:
        """How many rows, from the first, have a signature where they have any."""
        return min(self._rows, SIGNED_ROWS)

    @cached_property
    def labels(self) -> Keys:
        """A hash of each row's label, 0 where it is missing: (n,)."""
        return _joined(self._labels, np.uint64)

    @cached_property
    def words(self) -> npt.NDArray[np.uint8]:
        """What the column of split words says, the place in `SPLITS` (train where missing), or `NO_WORD`."""
        return _joined(self._words, np.uint8)

    @cached_property
    def groups(self) -> Keys:
        """The key of each row's group, 0 where it has none: (n,)."""
        return _joined(self._groups, np.uint64)

    @cached_property
    def times(self) -> npt.NDArray[np.float64]:
        """When each row was, in seconds since 1970 or as the number is; NaN where it is missing: (n,)."""
        return _joined(self._times, np.float64)

    def classes(self, names: list[str]) -> Classes:
        """The place of each row's label among the names of classes, -1 where it has none: (n,)."""
        if self._layout.separator is not None or not names:
            return _joined([_UNLABELLED * (labels == 0) for labels in self._labels], np.int16)
        keys = self._names(names)
        order = np.argsort(keys).astype(np.int16)
        ordered = keys[order]

        def places(labels: Keys) -> Classes:
            found = order[np.searchsorted(ordered, labels).clip(max=len(keys) - 1)]
            return np.where(labels == 0, _UNLABELLED, found)

        return _joined([places(labels) for labels in self._labels], np.int16)

    def _names(self, names: list[str]) -> Keys:
        """The hashes of rows with these classes as labels."""
        if self._of_numbers:
            return cell_keys(pa.array(map(float, names), pa.float64()))
        return text_keys(pa.array(names, pa.string()))

    def count(
        self, parts: npt.NDArray[np.uint8], classes: Classes, names: list[str]
    ) -> npt.NDArray[np.int64]:
        """How many rows of each class or label are in train, validation and test: (names, 3).

        Args:
            classes: what `classes` answers for these names.
        """
        if self._layout.separator is not None:
            places = {name: place for place, name in enumerate(names)}
            of_code = np.array([places.get(mark, UNLABELLED) for mark in self._marks], np.int16)
            classes = of_code[_joined(self._mark_codes, np.int32)]
            parts = parts[_joined(self._mark_rows, np.int64)]
        counts = count_parts(parts, classes)
        more = np.zeros((max(len(names) - len(counts), 0), counts.shape[1]), np.int64)
        return np.concatenate([counts, more])


def _joined(parts: Sequence[npt.NDArray[Scalar]], of: type[Scalar]) -> npt.NDArray[Scalar]:
    return np.concatenate(parts) if parts else np.zeros(0, of)


def _label_keys(labels: pa.Array) -> Keys:
    """Texts as they are: 1 and 01 may be two classes."""
    if pa.types.is_floating(labels.type):
        return cell_keys(labels)
    known = pc.dictionary_encode(labels)
    keys = np.append(text_keys(text_of(known.dictionary)), np.uint64(0))
    hashes: Keys = keys[pc.fill_null(known.indices, len(keys) - 1).to_numpy()]
    return hashes


def parts_of(cells: pa.Array) -> npt.NDArray[np.uint8]:
    """The part that each cell of split words says, `NO_WORD` for another word, train where it is missing."""
    known = pc.dictionary_encode(text_of(cells))
    said = [WORDS.get(word.strip().lower()) for word in known.dictionary.to_pylist()]
    parts = np.array([NO_WORD if word is None else SPLITS.index(word) for word in said] + [0], np.uint8)
    of_cells: npt.NDArray[np.uint8] = parts[pc.fill_null(known.indices, len(said)).to_numpy()]
    return of_cells


def _instants(cells: pa.Array) -> npt.NDArray[np.float64]:
    if pa.types.is_string(cells.type):  # nothing there, or refused later
        return np.full(len(cells), np.nan)
    if pa.types.is_timestamp(cells.type):
        cells = pc.cast(cells, pa.int64())
    numbers = pc.fill_null(pc.cast(cells, pa.float64(), safe=False), float("nan"))
    instants: npt.NDArray[np.float64] = numbers.to_numpy()
    return instants
