"""Which column is the label, which task it makes, and which classes it has."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from app.datasets.inspection.advice import as_sent, fields
from app.datasets.inspection.columns import ColumnScan
from app.datasets.inspection.names import listed, meant
from app.datasets.inspection.scanning import Scan
from app.datasets.reading.declaration import USUAL_LABELS, Declaration
from app.datasets.reading.errors import DatasetError
from app.datasets.reading.profile import Notice, ValueCount
from app.datasets.reading.words import Task

MAX_CLASSES = 1000
SEPARATOR = "|"
"""Between the labels of a row, where no other is declared."""
FEW_CLASSES = 20
_REPEATS = 4
"""Rows a class, in the mean, of codes of classes."""
_HINT = "Declare `label`, the name of the column to predict; a file without a header line needs one."


@dataclass
class Labels:
    """What the label says."""

    task: Task
    classes: list[ValueCount] = field(default_factory=list)
    notices: list[Notice] = field(default_factory=list)

    @property
    def names(self) -> list[str]:
        """The classes in their order."""
        return [known.value for known in self.classes]


def find_label(names: list[str], declaration: Declaration) -> str:
    """The declared column, or the only one with a usual name.

    Raises:
        DatasetError: if there is none.
    """
    if declaration.label is not None:
        if declaration.label in names:
            return declaration.label
        message = f"Expected a column {declaration.label}, the declared label. Received: {listed(names)}."
        error = {
            "row": None,
            "column": declaration.label,
            "expected": "the label",
            "received": "no such column",
        }
        near = meant(declaration.label, names)
        raise DatasetError("label_not_found", message, near if "Did" in near else _HINT, [error])
    for usual in USUAL_LABELS:
        found = [name for name in names if name.lower() in usual]
        if len(found) == 1:
            return found[0]
        if found:
            break
    usually = ", ".join(USUAL_LABELS[0])
    message = f"Expected a declared label, or one column called {usually}. Received: {listed(names)}."
    raise DatasetError("label_not_found", message, _HINT)


def read_labels(
    scan: Scan,
    label: str,
    declared: Task | None,
    unlabelled: bool = False,
    *,
    of_table: bool = True,
    otherwise: str | None = None,
) -> Labels:
    """The task and the classes.

    Args:
        of_table: whole numbers are quantities where they are many; of texts, images and sequences those that
            count from 0 or 1 without a gap are the codes of classes.
        otherwise: what is known of a label that may be numbers written in another form, as advice.

    Raises:
        DatasetError: for a label that is mostly missing, has one class, is text or identifiers, is a date, or
            does not fit the declared task.
    """
    try:
        return _read_labels(scan, label, declared, unlabelled, of_table)
    except DatasetError as error:
        if otherwise is not None and error.code in ("label_is_text", "task_does_not_fit", "label_is_date"):
            error.hint = otherwise
        raise


def _read_labels(scan: Scan, label: str, declared: Task | None, unlabelled: bool, of_table: bool) -> Labels:
    column = scan.columns[label]
    if not unlabelled:
        _check_missing(scan, column)
    if column.type == "date":
        raise _refuse(
            column, "label_is_date", "numbers or classes", "dates", "Declare another label or type."
        )
    if column.missing == scan.rows:
        expected, hint = "a label in some rows at least", "Label rows of two classes or more."
        raise _refuse(column, "label_missing", expected, f"none in {scan.rows} rows", hint)
    if declared == "multilabel":
        return _several(scan, column)
    if column.tally.distinct < 2:
        only = column.value_counts()[0].value
        hint = "Add rows of another class, or declare another label."
        if words := list(column.words):
            hint = (
                f"Some cells are {', '.join(map(repr, words))}, read as missing. If that is a class, "
                f"send {as_sent(fields(missing={column.name: []}))}: then only empty cells are missing."
            )
        elif column.type == "number":
            names = as_sent(fields(types={column.name: "category"}))
            hint += f" If its values are names, such as 01 and 1, send {names}."
        raise _refuse(column, "one_class", "two values or more in the label", f"only {only}", hint)
    labels = Labels(declared or (_infer(column) if of_table or not _are_codes(column) else "multiclass"))
    if declared is not None:
        _check_declared(column, declared)
    if labels.task != "regression":
        _check_not_text(column)
        labels.classes = sorted(column.value_counts(), key=_order(column.value_counts()))
    labels.notices = _notices(scan, column, labels.task, declared)
    return labels


def _several(scan: Scan, column: ColumnScan) -> Labels:
    """The labels of a multilabel task, of which a row may have any number."""
    counts, values = scan.marks.counts, scan.marks.counted_values
    if scan.marks.exact and len(counts) < 2:
        hint = "If a row's labels are no list, declare the `separator` between them, or leave `task` out."
        received = ", ".join(map(str, counts)) or "none"
        raise _refuse(column, "one_class", "two labels or more", received, hint)
    if (
        not scan.marks.exact
        or len(counts) > MAX_CLASSES
        or (len(counts) > FEW_CLASSES and 2 * len(counts) > values)
    ):
        more = "" if scan.marks.exact else "at least "
        received = f"{more}{scan.marks.distinct} different labels in {scan.rows} rows"
        hint = "Declare another label column or, if a row's labels are no list, the `separator` between them."
        raise _refuse(column, "label_is_text", f"at most {MAX_CLASSES} labels that repeat", received, hint)
    labels = [ValueCount(value=name, count=count) for name, count in counts.items()]
    classes = sorted(labels, key=_order(labels))
    return Labels("multilabel", classes, _notices(scan, column, "multilabel", "multilabel"))


def _check_missing(scan: Scan, column: ColumnScan) -> None:
    if 2 * column.missing > scan.rows:
        received = f"none in {column.missing} of {scan.rows} rows"
        hint = f"{_HINT} If the rows are meant to have none, declare `unlabelled=true`."
        if sum(word.count for word in column.words.values()) * 2 > column.missing:
            words = ", ".join(map(repr, column.words))
            received += f"; {words} was read as missing"
            hint = f"If that is a class, send {as_sent(fields(missing={column.name: []}))}."
        raise _refuse(column, "label_missing", "a label in at least half of the rows", received, hint)


def _infer(column: ColumnScan) -> Task:
    if column.type != "number":
        return "binary" if column.tally.distinct == 2 else "multiclass"
    if not column.moments.whole or not column.tally.exact:
        return "regression"
    if column.tally.distinct == 2:
        return "binary"
    return "multiclass" if column.tally.distinct <= FEW_CLASSES else "regression"


def _are_codes(column: ColumnScan) -> bool:
    """Whether numbers are codes: 3 or more, from 0 or 1 on without a gap, that come again."""
    if column.type != "number" or not column.moments.whole or not column.tally.exact:
        return False
    distinct, low, high = column.tally.distinct, column.moments.low, column.moments.high
    repeat = min(column.tally.counts.values()) > 1 and _REPEATS * distinct <= column.tally.values
    return 2 < distinct <= MAX_CLASSES and low in (0, 1) and high - low + 1 == distinct and repeat


def _check_declared(column: ColumnScan, declared: Task) -> None:
    if declared == "regression" and column.type != "number":
        received = f"a {column.type} column, such as {column.value_counts()[0].value}"
        raise _refuse(
            column, "task_does_not_fit", "numbers, for a regression", received, "Declare another task."
        )
    if declared == "binary" and column.tally.distinct != 2:
        received = f"{'' if column.tally.exact else 'at least '}{column.tally.distinct}"
        hint = "Declare the task multiclass or regression, or leave it out."
        raise _refuse(column, "task_does_not_fit", "two classes, for a binary task", received, hint)


def _check_not_text(column: ColumnScan) -> None:
    distinct, values = column.tally.distinct, column.tally.counted_values
    if distinct > MAX_CLASSES or not column.tally.exact or (distinct > FEW_CLASSES and 2 * distinct > values):
        more = "" if column.tally.exact else "at least "
        received = f"{more}{distinct} different values in {values} rows, as of free text or an identifier"
        expected = f"at most {MAX_CLASSES} classes that repeat"
        hint = "Declare another label, or a regression of numbers."
        if any(SEPARATOR in str(value) for value in column.tally.counts):
            hint = "If a row has several labels, declare the task multilabel."
        raise _refuse(column, "label_is_text", expected, received, hint)


def _order(counts: list[ValueCount]) -> Callable[[ValueCount], Any]:
    try:
        numbers = {known.value: float(known.value) for known in counts}
    except ValueError:
        return lambda known: known.value
    if not all(map(math.isfinite, numbers.values())):
        return lambda known: known.value
    return lambda known: (numbers[known.value], known.value)


def _refuse(column: ColumnScan, code: str, expected: str, received: str, hint: str) -> DatasetError:
    error = {"row": None, "column": column.name, "expected": expected, "received": received}
    message = f"Expected {expected}, in column {column.name}. Received: {received}."
    return DatasetError(code, message, hint, [error])


def _notices(scan: Scan, column: ColumnScan, task: Task, declared: Task | None) -> list[Notice]:
    notices = []
    if column.missing:
        message = (
            f"{column.missing} of {scan.rows} rows have no label; they are not tested on, and only "
            "distillation and pseudo-labels learn from them."
        )
        notices.append(Notice(code="label_missing", column=column.name, message=message))
    if declared is None and column.type == "number" and (task != "regression" or column.moments.whole):
        other, meant = ("multiclass", "classes") if task == "regression" else ("regression", "quantities")
        more = "" if column.tally.exact else "at least "
        send = fields(task=other)
        message = (
            f"The label is {more}{column.tally.distinct} different whole numbers; the task was taken to be "
            f"{task}. Declare the task {other}, {as_sent(send)}, if they are {meant}."
        )
        notices.append(Notice(code="task_inferred", column=column.name, message=message, send=send))
    return notices
