"""Arrow columns to the arrays a network takes. A bundle carries this file: it imports nothing of ours."""

from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

Array = npt.NDArray[Any]

LARGEST_NUMBER = 1e18
"""Numbers are clipped to ± this, so that their float32 squares stay finite."""


def values(column: pa.ChunkedArray, column_type: str) -> Array:
    """One column (n,): number and boolean float32, NaN for missing; image objects that have the buffer of the
    encoded file; all else objects of str, "" for missing."""
    if column_type in ("number", "boolean"):
        return numbers(column)
    if column_type == "image":
        return _buffers(column)
    return np.asarray(pc.fill_null(column.cast(pa.string()), "").to_numpy(), dtype=object)


def numbers(column: pa.ChunkedArray) -> Array:
    """Numbers as float32, clipped, NaN for null."""
    wide = pc.fill_null(column.cast(pa.float64()), float("nan")).to_numpy()
    clipped: Array = np.clip(wide, -LARGEST_NUMBER, LARGEST_NUMBER).astype(np.float32)
    return clipped


def _buffers(column: pa.ChunkedArray) -> Array:
    """Views of the bytes where they are, in memory or in a mapped file."""
    found = np.empty(len(column), dtype=object)
    for place, cell in enumerate(cell for chunk in column.chunks for cell in chunk):
        found[place] = cell.as_buffer()
    return found
