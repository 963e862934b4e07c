"""The key of a table's row: 64 bits that follow from its inputs alone, wherever and whenever they are read.

A cell's key follows from its value, a column's key of it from the column's name as well, and a row's key from
their sum, so that the columns' order does not matter, and a column that is not there equals one without
values. `docs/data-sets.md` defines all of them, with test vectors.
"""

from __future__ import annotations

from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
from xxhash import xxh3_64_intdigest

from app.datasets.reading.cells import text_of

Keys = npt.NDArray[np.uint64]

_NUMBER = r"^-?(0|[1-9]\d{0,14})(\.\d+)?([eE][+-]?\d{1,2})?$"
"""Text that is a number where a column holds numbers alone: no code that begins with a zero, and of no more
whole digits than a float tells apart."""
_AT_ONCE = 16_384  # values, of 128 KB: they stay in the processor's cache
_SHARED = 1_000_000  # rows from which on a second thread is worth its start
_TRUE, _FALSE = pa.array(["true", "yes", "t"]), pa.array(["false", "no", "f"])
_WORDS = pa.concat_arrays([_TRUE, _FALSE])


def mix(values: Keys) -> Keys:
    """Each value's 64 bits, spread over all 64: what splitmix64 answers in the state `values` (n,).

    Sebastiano Vigna's splitmix64.c, after Steele, Lea and Flood, "Fast splittable pseudorandom number
    generators", 2014. It maps the 64-bit values one to one.
    """
    z = values.copy()
    mix_in_place(z)
    return z


def mix_in_place(values: Keys) -> None:
    """Put `mix` of each value in its place: of millions of rows, another copy takes as long as the rest.

    Two threads share them then: at the end of a file, nothing else is left to do.
    """
    if len(values) < _SHARED:
        _mix_blocks(values)
        return
    half = len(values) // 2
    with ThreadPoolExecutor(1) as pool:
        other = pool.submit(_mix_blocks, values[half:])
        _mix_blocks(values[:half])
        other.result()


def _mix_blocks(values: Keys) -> None:
    for start in range(0, len(values), _AT_ONCE):
        _mix(values[start : start + _AT_ONCE])


def _mix(z: Keys) -> None:
    z += np.uint64(0x9E3779B97F4A7C15)
    high = z >> np.uint64(30)
    z ^= high
    z *= np.uint64(0xBF58476D1CE4E5B9)
    np.right_shift(z, np.uint64(27), out=high)
    z ^= high
    z *= np.uint64(0x94D049BB133111EB)
    np.right_shift(z, np.uint64(31), out=high)
    z ^= high


def distinct(keys: Keys) -> Keys:
    """The different ones in their order; several times as fast as `np.unique`, which hashes them."""
    ordered = np.sort(keys)
    new = np.ones(len(ordered), bool)
    np.not_equal(ordered[1:], ordered[:-1], out=new[1:])
    return ordered[new]


def count_distinct(keys: Keys) -> int:
    """How many different ones there are."""
    ordered = np.sort(keys)
    return int(np.count_nonzero(ordered[1:] != ordered[:-1])) + (len(ordered) > 0)


def text_key(text: str) -> int:
    """XXH3-64, seed 0, of the text in UTF-8."""
    return xxh3_64_intdigest(text.encode("utf-8", "surrogatepass"))


def text_keys(texts: pa.Array) -> Keys:
    """`text_key` of each, 0 where missing."""
    encoded = pc.cast(texts, pa.binary())
    if not texts.null_count:
        return np.fromiter(map(xxh3_64_intdigest, encoded.to_pylist()), np.uint64, len(texts))
    keys = np.zeros(len(texts), np.uint64)
    there = pc.is_valid(texts).to_numpy(zero_copy_only=False)
    keys[there] = np.fromiter(map(xxh3_64_intdigest, encoded.drop_null().to_pylist()), np.uint64)
    return keys


