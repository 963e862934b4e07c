"""Rows of the source that are as good as the target's own: the same question about the same inputs."""

from collections.abc import Callable

import numpy as np

from workers.transfer.baselines.readings import spread
from workers.transfer.data import Array, Column, Data, Rows

MOST_POOLED = 5000
"""Rows of a source that are pooled, at most; of more some are taken, spread over the targets."""


def pooled_rows(source: Data, target: Data) -> Rows | None:
    """The source's train rows with the target's columns and class numbers; None where its label is another.

    The label must have the target's name, task and classes, in any order; a table must share a column of one
    type, and another kind of data the type of the input. What the source lacks of a table is missing.
    """
    mine, other = target.signature, source.signature
    if (mine.label, mine.task, mine.kind, set(mine.classes)) != (
        other.label,
        other.task,
        other.kind,
        set(other.classes),
    ):
        return None
    shared = set(mine.columns) & set(other.columns)
    if not shared:
        return None
    rows = source.train.take(spread(source.train.targets, MOST_POOLED))
    inputs = {
        column.name: rows.inputs[column.name] if column in shared else _missing(column, len(rows))
        for column in mine.columns
    }
    return Rows(inputs, _renumbered(rows.targets, source, target), rows.numbers)


def _missing(column: Column, rows: int) -> Array:
    return np.full(rows, np.nan, np.float32) if column.is_numeric else np.full(rows, "", object)


def _renumbered(targets: Array, source: Data, target: Data) -> Array:
    mine, other = target.signature.classes, source.signature.classes
    if mine == other or not mine:
        return targets
    if target.signature.task == "multilabel":
        return targets[:, [other.index(name) for name in mine]]
    places = np.array([mine.index(name) for name in other])[targets.astype(np.int64)]
    moved: Array = places.astype(targets.dtype)
    return moved


def without(pool: Rows, held_out: Rows) -> Rows:
    """The pool without rows whose inputs are those of a row that is held out: it would be known already."""
    names = [name for name, values in pool.inputs.items() if _is_told(values)]
    known = set(map(_key_of(held_out, names), range(len(held_out))))
    key = _key_of(pool, names)
    kept = [place for place in range(len(pool)) if key(place) not in known]
    return pool if len(kept) == len(pool) else pool.take(np.array(kept, np.int64))


def _is_told(values: Array) -> bool:
    """Whether the source has any value of a column."""
    if values.dtype.kind == "f":
        return not np.isnan(values).all()
    return any(len(value) > 0 for value in values)


def _key_of(rows: Rows, names: list[str]) -> Callable[[int], tuple[object, ...]]:
    columns = [rows.inputs[name] for name in names]
    return lambda place: tuple(_hashable(values[place]) for values in columns)


def _hashable(value: object) -> object:
    if isinstance(value, np.ndarray):
        return value.tobytes()
    if isinstance(value, str | float | np.floating):
        return "nan" if value != value else value  # NaN is unlike itself
    return bytes(value)  # type: ignore[call-overload]
