"""What should the uploader know of which rows train, validate and test?"""

from __future__ import annotations

from app.datasets.inspection.duplicates import Found, apart
from app.datasets.inspection.labels import Labels
from app.datasets.inspection.layout import Layout
from app.datasets.inspection.scanning import Scan
from app.datasets.inspection.splits import WORDS_SAID, Split
from app.datasets.reading.profile import Notice


def split_notices(split: Split, layout: Layout, scan: Scan, labels: Labels) -> list[Notice]:
    """All of them."""
    column = split.plan.column if split.plan.by == "column" else None
    return [
        *_unused(layout.split, column),
        *_without_rows(split),
        *_untested(split, labels),
        *_without_word(scan, column),
        *_equal_rows_apart(split),
        *_groups_apart(split, layout),
        *_groups_joined(split, layout),
    ]


def _unused(candidate: str | None, column: str | None) -> list[Notice]:
    if candidate is None or candidate == column:
        return []
    message = f"The column {candidate} is an ordinary feature: it holds other words than {WORDS_SAID}."
    return [Notice(code="split_not_used", column=candidate, message=message)]


def _without_rows(split: Split) -> list[Notice]:
    effects = {"validation": "early stopping has nothing to watch", "test": "the gain cannot be measured"}
    said = {"column": "is marked", "time": "is in"}.get(split.plan.by, "is in")
    return [
        Notice(
            code=f"no_{name}_rows",
            column=split.plan.column,
            message=f"No labelled row {said} {name}, so {effect}.",
        )
        for name, effect in effects.items()
        if not split.plan.rows[name]
    ]


def _untested(split: Split, labels: Labels) -> list[Notice]:
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


def _without_word(scan: Scan, column: str | None) -> list[Notice]:
    """Rows whose cell of the split column is missing: they train."""
    if column is None or not (missing := scan.columns[column].missing):
        return []
    words = ", ".join(map(repr, scan.columns[column].words))
    read_as = f" ({words} was read as missing)" if words else ""
    message = f"{missing} rows have no word in the column {column}{read_as}; they train."
    return [Notice(code="split_missing", column=column, message=message)]


def _equal_rows_apart(split: Split) -> list[Notice]:
    """Of parts that do not follow from what rows are: equal ones may train and test."""
    if split.plan.by not in ("column", "time") or split.different == len(split.facts):
        return []
    found = apart(split.facts.keys[:, 0], split.facts.parts)
    if not found.count:
        return []
    message = (
        f"{_rows(found)} in validation or test have the same input as one in another part, which makes the "
        "test easier than new rows are. Move them to one part, or leave them out"
    )
    message += f"; without `{'split' if split.plan.by == 'column' else 'time'}` equal rows are in one part."
    return [Notice(code="equal_rows_apart", column=split.plan.column, rows=found.rows, message=message)]


def _groups_apart(split: Split, layout: Layout) -> list[Notice]:
    if split.plan.by not in ("column", "time") or split.facts.groups is None:
        return []
    found = apart(split.facts.groups, split.facts.parts)
    if not found.count:
        return []
    message = (
        f"{_rows(found)} in validation or test are of a group ({layout.group}) with rows in another part, as "
        f"the column {split.plan.column} says. Without it, a group is in one part."
    )
    return [Notice(code="groups_apart", column=layout.group, rows=found.rows, message=message)]


def _groups_joined(split: Split, layout: Layout) -> list[Notice]:
    joined = split.groups
    if split.plan.by != "group" or joined is None or not joined.groups:
        return []
    same = "the same" if layout.kind == "tabular" else "the same or nearly the same"
    shared = f"{joined.groups} groups ({layout.group}) share rows of {same} input with another"
    if not joined.kept_apart:
        message = f"{shared}, so that they stay together, in one part."
        return [Notice(code="groups_joined", column=layout.group, message=message)]
    found = apart(split.facts.keys[:, 0], split.facts.parts)
    message = (
        f"{shared}. They were not joined, since more than a third of all rows would be one group then; so "
        f"{_rows(found)} in validation or test have the same input as one in another part."
    )
    return [Notice(code="equal_rows_apart", column=layout.group, rows=found.rows, message=message)]


def _rows(found: Found) -> str:
    return f"{found.count} row{'' if found.count == 1 else 's'}"
