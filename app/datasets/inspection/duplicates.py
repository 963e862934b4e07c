"""Rows that are equal to an earlier one, found by 64-bit hashes of their values."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass, field

import pyarrow as pa
import pyarrow.compute as pc

SEARCHED_ROWS = 500_000  # remembered in about 50 MB
CONTRADICTIONS_SEARCHED = 100_000
_SHOWN = 5
_FACTOR = pa.scalar(-7046029254386353131, pa.int64())  # 2⁶⁴ / golden ratio, odd, as two's complement
_ABSENT = pa.scalar(0x5BF0_3635_DCE1_9A41, pa.int64())
_JOIN = "\x1f"


@dataclass
class Contradictions:
    """Rows whose input stood before under another label; `rows` are a few of both, from 1.

    Inputs and labels are any values that can be compared and hashed, such as hashes of them.
    """

    count: int = 0
    rows: list[int] = field(default_factory=list)
    _labels: dict[Hashable, tuple[Hashable, int]] = field(default_factory=dict)
    _searched: int = 0

    def add(self, inputs: Sequence[Hashable], labels: Sequence[Hashable | None]) -> None:
        """Take in the next rows; None is a row without a label."""
        for row, (value, label) in enumerate(zip(inputs, labels, strict=True), start=self._searched + 1):
            if label is None or value is None:
                continue
            first = self._labels.setdefault(value, (label, row))
            if first[0] != label:
                self.count += 1
                if len(self.rows) < _SHOWN - 1:
                    self.rows += [seen for seen in (first[1], row) if seen not in self.rows]
        self._searched += len(inputs)

    @property
    def telling(self) -> bool:
        """Whether inputs hardly repeat, so that the same under another label is no matter of chance."""
        return self.count > 0 and 2 * len(self._labels) >= self._searched


@dataclass
class Duplicates:
    """Counts duplicates among the first half million rows; `rows` are a few of them, from 1."""

    count: int = 0
    searched: int = 0
    rows: list[int] = field(default_factory=list)
    contradictions: Contradictions = field(default_factory=Contradictions)
    _seen: set[int] = field(default_factory=set)

    def add(self, inputs: list[pa.Array], others: list[pa.Array], labels: pa.Array) -> None:
        """Take in the next batch: the values of inputs, and those of others, the label's among them."""
        left = SEARCHED_ROWS - self.searched
        if left <= 0:
            return
        keys = row_hashes([column[:left] for column in inputs]) if inputs else None
        rest = [column[:left] for column in others]
        hashes = row_hashes(rest if keys is None else [keys, *rest]).to_pylist()
        if len(set(hashes)) == len(hashes) and self._seen.isdisjoint(hashes):
            self._seen.update(hashes)
        else:
            self._add_singly(hashes)
        self.searched += len(hashes)
        if keys is not None and self.searched <= CONTRADICTIONS_SEARCHED:
            self.contradictions.add(keys.to_pylist(), labels[:left].to_pylist())

    def _add_singly(self, hashes: list[int]) -> None:
        for row, value in enumerate(hashes, start=self.searched + 1):
            if value in self._seen:
                self.count += 1
                if len(self.rows) < _SHOWN:
                    self.rows.append(row)
            self._seen.add(value)


def row_hashes(columns: list[pa.Array]) -> pa.Array:
    """One int64 a row. Texts are hashed by Python, with its key of this process, all else by Arrow."""
    texts = [column for column in columns if pa.types.is_string(column.type)]
    numbers = [_bits(column) for column in columns if not pa.types.is_string(column.type)]
    return _mix([_text_hashes(texts), *numbers] if texts else numbers)


def _bits(values: pa.Array) -> pa.Array:
    if pa.types.is_floating(values.type):
        bits = pc.add(values, 0.0).view(pa.int64())  # + 0.0: -0.0 is equal to 0.0
    elif pa.types.is_boolean(values.type):
        bits = pc.cast(values, pa.int64())
    else:
        bits = values.view(pa.int64())
    return pc.fill_null(bits, _ABSENT) if bits.null_count else bits


def _text_hashes(texts: list[pa.Array]) -> pa.Array:
    joined = pc.binary_join_element_wise(*texts, _JOIN, null_handling="replace", null_replacement="\0")
    return pa.array([hash(text) for text in joined.to_pylist()], pa.int64())


def _mix(columns: Iterable[pa.Array]) -> pa.Array:
    total: pa.Array | None = None
    for column in columns:
        total = column if total is None else pc.bit_wise_xor(total, column)
        total = pc.multiply(total, _FACTOR)
        total = pc.bit_wise_xor(total, pc.shift_right(total, 29))
    return total
