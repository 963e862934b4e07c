"""Arrow table to the arrays a network takes: signature, rows, split."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain, count
from typing import Any, Literal, Self

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from workers.transfer import arrays

Array = npt.NDArray[Any]
ColumnType = Literal["number", "category", "boolean", "date", "text", "image", "nucleotide", "protein"]
Kind = Literal["tabular", "text", "image", "sequence", "pairs", "qa"]
Task = Literal["binary", "multiclass", "multilabel", "regression", "seq2seq", "span"]

_KINDS: Mapping[str, Kind] = {
    "text": "text",
    "image": "image",
    "nucleotide": "sequence",
    "protein": "sequence",
}

_KINDS_OF_TASKS: Mapping[str, Kind] = {"seq2seq": "pairs", "span": "qa"}

LAYERS: tuple[Literal["preprocessing", "backbone", "head"], ...] = ("preprocessing", "backbone", "head")
"""The parts of a network, each a layer of it: no input may be called so."""

PARTS = ("train", "validation", "test")
"""The parts of a data set; a row's part is told by its place in here."""

LARGEST_NUMBER = arrays.LARGEST_NUMBER
"""Inputs are clipped to ± this."""

CHECKS = "checks"
"""The layer behind them, where there is one."""


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
    one; of a multilabel task they are the labels; a regression has none, nor has a task of texts.
    """

    columns: tuple[Column, ...]
    label: str
    task: Task
    classes: tuple[str, ...] = ()

    @property
    def kind(self) -> Kind:
        """The kind of data: that of the one input, or tabular; of texts answered with texts the task's."""
        return _KINDS_OF_TASKS.get(self.task) or _KINDS.get(self.columns[0].type, "tabular")

    @property
    def keys(self) -> dict[str, str]:
        """What Keras calls the input of each column: the column's name, where a Keras input may have it.

        In a name that Keras refuses each `/` becomes `_`, and the network's own layers keep their names for
        themselves; `_2` and so on follows what another column is called.
        """
        names = {column.name for column in self.columns}
        return _unlike({name: name for name in names if _is_key(name)}, [c.name for c in self.columns])

    def to_dict(self) -> dict[str, Any]:
        """The signature as plain JSON values."""
        keys = self.keys
        return {
            "columns": [
                {"name": column.name, "type": column.type, "key": keys[column.name]}
                for column in self.columns
            ],
            "label": self.label,
            "task": self.task,
            "classes": list(self.classes),
        }

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """The inverse of `to_dict`."""
        columns = tuple(Column(column["name"], column["type"]) for column in values["columns"])
        return cls(columns, values["label"], values["task"], tuple(values["classes"]))


def _is_key(name: str) -> bool:
    return bool(name) and "/" not in name and name not in (*LAYERS, CHECKS)


def _unlike(keys: dict[str, str], names: Sequence[str]) -> dict[str, str]:
    """The keys of all names in their order, those that are not given different from each other."""
    taken = set(keys)
    for name in names:
        if name not in keys:
            wanted = name.replace("/", "_") if "/" in name else f"{name}_input"
            numbers = (f"{wanted}_{number}" for number in count(2))
            keys[name] = next(key for key in chain([wanted], numbers) if key not in taken and _is_key(key))
            taken.add(keys[name])
    return {name: keys[name] for name in names}


@dataclass(frozen=True, eq=False)
class Rows:
    """Raw inputs as the network takes them, and targets.

    inputs: number and boolean columns float32 (n,), NaN for missing; category and date columns, texts and
    sequences object arrays of str (n,), "" for missing; images object arrays of encoded files, bytes or
    what has their buffer.
    targets: binary float32 (n, 1) of 0 and 1; multiclass int64 (n,); multilabel float32 (n, labels) of 0 and
    1; regression float64 (n, 1), as in the file; seq2seq objects of str (n,), the texts; span objects of
    tuples (n,): of each answer its start in code points and its text, the first of which is learnt.
    numbers: int64 (n,), which rows of the file they are, from 0.
    """

    inputs: dict[str, Array]
    targets: Array
    numbers: Array

    def __len__(self) -> int:
        return len(self.targets)

    def take(self, places: Array) -> Self:
        """The rows at these places (indices or a mask), in their order."""
        inputs = {name: values[places] for name, values in self.inputs.items()}
        return replace(self, inputs=inputs, targets=self.targets[places], numbers=self.numbers[places])


