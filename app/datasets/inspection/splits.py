"""Which labelled rows train, validate and test.

With a split column its words decide. Without one, for each class of n ≥ 3 rows, test gets
max(1, ⌊n·test_fraction + ½⌋) rows, validation max(1, ⌊n·validation_fraction + ½⌋), train the rest; smaller
classes train. A regression and a multilabel task are one class.
"""

from __future__ import annotations

import math
from collections.abc import Iterable

from app.datasets.inspection.labels import Labels
from app.datasets.inspection.names import meant
from app.datasets.inspection.scanning import Scan
from app.datasets.reading.declaration import Declaration
from app.datasets.reading.description import DateSplit, SplitPlan
from app.datasets.reading.errors import DatasetError
from app.datasets.reading.profile import Notice
from app.datasets.reading.splits_words import WORDS
from app.datasets.reading.words import SPLITS

_WORDS = "train, validation (or val, valid, dev) or test"


def split_word(cell: str) -> str | None:
    """train, validation or test; None for any other word."""
    return WORDS.get(cell.strip().lower())


def find_split(names: list[str], label: str, declaration: Declaration) -> str | None:
    """The declared split column, or one called `split` that may turn out to hold other things.

    Raises:
        DatasetError: if the declared column is not there or is the label.
    """
    if declaration.split is None:
        return "split" if "split" in names and label != "split" else None
    if declaration.split in names and declaration.split != label:
        return declaration.split
    received = "the label" if declaration.split == label else "no such column"
    message = f"Expected a column {declaration.split} of split words beside the label. Received: {received}."
    hint = "Declare another `split`, or leave it out."
    if declaration.split != label and "Did" in (near := meant(declaration.split, names)):
        hint = near
    raise DatasetError("split_not_found", message, hint)


def is_split(scan: Scan, name: str, *, declared: bool) -> bool:
    """Whether the column holds split words only.

    Raises:
        DatasetError: if it was declared to, and does not.
    """
    tally = scan.columns[name].tally
    wrong = [str(word) for word in tally.counts if split_word(str(word)) is None]
    if tally.exact and tally.counts and not wrong:
        return True
    if declared:
        received = ", ".join(wrong[:5]) or "no words"
        error = {"row": None, "column": name, "expected": _WORDS, "received": received}
        message = f"Expected {_WORDS}, in column {name}. Received: {received}."
        raise DatasetError("wrong_split", message, "Correct these words, or leave `split` out.", [error])
    return False


def plan(
    scan: Scan, labels: Labels, column: str | None, declaration: Declaration, dates: DateSplit | None = None
) -> SplitPlan:
    """How many labelled rows train, validate and test.

    Raises:
        DatasetError: if nothing trains, nothing would test, or a class has no row to train on.
    """
    rows = _by_words(scan, labels, column) if column else _by_fractions(scan, labels, declaration)
    return SplitPlan(
        column=column,
        dates=dates if column else None,
        seed=declaration.seed,
        validation_fraction=declaration.validation_fraction,
        test_fraction=declaration.test_fraction,
        rows=rows,
    )


def _by_words(scan: Scan, labels: Labels, column: str) -> dict[str, int]:
    rows = dict.fromkeys(SPLITS, 0)
    for word, count in scan.splits.counts.items():
        rows[split_word(word) or "train"] += count
    if not rows["train"]:
        message = f"Expected rows to train on, in column {column}. Received: none with a label."
        raise DatasetError("no_train_rows", message, "Mark rows with the word train.")
    trained = set()
    for key in scan.split_classes.counts:
        word, _, name = key.partition("\x1f")
        if split_word(word) == "train":
            trained.add(name)
    for name in labels.names:
        if name not in trained:
            error = {
                "row": None,
                "column": column,
                "expected": "train",
                "received": f"no train row of {name}",
            }
            expected = f"rows to train on of every class, in column {column}"
            message = f"Expected {expected}. Received: none of class {name}."
            raise DatasetError("class_without_train_rows", message, "Mark some of its rows train.", [error])
    return rows


def _by_fractions(scan: Scan, labels: Labels, declaration: Declaration) -> dict[str, int]:
    one = labels.task in ("regression", "multilabel")
    counts = [scan.labelled_rows] if one else [known.count for known in labels.classes]
    rows = planned_rows(counts, declaration.validation_fraction, declaration.test_fraction)
    if not rows["test"]:
        message = (
            "Expected at least 3 labelled rows of one class, for train, validation and test. "
            f"Received: {max(counts)}."
        )
        raise DatasetError("too_few_rows", message, "Add rows.")
    return rows


def untested(scan: Scan, labels: Labels, column: str | None) -> list[Notice]:
    """Classes without a test row, where others have some by a split column."""
    if column is None or labels.task == "regression":
        return []
    tested = {
        name
        for key in scan.split_classes.counts
        for word, _, name in [key.partition("\x1f")]
        if split_word(word) == "test"
    }
    lost = [name for name in labels.names if name not in tested]
    if not tested or not lost:
        return []
    more = f" and {len(lost) - 10} more" if len(lost) > 10 else ""
    message = (
        f"No row of these classes is marked test, so that nobody will know how well they are told: "
        f"{', '.join(lost[:10])}{more}. Mark some of their rows test, or leave them out."
    )
    return [Notice(code="class_without_test_rows", column=column, message=message)]


def planned_rows(counts: Iterable[int], validation_fraction: float, test_fraction: float) -> dict[str, int]:
    """Rows in train, validation and test for classes of these sizes."""
    rows = dict.fromkeys(SPLITS, 0)
    for count in counts:
        large = count >= 3
        test = max(1, math.floor(count * test_fraction + 0.5)) if large else 0
        validation = max(1, math.floor(count * validation_fraction + 0.5)) if large else 0
        for name, share in zip(SPLITS, (count - test - validation, validation, test), strict=True):
            rows[name] += share
    return rows


def notices(column: str | None, candidate: str | None, rows: dict[str, int]) -> list[Notice]:
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
