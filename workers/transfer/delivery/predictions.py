"""The predictions of every arm and seed on the test rows, as one table: what the proof is worked out from."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from workers.transfer.data import Array, Rows, Signature


def write_predictions(
    path: Path,
    signature: Signature,
    test: Rows,
    arms: Mapping[str, Sequence[tuple[int, Array]]],
    *,
    keys: Array,
    units: Array,
    seen: Array,
) -> None:
    """A Parquet file with one row a test row.

    `row`: its number in the data set, from 0; `key`: of its inputs, uint64; `unit`: rows with the same are
    drawn together; `seen`: left out, since something in the transfer was trained on it; `label`: the class's
    name, the number, or a list of names. Then for each arm and seed one column `arm/seed` of the numbers of a
    regression, or of the probabilities of the second class of two; of more classes, or of several labels, one
    column `arm/seed/class` each. `arms` holds (seed, predictions (n, k)) of each training.
    """
    columns: dict[str, pa.Array] = {
        "row": pa.array(test.numbers.astype(np.int64)),
        "key": pa.array(np.ascontiguousarray(keys)),
        "unit": pa.array(units.astype(np.int64)),
        "seen": pa.array(seen.astype(bool)),
        "label": pa.array(_labels(signature, test.targets)),
    }
    for arm, trainings in arms.items():
        for seed, p in trainings:
            columns |= dict(_columns(f"{arm}/{seed}", signature, p))
    pq.write_table(pa.table(columns), path)


def _columns(name: str, signature: Signature, p: Array) -> Iterator[tuple[str, pa.Array]]:
    p = p.reshape(len(p), -1)
    if signature.task in ("binary", "regression"):
        yield name, pa.array(np.ascontiguousarray(p[:, 0]))
        return
    for number, label in enumerate(signature.classes):
        yield f"{name}/{label}", pa.array(np.ascontiguousarray(p[:, number]))


def _labels(signature: Signature, targets: Array) -> list[str] | list[float] | list[list[str]]:
    if signature.task == "regression":
        return [float(value) for value in targets.reshape(-1)]
    if signature.task == "multilabel":
        return [[signature.classes[k] for k in np.flatnonzero(row > 0.5)] for row in targets]
    return [signature.classes[int(number)] for number in targets.reshape(-1)]