def cell_keys(values: pa.Array, *, single: bool = False) -> Keys:
    """The key of each cell, 0 where it is missing: uint64 (n,).

    Args:
        values: as `reading.cells.convert` or `table.read` give them. Numbers (float64) and booleans have
            `mix` of the float's bits; categories and dates, as timestamp[s] or as ISO 8601, have `text_key`.
            Text that is written as numbers or booleans are has their key, since one other cell among them
            makes the whole column categories.
        single: take numbers as float32 holds them, as networks do: 0.1 is equal in a file of floats and of
            doubles, or with nine digits and with seventeen.
    """
    if pa.types.is_string(values.type) or pa.types.is_timestamp(values.type):
        return _of_repeated(values, single)
    if pa.types.is_boolean(values.type):
        values = pc.cast(values, pa.float64())
    keys = mix(_bits(values, single))
    if values.null_count:
        keys[pc.is_null(values).to_numpy(zero_copy_only=False)] = 0
    return keys


def _bits(values: pa.Array, single: bool) -> Keys:
    """What lies in the memory of float64, whatever that is where a value is missing; -0.0 is 0.0."""
    floats = _floats(values)
    if single:
        with np.errstate(over="ignore", invalid="ignore"):  # beyond float32, and whatever stands at a null
            floats = floats.astype(np.float32).astype(np.float64)
    return (floats + 0.0).view(np.uint64)


def _floats(values: pa.Array) -> npt.NDArray[np.float64]:
    return np.frombuffer(values.buffers()[1], np.float64, len(values), 8 * values.offset)


def _of_repeated(values: pa.Array, single: bool) -> Keys:
    known = pc.dictionary_encode(values)
    of_known = _of_texts(text_of(known.dictionary), single)
    if not known.indices.null_count:
        places = known.indices.to_numpy()
    else:
        of_known = np.append(of_known, np.uint64(0))
        places = pc.fill_null(known.indices, len(of_known) - 1).to_numpy()
    keys: Keys = of_known[places]
    return keys


def _of_texts(texts: pa.Array, single: bool) -> Keys:
    keys = text_keys(texts)
    numbers = pc.match_substring_regex(texts, _NUMBER)
    if pc.any(numbers).as_py():
        where = numbers.to_numpy(zero_copy_only=False)
        keys[where] = mix(_bits(pc.cast(texts.filter(numbers), pa.float64()), single))
    words = pc.ascii_lower(texts)
    if pc.any(pc.is_in(words, _WORDS)).as_py():
        for meant, value in ((_TRUE, 1.0), (_FALSE, 0.0)):
            said = pc.is_in(words, meant).to_numpy(zero_copy_only=False)
            keys[said] = mix(np.array([value]).view(np.uint64))
    return keys


def column_keys(name: str, cells: Keys) -> Keys:
    """What each cell of the column adds to its row's key: 0 for a missing one.

    Args:
        cells: `cell_keys` of the column (n,).
    """
    keys = mix(cells ^ np.uint64(text_key(name)))
    keys[cells == 0] = 0
    return keys


def add_column(sums: Keys, name: str, values: pa.Array) -> None:
    """Add the `column_keys` of a column to the sums of its rows, in place; a pass does nothing more often."""
    if not pa.types.is_floating(values.type):
        sums += column_keys(name, cell_keys(values))
        return
    salt, floats = np.uint64(text_key(name)), _floats(values)
    there = pc.is_valid(values).to_numpy(zero_copy_only=False) if values.null_count else None
    for start in range(0, len(sums), _AT_ONCE):
        some = slice(start, start + _AT_ONCE)
        keys = (floats[some] + 0.0).view(np.uint64)
        _mix(keys)
        keys ^= salt
        _mix(keys)
        if there is not None:
            keys *= there[some]
        sums[some] += keys


def row_keys(columns: Iterable[Keys], rows: int) -> Keys:
    """The key of each row, from the `column_keys` of its columns in any order."""
    total = np.zeros(rows, np.uint64)
    for keys in columns:
        total += keys
    return mix(total)


def table_keys(table: pa.Table, columns: Iterable[str]) -> Keys:
    """The key of each row over these columns; one that the table lacks counts as missing."""
    there = [name for name in columns if name in table.column_names]
    return row_keys((column_keys(name, _of_column(table[name])) for name in there), table.num_rows)


def _of_column(column: Any) -> Keys:
    return np.concatenate([cell_keys(chunk) for chunk in column.chunks] or [np.zeros(0, np.uint64)])
