"""Two versions on the rows that both tested: their difference, each class, the rows that changed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq

from workers.transfer import tasks
from workers.transfer.data import Array
from workers.transfer.proof.comparison import compare

LISTED = 100
"""Rows that changed that are told one by one."""

COMPARED = frozenset({"binary", "multiclass", "regression"})
"""Tasks whose answers of a row are one class or one number."""

_ARM = "transfer/"


@dataclass(frozen=True, eq=False)
class Answers:
    """A version's test rows: numbers, keys, units (n,), labels, and its first training's answers (n, k)."""

    numbers: Array
    keys: Array
    units: Array
    labels: list[Any]
    p: Array


def read(path: Path, task: str, classes: Sequence[str]) -> Answers:
    """The rows of a predictions file that tested and that nothing in the transfer had seen.

    `task` and `classes` are the signature's, in the order in which the columns are taken.
    """
    table = pq.read_table(path)
    seed = next(name for name in table.column_names if name.startswith(_ARM)).split("/")[1]
    named = [f"{_ARM}{seed}/{one}" for one in classes] if task == "multiclass" else [f"{_ARM}{seed}"]
    p = np.stack([table[name].to_numpy().astype(np.float64) for name in named], axis=1)
    kept = ~np.isnan(p).any(axis=1) & ~table["seen"].to_numpy().astype(bool)
    labels = table["label"].to_pylist()
    return Answers(
        table["row"].to_numpy()[kept],
        table["key"].to_numpy()[kept],
        table["unit"].to_numpy()[kept],
        [labels[place] for place in np.flatnonzero(kept)],
        p[kept],
    )


def comparison(
    a: Answers, b: Answers, task: str, classes: Sequence[str], metric: str | None, *, same_rows: bool
) -> dict[str, Any]:
    """What both say of the rows that they have in common, as plain values.

    `same_rows`: both tested rows of the same data set, so that a row's number tells it; else its inputs' key
    does, of those that stand once in each. Above zero, `b` is better than `a`. The interval is that of two
    networks as they are: the test rows alone are drawn.
    """
    of_a, of_b = _common(a, b, same_rows=same_rows)
    labels = [a.labels[place] for place in of_a]
    equal = [a.labels[one] == b.labels[other] for one, other in zip(of_a, of_b, strict=True)]
    of_a, of_b = of_a[equal], of_b[equal]
    labels = [label for label, is_equal in zip(labels, equal, strict=True) if is_equal]
    told: dict[str, Any] = {"rows": len(labels), "gain": None, "metrics": {}, "classes": [], "changed": []}
    if not labels:
        return told
    y = _targets(labels, task, classes)
    p_a, p_b = _shaped(a.p[of_a], task), _shaped(b.p[of_b], task)
    known: Any = task
    told["metrics"] = {"a": tasks.metrics(known, y, p_a), "b": tasks.metrics(known, y, p_b)}
    try:
        name = metric or tasks.DEFAULT_METRIC[known]
        gain = compare(known, y, [p_b], [p_a], name, units=a.units[of_a])
        told["gain"] = {one: getattr(gain, one) for one in ("metric", "value", "low", "high", "confidence")}
    except ValueError:
        pass  # undefined on these rows, which the metrics say as well
    numbers = b.numbers[of_b]
    if task == "regression":
        return told | _numbers(y.reshape(-1), p_a.reshape(-1), p_b.reshape(-1), numbers)
    return told | _decisions(labels, p_a, p_b, numbers, classes)


def _common(a: Answers, b: Answers, *, same_rows: bool) -> tuple[Array, Array]:
    """The places of the rows of both, in the order of `a`."""
    of_a, of_b = (a.numbers, b.numbers) if same_rows else (a.keys, b.keys)
    places_a, places_b = _once(of_a), _once(of_b)
    both = [one for one in places_a if one in places_b]
    return (
        np.array([places_a[one] for one in both], np.int64),
        np.array([places_b[one] for one in both], np.int64),
    )


def _once(keys: Array) -> dict[int, int]:
    values, first, counts = np.unique(keys, return_index=True, return_counts=True)
    found = {int(values[n]): int(first[n]) for n in np.flatnonzero(counts == 1)}
    return dict(sorted(found.items(), key=lambda item: item[1]))


def _targets(labels: Sequence[Any], task: str, classes: Sequence[str]) -> Array:
    if task == "regression":
        return np.array(labels, np.float64)
    numbers = {name: number for number, name in enumerate(classes)}
    return np.array([numbers[label] for label in labels])


def _shaped(p: Array, task: str) -> Array:
    return p if task == "multiclass" else p[:, :1]


def _decisions(
    labels: Sequence[str], p_a: Array, p_b: Array, numbers: Array, classes: Sequence[str]
) -> dict[str, Any]:
    """Each class, and the rows that one alone gets right."""
    names = np.array(classes)
    said_a, said_b = (names[_decided(p)] for p in (p_a, p_b))
    y = np.array(labels)
    right_a, right_b = said_a == y, said_b == y
    per_class = []
    for name in classes:
        of_it = y == name
        if count := int(of_it.sum()):
            recall = {"a": float(right_a[of_it].mean()), "b": float(right_b[of_it].mean())}
            per_class.append({"class": name, "rows": count, **recall})
    places = np.flatnonzero(said_a != said_b)
    order = places[np.argsort(right_b[places].astype(int) - right_a[places].astype(int), kind="stable")]
    changed = [
        {"row": int(numbers[n]), "label": str(y[n]), "a": str(said_a[n]), "b": str(said_b[n])}
        for n in order[:LISTED]
    ]
    return {
        "classes": per_class,
        "changed": changed,
        "changed_rows": len(places),
        "only_a_right": int((right_a & ~right_b).sum()),
        "only_b_right": int((right_b & ~right_a).sum()),
    }


def _decided(p: Array) -> Array:
    decided: Array = p.argmax(axis=1) if p.shape[1] > 1 else (p[:, 0] > 0.5).astype(np.int64)
    return decided


def _numbers(y: Array, p_a: Array, p_b: Array, numbers: Array) -> dict[str, Any]:
    """The rows whose error changed most, what became worse first."""
    worse = np.abs(p_b - y) - np.abs(p_a - y)
    order = np.argsort(-worse, kind="stable")
    most = [*order[: LISTED // 2], *order[LISTED // 2 :][-(LISTED // 2) :]]
    changed = [
        {"row": int(numbers[n]), "label": float(y[n]), "a": float(p_a[n]), "b": float(p_b[n])} for n in most
    ]
    counts = {"only_a_right": int((worse > 0).sum()), "only_b_right": int((worse < 0).sum())}
    return {"classes": [], "changed": changed, "changed_rows": int((worse != 0).sum()), **counts}
