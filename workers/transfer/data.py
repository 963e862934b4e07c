"""Arrow table to the arrays a network takes: signature, rows, split."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal, Self

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

Array = npt.NDArray[Any]
ColumnType = Literal["number", "category", "boolean", "date", "text", "image", "nucleotide", "protein"]
Kind = Literal["tabular", "text", "image", "sequence"]
Task = Literal["binary", "multiclass", "multilabel", "regression"]

_KINDS: Mapping[str, Kind] = {
    "text": "text",
    "image": "image",
    "nucleotide": "sequence",
    "protein": "sequence",
}

LARGEST_NUMBER = 1e18
"""Inputs are clipped to ± this, so that their float32 squares stay finite."""


@dataclass(frozen=True)
class Column:
    """One input of a network: the column's name and type."""

    name: str
    type: ColumnType

    @property
    def is_numeric(self) -> bool:
        """True when the network takes the column as float32 with NaN for missing."""
        return self.type in ("number", "boolean")


@dataclass(frozen=True)
class Signature:
    """What a network takes and answers.

    `classes` names the classes in the order of the outputs; of a binary task the second is the positive
    one; of a multilabel task they are the labels; a regression has none.
    """

    columns: tuple[Column, ...]
    label: str
    task: Task
    classes: tuple[str, ...] = ()

    @property
    def kind(self) -> Kind:
        """The kind of data: that of the one input, or tabular."""
        return _KINDS.get(self.columns[0].type, "tabular")

    def to_dict(self) -> dict[str, Any]:
        """The signature as plain JSON values."""
        return {
            "columns": [{"name": column.name, "type": column.type} for column in self.columns],
            "label": self.label,
            "task": self.task,
            "classes": list(self.classes),
        }

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """The inverse of `to_dict`."""
        columns = tuple(Column(column["name"], column["type"]) for column in values["columns"])
        return cls(columns, values["label"], values["task"], tuple(values["classes"]))


@dataclass(frozen=True, eq=False)
class Rows:
    """Raw inputs as the network takes them, and targets.

    inputs: number and boolean columns float32 (n,), NaN for missing; category and date columns, texts and
    sequences object arrays of str (n,), "" for missing; images object arrays of encoded files, bytes or
    what has their buffer.
    targets: binary float32 (n, 1) of 0 and 1; multiclass int64 (n,); multilabel float32 (n, labels) of 0 and
    1; regression float64 (n, 1), as in the file.
    """

    inputs: dict[str, Array]
    targets: Array

    def __len__(self) -> int:
        return len(self.targets)


@dataclass(frozen=True, eq=False)
class Data:
    """A data set ready for training; a part without rows is None.

    unlabelled: the inputs of the train rows without a label, as `Rows.inputs`.
    """

    signature: Signature
    train: Rows
    validation: Rows | None
    test: Rows | None
    unlabelled: dict[str, Array] | None = None


def from_table(
    table: pa.Table,
    signature: Signature,
    *,
    split_column: str | None,
    seed: int,
    validation_fraction: float,
    test_fraction: float,
) -> Data:
    """Canonical table (typed columns, nulls for missing) to train, validation and test rows.

    Rows without a label become `unlabelled`, unless they are marked for validation or test. Rows keep
    their order inside each part. Without `split_column` the parts are drawn by class, see `split_rows`.

    Raises:
        ValueError: a column is not there, a label is no class, a split value is unknown, no train row.
    """
    _check_columns(table, signature, split_column)
    inputs = {column.name: _values(table[column.name], column) for column in signature.columns}
    has_label = pc.is_valid(table[signature.label])
    labelled = np.flatnonzero(has_label.to_numpy())
    targets = _targets(table[signature.label].filter(has_label), signature)
    given = None if split_column is None else _given_parts(table[split_column])
    if given is None:
        parts = split_rows(targets, signature.task, seed, validation_fraction, test_fraction)
    else:
        parts = given[labelled]
    rows = [
        _take(inputs, targets, labelled, np.flatnonzero(parts == part))
        for part in ("train", "validation", "test")
    ]
    train, validation, test = rows
    if not len(train):
        raise ValueError(
            f"Expected labelled rows to train on. Received: {len(targets)} labelled rows, none of them in "
            "the train part. Label more rows, or mark some of them `train` in the split column."
        )
    return Data(
        signature,
        train,
        validation if len(validation) else None,
        test if len(test) else None,
        _unlabelled(inputs, labelled, given, table.num_rows),
    )


