"""Files to upload: ten numeric features, a binary label, a column that says which rows train."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
from pyarrow import csv

FEATURES = tuple(f"x{number}" for number in range(10))
BLOCK_ROWS = 100_000


def write_split(path: Path, train: int, test: int, seed: int) -> Path:
    """A file of so many rows marked train and test, the label a noisy linear function of the features."""
    rows = _rows(np.random.default_rng(seed), train + test)
    split = pa.array(["train"] * train + ["test"] * test)
    csv.write_csv(rows.append_column("split", split), path)
    return path


def write_large(path: Path, size: int, seed: int = 0) -> Path:
    """A file of at least `size` bytes, no row twice."""
    rng = np.random.default_rng(seed)
    first = _rows(rng, BLOCK_ROWS)
    with path.open("wb") as file, csv.CSVWriter(file, first.schema) as writer:
        writer.write(first)
        while file.tell() < size:
            writer.write(_rows(rng, BLOCK_ROWS))
    return path


def _rows(rng: np.random.Generator, count: int) -> pa.Table:
    x = rng.standard_normal((count, len(FEATURES))).round(6)
    noise = rng.standard_normal(count)
    columns = {name: x[:, number] for number, name in enumerate(FEATURES)}
    return pa.table({**columns, "y": (x.sum(axis=1) + noise > 0).astype(np.int8)})