@dataclass(frozen=True, eq=False)
class Unlabelled:
    """Rows without a label: inputs and numbers as those of `Rows`."""

    inputs: dict[str, Array]
    numbers: Array

    def __len__(self) -> int:
        return len(self.numbers)


@dataclass(frozen=True, eq=False)
class Data:
    """A data set ready for training; a part without rows is None.

    unlabelled: the train rows without a label.
    units: of each row of the file, by its number, that of the rows it belongs to: a group, or nearly equal
    rows; None where each is by itself.
    """

    signature: Signature
    train: Rows
    validation: Rows | None
    test: Rows | None
    unlabelled: Unlabelled | None = None
    units: Array | None = None


def from_table(table: pa.Table, signature: Signature, parts: Array) -> Data:
    """Canonical table (typed columns, nulls for missing) to train, validation and test rows.

    Train rows without a label become `unlabelled`. Rows keep their order inside each part.

    Args:
        parts: uint8 (n,), the place of each row's part in `PARTS`; a row of another number is in none.

    Raises:
        ValueError: a column is not there, a label is no class, parts of other rows, no train row.
    """
    _check_columns(table, signature)
    if len(parts) != table.num_rows:
        raise ValueError(
            f"Expected the parts of {table.num_rows} rows. Received: {len(parts)}. Use those of this table."
        )
    inputs = {column.name: arrays.values(table[column.name], column.type) for column in signature.columns}
    has_label = pc.is_valid(table[signature.label])
    labelled = np.flatnonzero(has_label.to_numpy())
    targets = _targets(table[signature.label].filter(has_label), signature)
    places = range(len(PARTS))
    rows = [_take(inputs, targets, labelled, np.flatnonzero(parts[labelled] == place)) for place in places]
    train, validation, test = rows
    if not len(train):
        raise ValueError(
            f"Expected labelled rows to train on. Received: {len(targets)} labelled rows, none of them in "
            "the train part. Label more rows, or mark some of them `train` in the split column."
        )
    blank = np.setdiff1d(np.flatnonzero(parts == PARTS.index("train")), labelled)
    return Data(
        signature,
        train,
        validation if len(validation) else None,
        test if len(test) else None,
        Unlabelled({name: values[blank] for name, values in inputs.items()}, blank) if len(blank) else None,
    )


def few_shot_subset(data: Data, count: int, seed: int) -> Data:
    """The data with `count` train rows of each class, or in all where there are none, drawn with the seed.

    Of a multilabel task they are those with the label, so a label that comes with others may have more. A
    smaller count draws a subset of what a larger one draws. Rows keep their order; validation, test and
    unlabelled rows stay as they are.
    """
    targets, task = data.train.targets, data.signature.task
    if task == "multilabel":
        members = [np.flatnonzero(column) for column in targets.T]
    elif task in _KINDS_OF_TASKS:
        members = [np.arange(len(targets))]
    else:
        classes = targets.reshape(-1) * (0 if task == "regression" else 1)
        members = [np.flatnonzero(classes == label) for label in np.unique(classes)]
    rng = np.random.Generator(np.random.Philox(seed))
    chosen = np.unique(np.concatenate([rng.permutation(rows)[:count] for rows in members]))
    return replace(data, train=data.train.take(chosen))


def _check_columns(table: pa.Table, signature: Signature) -> None:
    wanted = [column.name for column in signature.columns] + [signature.label]
    missing = [name for name in wanted if name not in table.column_names]
    if missing:
        raise ValueError(
            f"Expected a table with the columns {', '.join(missing)}. "
            f"Received: {', '.join(table.column_names)}. "
            "Use a data set with the columns of the signature."
        )


def _targets(label: pa.ChunkedArray, signature: Signature) -> Array:
    if signature.task == "regression":
        numbers: Array = label.cast(pa.float64()).to_numpy().reshape(-1, 1)
        return numbers
    if signature.task == "seq2seq":
        return arrays.values(label, "text")
    if signature.task == "span":
        spans = np.empty(len(label), object)
        for row, answers in enumerate(label.to_pylist()):
            spans[row] = tuple((of["start"], of["text"]) for of in answers)
        return spans
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
    numbers = labelled[rows]
    return Rows({name: values[numbers] for name, values in inputs.items()}, targets[rows], numbers)
