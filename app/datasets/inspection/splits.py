"""Which rows of a file train, validate and test?"""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from app.datasets.inspection.duplicates import Found, duplicates
from app.datasets.inspection.kept_rows import KeptRows
from app.datasets.inspection.labels import Labels
from app.datasets.inspection.layout import Layout
from app.datasets.inspection.near_rows import NearRows, find_near
from app.datasets.inspection.scanning import Scan
from app.datasets.partition.groups import Joined, join
from app.datasets.partition.keys import Keys, count_distinct
from app.datasets.partition.parts import TEST, UNITS, UNLABELLED, Classes, Parts, count_parts, draw
from app.datasets.partition.rows_file import RowFacts
from app.datasets.partition.times import INSTANTS, by_time
from app.datasets.reading.cells import text_of
from app.datasets.reading.declaration import Declaration
from app.datasets.reading.description import Since, SplitPlan
from app.datasets.reading.errors import DatasetError
from app.datasets.reading.splits_words import WORDS
from app.datasets.reading.words import SPLITS, Role

WORDS_SAID = "train, validation (or val, valid, dev) or test"


@dataclass(frozen=True, eq=False)
class Split:
    """How the rows are split, and what is kept of each.

    Attributes:
        counts: rows of each class or label in train, validation and test, (classes, 3).
        different: how many different inputs there are.
        duplicates: rows with input and label of an earlier one.
        kept: what was kept of the rows beside that.
        groups: where groups were declared, which of them share rows.
    """

    plan: SplitPlan
    facts: RowFacts
    counts: npt.NDArray[np.int64]
    different: int
    duplicates: Found
    kept: KeptRows
    groups: Joined | None
    near: NearRows | None


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
        error = {"row": None, "column": name, "expected": WORDS_SAID, "received": received}
        message = f"Expected {WORDS_SAID}, in column {name}. Received: {received}."
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
    keys = kept.keys(roles)
    with ThreadPoolExecutor(1) as pool:  # to sort the keys takes as long as all else
        different = pool.submit(count_distinct, keys[:, 0])
        classes = kept.classes(labels.names)
        smallest = min(declaration.validation_fraction, declaration.test_fraction)
        near = find_near(kept, keys[:, 0], classes, smallest)
        alike = keys[:, 0] if near is None else near.units
        groups = _groups(kept, alike) if layout.group is not None else None
        if column is not None:
            parts, told = kept.words, {"by": "column", "column": column}
        elif layout.time is not None:
            parts, told = _by_time(scan, kept, layout.time, classes != UNLABELLED, declaration)
        else:
            units = alike if groups is None else groups.of_rows
            parts, told = _by_units(units, classes, layout, declaration)
        rows = _count(parts, classes)
        counts = kept.count(parts, classes, labels.names)
    if told["by"] in ("column", "time"):
        _check_trained(rows, counts, labels, told)
    plan = SplitPlan(
        **told,
        seed=declaration.seed,
        validation_fraction=declaration.validation_fraction,
        test_fraction=declaration.test_fraction,
        rows=rows,
    )
    facts = RowFacts(parts, keys, None if groups is None else groups.of_rows)
    if near is not None:
        facts = replace(facts, clusters=near.units, signatures=near.signatures)
    repeats = different.result() < len(keys)
    repeated = duplicates(keys[:, 0], kept.labels) if repeats else Found(0, [])
    return Split(plan, facts, counts, different.result(), repeated, kept, groups, near)


def _groups(kept: KeptRows, units: Keys) -> Joined:
    """The groups of all rows; who has none stands alone, with what is equal or near to it."""
    groups = kept.groups
    return join(np.where(groups == 0, units, groups), units)


def _by_units(
    units: Keys, classes: Classes, layout: Layout, declaration: Declaration
) -> tuple[Parts, dict[str, Any]]:
    fractions = (declaration.validation_fraction, declaration.test_fraction)
    drawn = draw(units, classes, declaration.seed, *fractions)
    by = "key" if layout.group is None else "group"
    if not (drawn.parts[classes != UNLABELLED] == TEST).any():
        raise _too_few(layout, units, classes)
    return drawn.parts, {"by": by, "column": layout.group, "borrowed": drawn.borrowed}


def _count(parts: Parts, classes: Classes) -> dict[str, int]:
    counts = count_parts(parts, classes).sum(axis=0)
    return dict(zip(SPLITS, map(int, counts), strict=True))


def _by_time(
    scan: Scan, kept: KeptRows, column: str, labelled: npt.NDArray[np.bool_], declaration: Declaration
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
    timed = by_time(kept.times, labelled, *fractions)
    if timed is None:
        found = len(np.unique(kept.times[labelled & ~np.isnan(kept.times)]))
        message = (
            f"Expected labelled rows of at least {INSTANTS} different times, in column {column}. "
            f"Received: {found}."
        )
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


def _too_few(layout: Layout, units: Keys, classes: Classes) -> DatasetError:
    most = max(
        (count_distinct(units[classes == label]) for label in np.unique(classes[classes >= 0])), default=0
    )
    what, hint = "labelled rows", "Add rows; equal ones are all in one part."
    if layout.group is not None:
        what = f"groups ({layout.group}) with labelled rows"
        hint = "Add groups, or leave `group` out; a group is in one part."
    message = (
        f"Expected at least {UNITS} different {what} of one class, for train, validation and test. "
        f"Received: {most}."
    )
    return DatasetError("too_few_rows", message, hint)
