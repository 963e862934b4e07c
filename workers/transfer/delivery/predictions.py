"""The predictions of every arm and seed, as one table: what the proof is worked out from."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from workers.transfer.data import Array, Rows, Signature
from workers.transfer.tasks import OF_TEXTS


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
    column `arm/seed/class` each; where answers are texts, these. `arms` holds (seed, predictions (n, k), or
    texts (n,)) of each training.
    """
    columns = _facts(signature, test, keys, units, seen)
    for arm, trainings in arms.items():
        for seed, p in trainings:
            columns |= dict(_columns(f"{arm}/{seed}", signature, p))
    pq.write_table(pa.table(columns), path)


@dataclass(frozen=True, eq=False)
class Repeat:
    """One dealing of rows out to folds: the fold of each row, and each arm's answers to it.

    fold: (n,), below 0 of a row that is held out in none. answers: by arm (n, k), NaN for such rows.
    """

    fold: Array
    answers: Mapping[str, Array]


def write_out_of_fold(
    path: Path,
    signature: Signature,
    rows: Rows,
    repeats: Sequence[Repeat],
    *,
    keys: Array,
    units: Array,
    seen: Array,
    test: Mapping[str, Sequence[tuple[int, Array]]],
    tested: Array,
) -> None:
    """A Parquet file with one row a labelled row of a target that was cross-validated.

    Its first columns and the columns `arm/seed` are those of `write_predictions`, these null but in the rows
    of the stable test part, `tested` (n,) bool, in whose order `test` has them. Then for each repeat
    `repeat/0/fold`, null of a row that is held out in none, and `repeat/0/arm`, what the arm that was trained
    without that fold answered; of more classes, or of several labels, `repeat/0/arm/class`.
    """
    columns = _facts(signature, rows, keys, units, seen)
    for arm, trainings in test.items():
        for seed, p in trainings:
            columns |= {
                name: _spread(values, tested) for name, values in _columns(f"{arm}/{seed}", signature, p)
            }
    for number, repeat in enumerate(repeats):
        held_out = repeat.fold >= 0
        columns[f"repeat/{number}/fold"] = pa.array(repeat.fold.astype(np.int64), mask=~held_out)
        for arm, p in repeat.answers.items():
            columns |= {
                name: _spread(values, held_out)
                for name, values in _columns(f"repeat/{number}/{arm}", signature, p[held_out])
            }
    pq.write_table(pa.table(columns), path)


def _facts(signature: Signature, rows: Rows, keys: Array, units: Array, seen: Array) -> dict[str, pa.Array]:
    return {
        "row": pa.array(rows.numbers.astype(np.int64)),
        "key": pa.array(np.ascontiguousarray(keys)),
        "unit": pa.array(units.astype(np.int64)),
        "seen": pa.array(seen.astype(bool)),
        "label": pa.array(_labels(signature, rows.targets)),
    }


def _spread(values: pa.Array, places: Array) -> pa.Array:
    """The values at these places (n,) bool, null elsewhere."""
    indices = pa.array(np.cumsum(places) - 1, mask=~places)
    spread: pa.Array = values.take(indices)
    return spread


def _columns(name: str, signature: Signature, p: Array) -> Iterator[tuple[str, pa.Array]]:
    if signature.task in OF_TEXTS:
        yield name, pa.array(p.tolist(), pa.string())
        return
    p = p.reshape(len(p), -1)
    if signature.task in ("binary", "regression"):
        yield name, pa.array(np.ascontiguousarray(p[:, 0]))
        return
    for number, label in enumerate(signature.classes):
        yield f"{name}/{label}", pa.array(np.ascontiguousarray(p[:, number]))


def _labels(signature: Signature, targets: Array) -> list[str] | list[float] | list[list[str]]:
    if signature.task == "seq2seq":
        return [str(text) for text in targets]
    if signature.task == "span":
        return [[str(text) for _, text in answers] for answers in targets]
    if signature.task == "regression":
        return [float(value) for value in targets.reshape(-1)]
    if signature.task == "multilabel":
        return [[signature.classes[k] for k in np.flatnonzero(row > 0.5)] for row in targets]
    return [signature.classes[int(number)] for number in targets.reshape(-1)]