def _unlabelled(
    inputs: dict[str, Array], labelled: Array, given: Array | None, rows: int
) -> dict[str, Array] | None:
    mask = np.ones(rows, bool)
    mask[labelled] = False
    if given is not None:
        mask &= given == "train"
    return {name: values[mask] for name, values in inputs.items()} if mask.any() else None


def few_shot_subset(data: Data, count: int, seed: int) -> Data:
    """The data with `count` train rows of each class (of a regression: in all), drawn with the seed.

    Of a multilabel task they are those with the label, so a label that comes with others may have more. A
    smaller count draws a subset of what a larger one draws. Rows keep their order; validation, test and
    unlabelled rows stay as they are.
    """
    targets, task = data.train.targets, data.signature.task
    if task == "multilabel":
        members = [np.flatnonzero(column) for column in targets.T]
    else:
        classes = targets.reshape(-1) * (0 if task == "regression" else 1)
        members = [np.flatnonzero(classes == label) for label in np.unique(classes)]
    rng = np.random.Generator(np.random.Philox(seed))
    chosen = np.unique(np.concatenate([rng.permutation(rows)[:count] for rows in members]))
    inputs = {name: values[chosen] for name, values in data.train.inputs.items()}
    return replace(data, train=Rows(inputs, data.train.targets[chosen]))


def split_rows(
    targets: Array, task: Task, seed: int, validation_fraction: float, test_fraction: float
) -> Array:
    """The part ("train", "validation", "test") of each row, (n,).

    Each class of n ≥ 3 rows gives max(1, ⌊n·fraction + ½⌋) rows to test and to validation (none for a
    fraction of 0) and keeps at least one for train; smaller classes go to train. A regression counts as
    one class; so does a multilabel task, whose labels are spread evenly, see `_stratified`.
    """
    rng = np.random.Generator(np.random.Philox(seed))
    if task == "multilabel":
        return _stratified(targets, rng, validation_fraction, test_fraction)
    classes = targets.reshape(-1) * 0 if task == "regression" else targets.reshape(-1)
    parts = np.full(len(targets), "train", dtype="<U10")
    for label in np.unique(classes):
        members = np.flatnonzero(classes == label)
        if len(members) < 3:
            continue
        members = rng.permutation(members)
        test = min(_share(len(members), test_fraction), len(members) - 2)
        validation = min(_share(len(members), validation_fraction), len(members) - test - 1)
        parts[members[:test]] = "test"
        parts[members[test : test + validation]] = "validation"
    return parts


def _stratified(
    targets: Array, rng: np.random.Generator, validation_fraction: float, test_fraction: float
) -> Array:
    """Iterative stratification (Sechidis, Tsoumakas & Vlahavas 2011), with exact sizes of the parts.

    The rarest label first, each of its rows goes where that label is still wanted most: of equals, where most
    rows are, and drawn where that is equal too.
    """
    names = np.array(["train", "validation", "test"])
    n, marks = len(targets), targets > 0
    test = min(_share(n, test_fraction), n - 2) if n >= 3 else 0
    validation = min(_share(n, validation_fraction), n - test - 1) if n >= 3 else 0
    room = np.array([n - test - validation, validation, test], np.float64)
    wanted = np.outer(room / max(n, 1), marks.sum(axis=0))  # (parts, labels)
    parts, left = np.full(n, -1), marks.sum(axis=0)
    order = rng.permutation(n)
    ties = rng.random((n, 3))
    while left.any():
        label = int(np.argmin(np.where(left > 0, left, n + 1)))
        for row in order[marks[order, label] & (parts[order] < 0)]:
            free = room > 0
            keys = (ties[row], room, wanted[:, label], free)
            part = int(np.lexsort(keys)[-1])
            parts[row] = part
            room[part] -= 1
            wanted[part] -= marks[row]
            left = left - marks[row]
    rest = order[parts[order] < 0]
    parts[rest] = np.repeat(np.arange(3), room.astype(np.int64))
    assigned: Array = names[parts].astype("<U10")
    return assigned


