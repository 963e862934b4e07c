"""What the uploader should know about a file that is accepted."""

from __future__ import annotations

from collections.abc import Mapping

import pyarrow as pa
import pyarrow.compute as pc

from app.datasets.inspection import archives, precision
from app.datasets.inspection.columns import ColumnScan
from app.datasets.inspection.duplicates import SEARCHED_ROWS, Duplicates
from app.datasets.inspection.labels import Labels
from app.datasets.inspection.leaks import tells_class, tells_number
from app.datasets.inspection.scanning import Layout, Scan
from app.datasets.reading.cells import text_of
from app.datasets.reading.schema import Declaration, Notice, Role

FEW_ROWS = 10
_IDENTIFIER_ROWS = 20
_LOCAL_NUMBER = r"^[+-]?\d{1,3}([., ']?\d{3})*[.,]\d+$"


def find_notices(
    layout: Layout,
    declaration: Declaration,
    scan: Scan,
    labels: Labels,
    roles: Mapping[str, Role],
    sample: Mapping[str, pa.Array],
) -> list[Notice]:
    """All notices about the file, its columns and its classes."""
    found = _encoding(layout, declaration) + _duplicates(scan.duplicates, scan.rows) + _few_rows(labels)
    found += _variants(labels)
    if layout.input is not None:
        told: list[Notice] = scan.columns[layout.input].notices()
        others = [name for name in layout.options.columns if name not in layout.columns]
        return (
            found
            + told
            + _repeats(scan, layout)
            + _contradictions(scan, layout, labels)
            + _left_out(layout, others)
        )
    for name, column in scan.columns.items():
        if roles[name] == "ignored":
            found.append(_empty(name))
        if roles[name] == "feature":
            found += _constant(column) + _identifier(column) + _local_numbers(column, sample[name])
            found += precision.notices(column, sample[name])
    if labels.task == "multilabel":  # no one column tells several labels
        return found
    return found + _leaks(labels, layout.label, roles, sample)


def _encoding(layout: Layout, declaration: Declaration) -> list[Notice]:
    encoding = layout.options.encoding
    if declaration.encoding or encoding is None or encoding.startswith(("utf", "ascii")):
        return []
    message = f"The file is not UTF-8; it was read as {encoding}, a guess. Declare its `encoding` to be sure."
    return [Notice(code="encoding_guessed", message=message)]


def _duplicates(duplicates: Duplicates, rows: int) -> list[Notice]:
    if not duplicates.count:
        return []
    among = (
        f" of the first {SEARCHED_ROWS} rows, which were compared," if duplicates.searched < rows else " rows"
    )
    message = f"{duplicates.count}{among} are equal to an earlier row; the same row may train and test."
    return [Notice(code="duplicate_rows", rows=duplicates.rows, message=message)]


def _few_rows(labels: Labels) -> list[Notice]:
    few = [known for known in labels.classes if known.count < FEW_ROWS]
    if not few:
        return []
    listed = ", ".join(f"{known.value} ({known.count})" for known in few[:10])
    more = f" and {len(few) - 10} more" if len(few) > 10 else ""
    message = f"Classes with fewer than {FEW_ROWS} rows are hardly learnt or tested: {listed}{more}."
    return [Notice(code="few_rows_in_class", message=message)]


def _empty(name: str) -> Notice:
    message = f"The column {name} has no values and is left out. Declare its type to keep it."
    return Notice(code="empty_column", column=name, message=message)


def _variants(labels: Labels) -> list[Notice]:
    """Classes that differ by capitals, blanks and punctuation alone."""
    spelt: dict[str, list[str]] = {}
    for name in labels.names:
        spelt.setdefault("".join(filter(str.isalnum, name.casefold())) or name, []).append(name)
    return [
        Notice(
            code="label_variants",
            message=f"The classes {', '.join(map(repr, names))} differ by spelling alone. Are they one?",
        )
        for names in spelt.values()
        if len(names) > 1
    ]


def _repeats(scan: Scan, layout: Layout) -> list[Notice]:
    """Examples that are nearly an earlier one: what a test row may be of a train row."""
    repeats = scan.repeats
    if not repeats.count:
        return []
    same = {
        "text": "differ by capitals, blanks and punctuation alone, or not at all",
        "image": "show the same picture, perhaps saved in another way or size",
        "sequence": "are the same, or the reverse complement",
    }[layout.kind]
    where = "the same example may train and test"
    if layout.split:
        where = f"{repeats.apart} of them stand in another part of the split, where they make the test easier"
    message = f"{repeats.count} {layout.kind}s repeat an earlier one (they {same}); {where}."
    return [Notice(code="near_duplicates", column=layout.input, rows=repeats.rows, message=message)]


def _contradictions(scan: Scan, layout: Layout, labels: Labels) -> list[Notice]:
    """The same input under different labels, of which at most one can be predicted."""
    repeats = scan.repeats
    if not repeats.contradictions or labels.task == "regression":
        return []
    message = (
        f"{repeats.contradictions} {layout.kind}s repeat an earlier one under another label. At most one of "
        "the two can be right; correct the labels, or declare the task multilabel if both are meant."
    )
    return [Notice(code="contradicting_labels", column=layout.label, rows=repeats.contrary, message=message)]


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
    message = f"The column {column.name} looks like an identifier: {reason}. Leave it out if it is one."
    return [Notice(code="identifier", column=column.name, message=message)]


def _local_numbers(column: ColumnScan, values: pa.Array) -> list[Notice]:
    if column.type != "category" or values.null_count == len(values):
        return []
    if not pc.all(pc.match_substring_regex(values, _LOCAL_NUMBER)).as_py():
        return []
    example = values.drop_null()[0].as_py()
    message = (
        f"The column {column.name} looks like numbers with a decimal comma or thousands separators "
        f"({example}). These are not guessed: it was read as text. Write numbers as 1234.5."
    )
    return [Notice(code="decimal_comma", column=column.name, message=message)]


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


_ADVICE = "If it is only known together with the label, leave it out."


def _by_correlation(name: str, feature: pa.Array, truth: pa.Array) -> str | None:
    correlation = tells_number(feature, truth) if pa.types.is_floating(feature.type) else None
    if correlation is None:
        return None
    return f"The column {name} correlates with the label by {correlation:.4f} in {_rows(truth)}. {_ADVICE}"


def _by_classes(name: str, feature: pa.Array, truth: pa.Array) -> str | None:
    share = tells_class(feature, truth)
    if share is None:
        return None
    return f"The column {name} alone tells the label in {share:.1%} of {_rows(truth)}. {_ADVICE}"


def _rows(truth: pa.Array) -> str:
    return f"the first {len(truth)} labelled rows"
