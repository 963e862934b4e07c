"""What the uploader should know about a file that is accepted."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping

import pyarrow as pa
import pyarrow.compute as pc

from app.datasets.inspection import archives, precision
from app.datasets.inspection.advice import as_sent, fields
from app.datasets.inspection.columns import ColumnScan
from app.datasets.inspection.duplicates import contradictions
from app.datasets.inspection.form_notices import (
    codes_as_numbers,
    days_as_numbers,
    missing_words,
    written_otherwise,
)
from app.datasets.inspection.label_forms import label_lists
from app.datasets.inspection.labels import Labels
from app.datasets.inspection.layout import Layout
from app.datasets.inspection.leaks import tells_class, tells_number
from app.datasets.inspection.near_notices import near_notices
from app.datasets.inspection.offers import offers, offers_beside
from app.datasets.inspection.scanning import Scan
from app.datasets.inspection.splits import Split
from app.datasets.reading.cells import text_of
from app.datasets.reading.declaration import Declaration
from app.datasets.reading.profile import Notice, ValueCount
from app.datasets.reading.words import Role

FEW_ROWS = 10
_IDENTIFIER_ROWS = 20
_MADE = ("file", "file_name", "header", "id")  # by the reading of archives and FASTA
_NO_NAMES = ("mostly_numbers", "mostly_dates", "decimal_comma", "numbers_as_text")
MAX_CATEGORIES = 256  # the default of a network's `max_categories`


def find_notices(
    layout: Layout,
    declaration: Declaration,
    scan: Scan,
    labels: Labels,
    roles: Mapping[str, Role],
    sample: Mapping[str, pa.Array],
    split: Split,
) -> list[Notice]:
    """All notices about the file, its columns and its classes."""
    found = encoding_guessed(layout, declaration) + _passed_over(layout)
    found += _duplicates(split) + _few_rows(labels)
    found += (
        _variants(labels) + _written(layout, scan, layout.label, sample) + label_lists(scan, layout, labels)
    )
    if layout.input is not None:
        told: list[Notice] = scan.columns[layout.input].notices()
        others = [name for name in layout.options.columns if name not in layout.columns]
        beside = [name for name in others if name not in _MADE]
        found += told + near_notices(split, layout, labels)
        return found + _left_out(layout, others) + offers_beside(beside, split)
    for name, column in scan.columns.items():
        if roles[name] == "ignored":
            found.append(
                _index(name) if layout.is_index(name) and column.type else _empty(name, column.words)
            )
        if roles[name] == "feature":
            written = _written(layout, scan, name, sample)
            found += _constant(column) + written
            if not any(notice.code in _NO_NAMES for notice in written):
                found += _identifier(column) + _many_categories(column)
            found += precision.notices(column, sample[name])
    found += _contradicting_rows(scan, labels, roles, split) + offers(scan, roles, split)
    if labels.task == "multilabel":  # no one column tells several labels
        return found
    return found + _leaks(labels, layout.label, roles, sample)


def encoding_guessed(layout: Layout, declaration: Declaration) -> list[Notice]:
    """Told where the bytes do not say it themselves."""
    encoding = layout.options.encoding
    if declaration.encoding or encoding is None or encoding.startswith(("utf", "ascii")):
        return []
    message = f"The file is not UTF-8; it was read as {encoding}, a guess. Declare its `encoding` to be sure."
    return [Notice(code="encoding_guessed", message=message)]


def _duplicates(split: Split) -> list[Notice]:
    found = split.duplicates
    if not found.count:
        return []
    message = f"{found.count} rows have the input and the label of an earlier row."
    if split.plan.by in ("key", "group"):
        message += " Equal rows are in one part: none of them trains and tests."
    return [Notice(code="duplicate_rows", rows=found.rows, message=message)]


def _few_rows(labels: Labels) -> list[Notice]:
    few = [known for known in labels.classes if known.count < FEW_ROWS]
    if not few:
        return []
    message = f"Classes with fewer than {FEW_ROWS} rows are hardly learnt or tested: {_with_counts(few)}."
    return [Notice(code="few_rows_in_class", message=message)]


def _with_counts(few: list[ValueCount]) -> str:
    more = f" and {len(few) - 10} more" if len(few) > 10 else ""
    return ", ".join(f"{known.value} ({known.count})" for known in few[:10]) + more


def _passed_over(layout: Layout) -> list[Notice]:
    if not layout.options.before:
        return []
    lines = ", ".join(map(repr, layout.options.before[:3]))
    count = len(layout.options.before)
    what = "The first line was" if count == 1 else f"The first {count} lines were"
    message = f"{what} passed over, as no part of the table: {lines}. The header was read after it."
    return [Notice(code="lines_passed_over", message=message)]


def _index(name: str) -> Notice:
    send = fields(types={name: "number"})
    message = (
        f"The column {name} counts the rows, as the index that pandas writes, and is left out. Send "
        f"{as_sent(send)} to keep it; to_csv(index=False) writes none."
    )
    return Notice(code="index_left_out", column=name, message=message, send=send)


def _written(layout: Layout, scan: Scan, name: str, sample: Mapping[str, pa.Array]) -> list[Notice]:
    """How the cells of a column are written, where it may be read as it was not meant."""
    if name in layout.declared or name == layout.input:
        return []
    column, is_label = scan.columns[name], name == layout.label
    found = [
        written_otherwise(column, layout.conventions_of(name)),
        missing_words(column, is_label=is_label),
        None if is_label else days_as_numbers(column, sample[name]),
        *(codes_as_numbers(name, scan.codes[name]) if name in scan.codes else ()),
    ]
    return [notice for notice in found if notice is not None]


def _many_categories(column: ColumnScan) -> list[Notice]:
    if column.type != "category" or column.tally.distinct <= MAX_CATEGORIES:
        return []
    more = "" if column.tally.exact else "at least "
    left_out = as_sent(fields(ignore=column.name))
    message = (
        f"The column {column.name} has {more}{column.tally.distinct} different values. A network keeps "
        f"`network.max_categories` of them, by default the {MAX_CATEGORIES} most frequent; the other "
        f"{more}{column.tally.distinct - MAX_CATEGORIES} share one place. Ask for more in the job, or "
        f"leave the column out: {left_out}."
    )
    return [Notice(code="many_categories", column=column.name, message=message)]


def _contradicting_rows(scan: Scan, labels: Labels, roles: Mapping[str, Role], split: Split) -> list[Notice]:
    types = [scan.columns[name].type for name, role in roles.items() if role == "feature"]
    if labels.task == "regression" or types == ["number"]:  # which repeat by rounding
        return []
    rows = len(split.facts)
    if split.different == rows or 2 * split.different < rows:  # a matter of chance where inputs repeat
        return []
    found = contradictions(split.facts.keys[:, 0], split.kept.labels)
    if not found.count:
        return []
    message = (
        f"{found.count} rows have the same input as an earlier row and another label, such as the rows "
        f"{', '.join(map(str, found.rows))}. No model can be right in both."
    )
    return [Notice(code="contradicting_labels", rows=found.rows, message=message)]


def _empty(name: str, words: Mapping[str, object]) -> Notice:
    if words:
        send = fields(missing={name: []})
        message = (
            f"The column {name} has no values and is left out: {', '.join(map(repr, words))} was read as "
            f"missing. If that is a value, send {as_sent(send)}."
        )
        return Notice(code="empty_column", column=name, message=message, send=send)
    message = f"The column {name} has no values and is left out. Declare its type to keep it."
    return Notice(code="empty_column", column=name, message=message)


def _variants(labels: Labels) -> list[Notice]:
    """Classes that differ by capitals, blanks, accents or a full stop at the end, never by other signs."""
    spelt: dict[str, list[str]] = {}
    for name in labels.names:
        spelt.setdefault(_spelling(name), []).append(name)
    return [
        Notice(
            code="label_variants",
            message=f"The classes {', '.join(map(repr, names))} differ only in spelling. Are they one?",
        )
        for names in spelt.values()
        if len(names) > 1
    ]


def _spelling(name: str) -> str:
    letters = unicodedata.normalize("NFKD", name.casefold())
    letters = re.sub(r"[\u0300-\u036f]", "", letters)
    letters = re.sub(r"(?<=[^\W\d_])[-_\s]+(?=[^\W\d_])", "", letters)  # well-known, well known
    return re.sub(r"\s+", "", letters).rstrip(".") or name


def _left_out(layout: Layout, others: list[str]) -> list[Notice]:
    found = []
    if others and layout.format not in ("zip", "fasta"):  # what those hold besides was made by the reading
        message = (
            f"The columns {', '.join(others[:20])} are left out: {layout.kind} data has one input. "
            "To learn from a table of them, declare `kind` as tabular."
        )
        found.append(Notice(code="columns_left_out", message=message))
    return found + (archives.notices(layout.path, layout.options) if layout.format == "zip" else [])


def _constant(column: ColumnScan) -> list[Notice]:
    if column.missing or column.tally.distinct != 1:
        return []
    value = column.value_counts()[0].value[:80] if column.type != "date" else "the same date"
    message = f"The column {column.name} is {value} in every row; nothing can be learnt from it."
    return [Notice(code="constant_column", column=column.name, message=message)]


def _identifier(column: ColumnScan) -> list[Notice]:
    whole = column.type == "number" and column.moments.whole
    if column.tally.values < _IDENTIFIER_ROWS or not (whole or column.type == "category"):
        return []
    if whole and column.moments.step:
        reason = "it counts up by 1"
    elif column.tally.all_differ:
        reason = f"no value comes twice in the first {column.tally.counted_values} values"
    else:
        return []
    send = fields(ignore=column.name)
    told = f"The column {column.name} looks like an identifier: {reason}."
    message = f"{told} If it is one, leave it out: {as_sent(send)}."
    return [Notice(code="identifier", column=column.name, message=message, send=send)]


def _leaks(
    labels: Labels, label: str, roles: Mapping[str, Role], sample: Mapping[str, pa.Array]
) -> list[Notice]:
    there = pc.is_valid(sample[label])
    truth = sample[label].filter(there)
    regression = labels.task == "regression"
    truth = truth if regression else text_of(truth)
    found = []
    for name, role in roles.items():
        if role != "feature":
            continue
        feature = sample[name].filter(there)
        message = _by_correlation(name, feature, truth) if regression else _by_classes(name, feature, truth)
        if message:
            found.append(Notice(code="gives_label_away", column=name, message=message))
    return found


def _advice(name: str) -> str:
    return f"If it is only known together with the label, leave it out: {as_sent(fields(ignore=name))}."


def _by_correlation(name: str, feature: pa.Array, truth: pa.Array) -> str | None:
    correlation = tells_number(feature, truth) if pa.types.is_floating(feature.type) else None
    if correlation is None:
        return None
    return (
        f"The column {name} correlates with the label by {correlation:.4f} in {_rows(truth)}. {_advice(name)}"
    )


def _by_classes(name: str, feature: pa.Array, truth: pa.Array) -> str | None:
    share = tells_class(feature, truth)
    if share is None:
        return None
    return f"The column {name} by itself tells the label in {share:.1%} of {_rows(truth)}. {_advice(name)}"


def _rows(truth: pa.Array) -> str:
    return f"the first {len(truth)} labelled rows"