def _share(count: int, fraction: float) -> int:
    return max(1, int(np.floor(count * fraction + 0.5))) if fraction > 0 else 0


def _check_columns(table: pa.Table, signature: Signature, split_column: str | None) -> None:
    wanted = [column.name for column in signature.columns] + [signature.label]
    wanted += [] if split_column is None else [split_column]
    missing = [name for name in wanted if name not in table.column_names]
    if missing:
        raise ValueError(
            f"Expected a table with the columns {', '.join(missing)}. "
            f"Received: {', '.join(table.column_names)}. "
            "Use a data set with the columns of the signature."
        )


def _given_parts(column: pa.ChunkedArray) -> Array:
    parts = pc.fill_null(column, "train").to_numpy()
    unknown = sorted(set(parts) - {"train", "validation", "test"})
    if unknown:
        raise ValueError(
            f"Expected train, validation or test in the split column. Received: {unknown[0]!r}. "
            "Correct the split column or leave it out."
        )
    return np.asarray(parts)


def _values(column: pa.ChunkedArray, described: Column) -> Array:
    if described.is_numeric:
        return _float32(column)
    if described.type == "image":
        return _buffers(column)
    return np.asarray(pc.fill_null(column.cast(pa.string()), "").to_numpy(), dtype=object)


def _buffers(column: pa.ChunkedArray) -> Array:
    """Views of the bytes where they are, in memory or in a mapped file."""
    values = np.empty(len(column), dtype=object)
    for place, cell in enumerate(cell for chunk in column.chunks for cell in chunk):
        values[place] = cell.as_buffer()
    return values


def _float32(column: pa.ChunkedArray) -> Array:
    numbers = pc.fill_null(column.cast(pa.float64()), float("nan")).to_numpy()
    clipped: Array = np.clip(numbers, -LARGEST_NUMBER, LARGEST_NUMBER).astype(np.float32)
    return clipped


def _targets(label: pa.ChunkedArray, signature: Signature) -> Array:
    if signature.task == "regression":
        numbers: Array = label.cast(pa.float64()).to_numpy().reshape(-1, 1)
        return numbers
    if signature.task == "multilabel":
        lists = label.combine_chunks()
        marks = _numbers(pa.chunked_array([pc.list_flatten(lists)], pa.string()), signature)
        targets = np.zeros((len(lists), len(signature.classes)), np.float32)
        targets[pc.list_parent_indices(lists).to_numpy(), marks] = 1
        return targets
    classes = _numbers(label, signature)
    return classes.astype(np.float32).reshape(-1, 1) if signature.task == "binary" else classes


def _numbers(label: pa.ChunkedArray, signature: Signature) -> Array:
    """Names of classes to their numbers."""
    index = pc.index_in(label, value_set=pa.array(signature.classes, pa.string()))
    if index.null_count:
        unknown = pc.filter(label, pc.is_null(index))[0].as_py()
        raise ValueError(
            f"Expected labels among the classes {', '.join(signature.classes)}. Received: {unknown!r}. "
            "Use a data set with these classes, or let the classes be read from this one."
        )
    classes: Array = index.to_numpy().astype(np.int64)
    return classes


def _take(inputs: dict[str, Array], targets: Array, labelled: Array, rows: Array) -> Rows:
    """Rows of the targets, which the labelled ones alone have."""
    return Rows({name: values[labelled[rows]] for name, values in inputs.items()}, targets[rows])
