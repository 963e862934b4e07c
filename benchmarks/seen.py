"""How long it takes to find which of a million rows were seen before: the lineage check, file and all."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import pyarrow as pa

from app.datasets.partition.keys import table_keys
from app.datasets.partition.rows_file import RowFacts
from benchmarks.report import Line, ratio, seconds
from workers.trained_rows import DatasetRows, read
from workers.transfer.proof.rows_seen import overlap

ROWS = 1_000_000
NAMES = [f"column {number}" for number in range(20)]
OVERLAP = 100_000
MOST_SECONDS = 10.0


def measure(folder: Path, rounds: int) -> list[Line]:
    """CPU seconds, since other work beside it must not count; rows by their keys, and over shared columns."""
    target, source = _table(0), pa.concat_tables([_table(0).slice(ROWS - OVERLAP), _table(1).slice(OVERLAP)])
    cases = {"by key": [], "tables of 20 and 19 columns": NAMES}
    return [_measured(what, target, source, names, folder, rounds) for what, names in cases.items()]


def _measured(
    what: str, target: pa.Table, source: pa.Table, names: list[str], folder: Path, rounds: int
) -> Line:
    ours, theirs = (
        DatasetRows(of, RowFacts(np.zeros(ROWS, np.uint8), table_keys(of, NAMES)[:, None]), among)
        for of, among in ((target, names[1:]), (source, names))
    )
    path, check, plain = folder / "rows.parquet", [], []
    written = _cpu_seconds(partial(theirs.write, path, np.arange(ROWS)))
    for _ in range(rounds):
        check.append(_cpu_seconds(partial(_check, ours, path)))
        plain.append(_cpu_seconds(partial(np.isin, ours.facts.keys, theirs.facts.keys)))
    what = f"{what}: file of {path.stat().st_size / 2**20:.0f} MiB, written in {written:.2f} s"
    compared_to = f"np.isin of the keys: {seconds(plain)}"
    met = max(check) < MOST_SECONDS
    return Line(what, seconds(check), compared_to, ratio(check, plain), f"{MOST_SECONDS:.0f} s", met)


def _table(seed: int) -> pa.Table:
    """Every other column is a category of ten values."""
    rng = np.random.default_rng(seed)
    words = pa.array([f"word {number}" for number in range(10)])
    makers = (lambda: rng.normal(size=ROWS), lambda: words.take(pa.array(rng.integers(0, 10, ROWS))))
    return pa.table({name: makers[place % 2]() for place, name in enumerate(NAMES)})


def _check(target: DatasetRows, path: Path) -> None:
    found = overlap(target.known(), np.ones(ROWS, bool), read(path))
    if not np.array_equal(found.equal, np.arange(ROWS) >= ROWS - OVERLAP):
        raise RuntimeError(f"Expected the last {OVERLAP:,} rows. Received: {found.equal.sum():,} rows.")


def _cpu_seconds(do: Callable[[], object]) -> float:
    begun = time.process_time()
    do()
    return time.process_time() - begun
