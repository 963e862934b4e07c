"""Which rows of a file train, validate and test, and what is told of that?"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from app.datasets.inspection.kept_rows import KeptRows
from app.datasets.inspection.labels import Labels
from app.datasets.inspection.layout import Layout
from app.datasets.inspection.scanning import Scan
from app.datasets.partition.keys import Keys
from app.datasets.partition.parts import UNITS, Parts, draw
from app.datasets.partition.rows_file import RowFacts
from app.datasets.partition.times import INSTANTS, by_time
from app.datasets.reading.cells import text_of
from app.datasets.reading.declaration import Declaration
from app.datasets.reading.description import Since, SplitPlan
from app.datasets.reading.errors import DatasetError
from app.datasets.reading.profile import Notice
from app.datasets.reading.splits_words import WORDS
from app.datasets.reading.words import SPLITS, Role

_WORDS = "train, validation (or val, valid, dev) or test"


@dataclass(frozen=True, eq=False)
class Split:
    """How the rows are split, what is kept of each, and rows of each class (or label) in each part."""

    plan: SplitPlan
    facts: RowFacts
    counts: npt.NDArray[np.int64]


def is_split(scan: Scan, name: str, *, declared: bool) -> bool:
    """Whether the column holds split words only.

    Raises:
        DatasetError: if it was declared to, and does not.
    """
    column = scan.columns[name]
    tally = column.tally
    wrong = [str(word) for word in tally.counts if WORDS.get(str(word).strip().lower()) is None]
    if tally.exact and tally.counts and not wrong:
        return True
    if declared:
        received = ", ".join(wrong[:5]) or "no words"
        hint = "Correct these words, or leave `split` out."
        if column.type == "date":
            received, hint = "dates", f"To split by them, send `time={name}` in place of `split`."
        error = {"row": None, "column": name, "expected": _WORDS, "received": received}
        message = f"Expected {_WORDS}, in column {name}. Received: {received}."
        raise DatasetError("wrong_split", message, hint, [error])
    return False


def split_rows(
    scan: Scan,
    layout: Layout,
    labels: Labels,
    column: str | None,
    roles: Mapping[str, Role],
    declaration: Declaration,
) -> Split:
    """The part of each row; `column` is that of split words.

    Raises:
        DatasetError: if nothing trains, nothing would test, or a class has no row to train on.
    """
    kept = scan.kept
    keys, groups = kept.keys(roles), None
    if layout.group is not None:
        groups = kept.groups
        groups = np.where(groups == 0, keys[:, 0], groups)
    told: dict[str, Any] = {"by": "key"}
    if column is not None:
        parts, told = kept.words, {"by": "column", "column": column}
    elif layout.time is not None:
        parts, told = _by_time(scan, kept, layout.time, declaration)
    else:
        units: Keys = keys[:, 0] if groups is None else groups
        fractions = (declaration.validation_fraction, declaration.test_fraction)
        drawn = draw(units, kept.classes(labels.names), declaration.seed, *fractions)
        parts, told["borrowed"] = drawn.parts, drawn.borrowed
        if layout.group is not None:
            told |= {"by": "group", "column": layout.group}
    rows = _count(parts, kept)
    counts = kept.count(parts, labels.names)
    if column is not None or layout.time is not None:
        _check_trained(rows, counts, labels, told)
    elif not rows["test"]:
        raise _too_few(layout)
    plan = SplitPlan(
        **told,
        seed=declaration.seed,
        validation_fraction=declaration.validation_fraction,
        test_fraction=declaration.test_fraction,
        rows=rows,
    )
    return Split(plan, RowFacts(parts, keys, groups), counts)


def _count(parts: Parts, kept: KeptRows) -> dict[str, int]:
    counts = np.bincount(parts[kept.labels != 0], minlength=len(SPLITS))
    return dict(zip(SPLITS, map(int, counts), strict=True))


def _by_time(
    scan: Scan, kept: KeptRows, column: str, declaration: Declaration
) -> tuple[Parts, dict[str, Any]]:
    of = scan.columns[column].type
    if of not in ("date", "number"):
        received = "no values" if of is None else f"{of} values"
        message = (
            f"Expected dates or numbers in the column {column}, the declared time. Received: {received}."
        )
        hint = f"Declare how its dates are written with `date_format`, or leave `time` out: see {column}."
        raise DatasetError("wrong_time", message, hint)
    fractions = (declaration.validation_fraction, declaration.test_fraction)
    timed = by_time(kept.times, kept.labels != 0, *fractions)
    if timed is None:
        message = f"Expected labelled rows of at least {INSTANTS} different times, in column {column}. "
        message += "Received: fewer."
        raise DatasetError("wrong_time", message, "Leave `time` out, or name another column.")
    since = pa.array([timed.validation, timed.test], pa.float64())
    told = text_of(since.cast(pa.int64()).cast(pa.timestamp("s")) if of == "date" else since).to_pylist()
    return timed.parts, {
        "by": "time",
        "column": column,
        "since": Since(validation=told[0], test=told[1]),
    }


def _check_trained(
    rows: Mapping[str, int], counts: npt.NDArray[np.int64], labels: Labels, told: Mapping[str, Any]
) -> None:
    column, by_words = told["column"], told["by"] == "column"
    if not rows["train"]:
        message = f"Expected rows to train on, in column {column}. Received: none with a label."
        raise DatasetError("no_train_rows", message, "Mark rows with the word train.")
    where = f", in column {column}" if by_words else f", before {told['since'].validation} in {column}"
    hint = "Mark some of its rows train." if by_words else "Leave `time` out, or leave out rows of the class."
    for name, (trained, *_) in zip(labels.names, counts.tolist(), strict=False):
        if not trained:
            error = {
                "row": None,
                "column": column,
                "expected": "train",
                "received": f"no train row of {name}",
            }
            expected = f"rows to train on of every class{where}"
            message = f"Expected {expected}. Received: none of class {name}."
            raise DatasetError("class_without_train_rows", message, hint, [error])


def _too_few(layout: Layout) -> DatasetError:
    what = "rows" if layout.group is None else f"groups ({layout.group})"
    message = (
        f"Expected at least {UNITS} different labelled {what} of one class, for train, validation and test. "
        "Received: fewer."
    )
    return DatasetError("too_few_rows", message, "Add rows; equal ones are all in one part.")


def untested(split: Split, labels: Labels) -> list[Notice]:
    """Classes without a test row, where others have some."""
    lost = [name for name, row in zip(labels.names, split.counts, strict=False) if not row[-1]]
    if not split.plan.rows["test"] or not lost:
        return []
    more = f" and {len(lost) - 10} more" if len(lost) > 10 else ""
    left = len(labels.names) - len(lost)
    one = f" The test rows hold only {left} class, so every model looks perfect." if left == 1 else ""
    ways = {"column": "Mark some of their rows test", "time": "Add later rows of them"}
    way = ways.get(split.plan.by, "Add rows of them")
    message = (
        f"No row of these classes is in test, so that nobody will know how well they are told: "
        f"{', '.join(lost[:10])}{more}.{one} {way}, or leave theirs out."
    )
    return [Notice(code="class_without_test_rows", column=split.plan.column, message=message)]


def notices(column: str | None, candidate: str | None, rows: Mapping[str, int]) -> list[Notice]:
    """What to know about the split."""
    found = []
    if candidate and candidate != column:
        message = f"The column {candidate} is an ordinary feature: it holds other words than {_WORDS}."
        found.append(Notice(code="split_not_used", column=candidate, message=message))
    effects = {"validation": "early stopping has nothing to watch", "test": "the gain cannot be measured"}
    for name, effect in effects.items():
        if not rows[name]:
            message = f"No labelled row is marked {name}, so {effect}."
            found.append(Notice(code=f"no_{name}_rows", column=column, message=message))
    return found


def without_word(scan: Scan, column: str | None) -> list[Notice]:
    """Rows whose cell of the split column is missing: they train."""
    if column is None or not (missing := scan.columns[column].missing):
        return []
    words = ", ".join(map(repr, scan.columns[column].words))
    read_as = f" ({words} was read as missing)" if words else ""
    message = f"{missing} rows have no word in the column {column}{read_as}; they train."
    return [Notice(code="split_missing", column=column, message=message)]
