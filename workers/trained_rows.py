"""How are rows kept that a network was trained or validated on? By keys, without what is in them."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from app.datasets.partition.keys import cell_keys
from app.datasets.partition.rows_file import RowFacts
from workers.transfer.data import Array
from workers.transfer.proof.known_rows import KnownRows

_ROWS = 1 << 18
"""A row group: so many rows are held at a time while a file is written."""

_LOOKED_AT = 10_000
"""Rows that tell whether a column's cells repeat."""

_IDENTIFIER_ROWS = 20
"""Fewer cells differ by chance; an upload's notice `identifier` has the same number."""


@dataclass(frozen=True, eq=False)
class DatasetRows:
    """The rows of a data set as they are read: what tells them apart follows when it is asked for.

    features: the columns of a table by which its rows are told apart; none of other kinds.
    """

    table: pa.Table
    facts: RowFacts
    features: list[str]

    def known(self) -> KnownRows:
        """All rows."""
        cells = _TableCells(self.table, self.features)
        return KnownRows(self.facts.keys, self.facts.signatures, cells, frozenset(self._identifiers))

    @cached_property
    def _identifiers(self) -> list[str]:
        return [name for name in sorted(self.features) if _is_identifier(self.table[name])]

    def write(self, path: Path, numbers: Array) -> None:
        """Write a Parquet file of some rows, a group at a time: equal rows make equal bytes.

        It has `key` (`key_2` and so on), `signature` if the kind has one, and `cells_0` and so on of a
        table's columns in the order of their names, which are in the schema's metadata, since a name with a
        dot would be a path. `identifiers` there are names, too.
        """
        first = self._group(numbers[:_ROWS])
        repeating = [
            name for name in first.column_names if name.startswith("cells_") and _repeats(first[name])
        ]
        about = {"use_dictionary": repeating, "compression": "zstd", "write_statistics": False}
        with pq.ParquetWriter(path, first.schema, **about) as writer:
            writer.write_table(first)
            for start in range(_ROWS, len(numbers), _ROWS):
                writer.write_table(self._group(numbers[start : start + _ROWS]))

    def _group(self, numbers: Array) -> pa.Table:
        columns: dict[str, pa.Array] = {
            f"key_{number}" if number > 1 else "key": pa.array(keys[numbers])
            for number, keys in enumerate(self.facts.keys.T, start=1)
        }
        if self.facts.signatures is not None:
            signatures = self.facts.signatures[numbers]
            of_bytes, buffer = pa.binary(signatures.shape[1]), pa.py_buffer(signatures)
            columns["signature"] = pa.FixedSizeBinaryArray.from_buffers(
                of_bytes, len(numbers), [None, buffer]
            )
        cells = _TableCells(self.table.select(self.features).take(numbers), sorted(self.features))
        columns |= {f"cells_{place}": pa.array(of) for place, of in enumerate(cells.values())}
        about = {"columns": json.dumps(list(cells)), "identifiers": json.dumps(self._identifiers)}
        return pa.table(columns).replace_schema_metadata(about)


def _repeats(cells: pa.ChunkedArray) -> bool:
    some = cells[:_LOOKED_AT]
    return bool(2 * pc.count_distinct(some).as_py() < len(some))


def _is_identifier(column: pa.ChunkedArray) -> bool:
    """Whether no text or whole number comes twice, in 20 rows or more: those of one may number the rows."""
    is_number = pa.types.is_floating(column.type) or pa.types.is_integer(column.type)
    if not is_number and not pa.types.is_string(column.type) and not pa.types.is_large_string(column.type):
        return False
    for some in (column[:_LOOKED_AT].drop_null(), column.drop_null()):
        if len(some) < _IDENTIFIER_ROWS or pc.count_distinct(some).as_py() < len(some):
            return False
        if is_number and not pc.all(pc.equal(pc.floor(some), some)).as_py():
            return False
    return True


class _TableCells(Mapping[str, Array]):
    """The lower half of the key of each cell, numbers as float32: (n,) uint32 a column; 0 is a missing cell,
    and no other."""

    def __init__(self, table: pa.Table, names: Sequence[str]) -> None:
        self._table, self._names = table, names

    def __getitem__(self, name: str) -> Array:
        chunks = [cell_keys(chunk, single=True) for chunk in self._table[name].chunks]
        keys = np.concatenate(chunks or [np.zeros(0, np.uint64)])
        halves = keys.astype(np.uint32)
        halves[(halves == 0) & (keys != 0)] = 1
        return halves

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)


def read(path: Path) -> KnownRows:
    """What `DatasetRows.write` wrote; the cells of a table's column are read when it is asked for."""
    file = pq.ParquetFile(path)
    there = file.schema_arrow.names
    keys = file.read([name for name in there if name.startswith("key")])
    signatures = None
    if "signature" in there:
        whole = file.read(["signature"])["signature"].combine_chunks()
        width = whole.type.byte_width
        signatures = np.frombuffer(whole.buffers()[1], np.uint8, len(whole) * width, whole.offset * width)
        signatures = signatures.reshape(len(whole), width)
    names, identifiers = (json.loads(file.schema_arrow.metadata[of]) for of in (b"columns", b"identifiers"))
    key_columns = np.stack([of.to_numpy() for of in keys.columns], axis=1)
    return KnownRows(key_columns, signatures, _FileCells(file, names), frozenset(identifiers))


class _FileCells(Mapping[str, Array]):
    """The columns of a file, one in memory at a time."""

    def __init__(self, file: pq.ParquetFile, names: list[str]) -> None:
        self._file, self._places = file, {name: place for place, name in enumerate(names)}

    def __getitem__(self, name: str) -> Array:
        column = f"cells_{self._places[name]}"
        cells: Array = self._file.read([column])[column].to_numpy()
        return cells

    def __iter__(self) -> Iterator[str]:
        return iter(self._places)

    def __len__(self) -> int:
        return len(self._places)
