"""Which rows of pairs and questions train, validate and test, and which are in no part?"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from app.datasets.inspection.duplicates import SHOWN, duplicates
from app.datasets.inspection.language.columns import LanguageKind
from app.datasets.inspection.language.pairs import PairsScan
from app.datasets.inspection.language.questions import QuestionsScan
from app.datasets.partition.keys import Keys, count_distinct
from app.datasets.partition.parts import TRAIN, UNITS, UNLABELLED, VALIDATION, Classes, draw
from app.datasets.partition.rows_file import RowFacts
from app.datasets.partition.sides import FEW_UNITS, NO_PART, dealt, without_shared
from app.datasets.reading.declaration import Declaration
from app.datasets.reading.description import SplitPlan
from app.datasets.reading.errors import DatasetError
from app.datasets.reading.profile import Notice
from app.datasets.reading.words import SPLITS

_WHAT: dict[LanguageKind, str] = {
    "pairs": "share a sentence, on either side,",
    "qa": "ask about a context",
}


@dataclass(frozen=True, eq=False)
class Parting:
    """How the rows are split, what is kept of each, and what is told; `labelled` bool (n,)."""

    plan: SplitPlan
    facts: RowFacts
    labelled: npt.NDArray[np.bool_]
    notices: list[Notice] = field(default_factory=list)


def part_rows(
    scan: PairsScan | QuestionsScan,
    words: npt.NDArray[np.uint8] | None,
    groups: Keys | None,
    declaration: Declaration,
    kind: LanguageKind,
) -> Parting:
    """By the words of a split column, else by what shares a sentence, an article, a context or a group.

    Raises:
        DatasetError: nothing is left to train on, or nothing would test.
    """
    labelled = ~scan.empty
    keys = scan.keys
    units = scan.units(None if groups is None else np.where(groups == 0, keys[:, -1], groups))
    classes: Classes = np.where(labelled, 0, UNLABELLED).astype(np.int16)
    borrowed = 0
    if words is None:
        fractions = (declaration.validation_fraction, declaration.test_fraction)
        different = count_distinct(units[labelled])
        if different < UNITS:
            raise _too_few(kind, different)
        if different < FEW_UNITS:
            parts = np.full(len(units), TRAIN)
            parts[labelled] = dealt(units[labelled], declaration.seed, *fractions)
        else:
            drawn = draw(units, classes, declaration.seed, *fractions)
            parts, borrowed = drawn.parts, drawn.borrowed
    else:
        parts = words.copy()
    if kind == "pairs":
        parts[~labelled] = NO_PART
    before = parts
    parts = without_shared(parts, keys if kind == "pairs" else keys[:, :1])
    shared = np.flatnonzero((parts == NO_PART) & (before != NO_PART))
    told: dict[str, Any] = {"by": "key"}
    if words is not None:
        told = {"by": "column", "column": declaration.split or "split"}
    elif groups is not None:
        told = {"by": "group", "column": declaration.group}
    elif isinstance(scan, QuestionsScan) and scan.together is not None:
        told = {"by": "group", "column": scan.together}
    rows = {name: int((parts[labelled] == place).sum()) for place, name in enumerate(SPLITS)}
    plan = SplitPlan(
        **told,
        seed=declaration.seed,
        validation_fraction=declaration.validation_fraction,
        test_fraction=declaration.test_fraction,
        rows=rows,
        left_out=int((parts == NO_PART).sum()),
        borrowed=borrowed,
    )
    if not rows["train"]:
        received = f"none; {len(shared)} share a sentence or a context with others" if len(shared) else "none"
        message = f"Expected rows to train on. Received: {received}."
        raise DatasetError(
            "no_train_rows", message, "Mark more rows with the word train, or leave `split` out."
        )
    facts = RowFacts(parts, keys, units, None, scan.signatures)
    notices = [*_shared(shared, before, kind), *_missing(plan), *_repeated(keys, kind)]
    return Parting(plan, facts, labelled, notices)


def _shared(rows: npt.NDArray[np.int64], before: npt.NDArray[np.uint8], kind: LanguageKind) -> list[Notice]:
    if not len(rows):
        return []
    trained, validated = (int((before[rows] == part).sum()) for part in (TRAIN, VALIDATION))
    which = " and ".join(
        f"{count} {name} rows" for count, name in ((trained, "train"), (validated, "validation")) if count
    )
    message = (
        f"{which} {_WHAT[kind]} with rows that are held out, so that they would give the test away; they are "
        "left out."
    )
    if kind == "qa":
        message = message.replace(
            "a context with rows that are held out", "the context of rows that are held out"
        )
    return [Notice(code="shared_rows_left_out", rows=(rows[:SHOWN] + 1).tolist(), message=message)]


def _missing(plan: SplitPlan) -> list[Notice]:
    effects = {"validation": "the best weights cannot be told", "test": "the gain cannot be measured"}
    return [
        Notice(code=f"no_{name}_rows", column=plan.column, message=f"No row is in {name}, so {effect}.")
        for name, effect in effects.items()
        if not plan.rows[name]
    ]


def _repeated(keys: Keys, kind: LanguageKind) -> list[Notice]:
    found = duplicates(keys[:, 0], keys[:, 1]) if kind == "pairs" else duplicates(keys[:, 1], keys[:, 1])
    if not found.count:
        return []
    what = "both sentences" if kind == "pairs" else "the question and the context"
    message = f"{found.count} rows have {what} of an earlier row."
    return [Notice(code="duplicate_rows", rows=found.rows, message=message)]


def _too_few(kind: LanguageKind, found: int) -> DatasetError:
    what = "groups of rows that share no sentence" if kind == "pairs" else "articles or contexts"
    message = (
        f"Expected at least {UNITS} different {what}, for train, validation and test. Received: {found}."
    )
    hint = "Add rows, or say in a column `split` which rows train, validate and test."
    return DatasetError("too_few_rows", message, hint)
