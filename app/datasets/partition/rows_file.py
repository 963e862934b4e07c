"""What is kept of each row beside its data set: one Parquet file, row i of it for row i of the data set."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from app.datasets.partition.keys import Keys

_ROWS = 1 << 20  # a row group


@dataclass(frozen=True, eq=False)
class RowFacts:
    """The part of each row, its place in `reading.words.SPLITS`, and what makes it equal or near to others.

    Attributes:
        parts: uint8 (n,).
        keys: uint64 (n, k), k of them a row: one of the four kinds of data.
        groups: uint64 (n,), equal for rows that stay together, where groups were declared.
        clusters: uint64 (n,), the smallest key of the rows that are nearly equal, if those were looked for.
        signatures: uint8 (n, s) by which near-duplicates are found, where the kind has one.
    """

    parts: npt.NDArray[np.uint8]
    keys: Keys
    groups: Keys | None = None
    clusters: Keys | None = None
    signatures: npt.NDArray[np.uint8] | None = None

    def __len__(self) -> int:
        return len(self.parts)


def write_rows_file(target: Path | Any, facts: RowFacts) -> None:
    """Write a Parquet file: `part`, `key` (`key_2` and so on), and `group`, `cluster`, `signature` if there.

    Equal facts make equal bytes.

    Args:
        target: a path, or a file of bytes that is open for writing.
    """
    columns: dict[str, pa.Array] = {"part": pa.array(facts.parts)}
    for number, keys in enumerate(facts.keys.T, start=1):
        columns["key" if number == 1 else f"key_{number}"] = pa.array(np.ascontiguousarray(keys))
    for name, values in (("group", facts.groups), ("cluster", facts.clusters)):
        if values is not None:
            columns[name] = pa.array(values)
    if facts.signatures is not None:
        rows, size = facts.signatures.shape
        buffer = pa.py_buffer(np.ascontiguousarray(facts.signatures))
        columns["signature"] = pa.FixedSizeBinaryArray.from_buffers(pa.binary(size), rows, [None, buffer])
    repeating = [name for name in ("part", "group") if name in columns]
    # Keys are as good as random: nothing makes them smaller. Signatures are zeros behind the first million.
    packed = {name: "none" if name.startswith("key") else "zstd" for name in columns}
    pq.write_table(
        pa.table(columns),
        target,
        row_group_size=_ROWS,
        use_dictionary=repeating,
        compression=packed,
        write_statistics=False,
    )


def read_rows_file(path: Path) -> RowFacts:
    """The facts that `write_rows_file` wrote."""
    table = pq.read_table(path, memory_map=True)
    names = [name for name in table.column_names if name == "key" or name.startswith("key_")]
    columns = {
        name: table[name].to_numpy() for name in table.column_names if name not in (*names, "signature")
    }
    signatures = None
    if "signature" in table.column_names:
        whole = table["signature"].combine_chunks()
        width = whole.type.byte_width
        signatures = np.frombuffer(whole.buffers()[1], np.uint8, len(whole) * width, whole.offset * width)
        signatures = signatures.reshape(len(whole), width)
    return RowFacts(
        parts=columns["part"],
        keys=np.stack([table[name].to_numpy() for name in names], axis=1),
        groups=columns.get("group"),
        clusters=columns.get("cluster"),
        signatures=signatures,
    )
