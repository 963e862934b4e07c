"""Does a label look like several a row: a list as text, or parts with a separator that nobody declared?"""

from __future__ import annotations

import re

from app.datasets.inspection.advice import as_sent, fields
from app.datasets.inspection.labels import Labels
from app.datasets.inspection.layout import Layout
from app.datasets.inspection.scanning import Scan
from app.datasets.reading.profile import Notice

_LIST = re.compile(r"\[.*\]|\{.*\}|\(.*,.*\)", re.DOTALL)
_SEPARATORS = (";", "|", ",", "/", "+", "&")
_SURE = 2  # of them: the others stand in names of single classes as well


def label_lists(scan: Scan, layout: Layout, labels: Labels) -> list[Notice]:
    """What to send where several labels a row were taken for one."""
    if labels.task not in ("binary", "multiclass") or scan.columns[layout.label].type != "category":
        return []
    lists = [name for name in labels.names if _LIST.fullmatch(name)]
    if 2 * len(lists) >= len(labels.names):
        return [_notice(layout.label, f"lists as text ({lists[-1][:60]})", "[]")]
    separator = next(
        (
            sign
            for n, sign in enumerate(_SEPARATORS)
            if _separates(sign, labels.names, 1 if n >= _SURE else 0.5)
        ),
        None,
    )
    if separator is None:
        return []
    example = next(name for name in labels.names if separator in name)
    return [
        _notice(layout.label, f"several labels with {separator!r} between them ({example[:60]})", separator)
    ]


def _separates(sign: str, names: list[str], share: float) -> bool:
    """Whether the parts of classes with the sign in them are classes themselves, at least such a share."""
    whole = {name for name in names if sign not in name}
    parts = {part.strip() for name in names if sign in name for part in name.split(sign)}
    return bool(parts) and "" not in parts and len(parts & whole) >= share * len(parts)


def _notice(label: str, what: str, separator: str) -> Notice:
    send = fields(task="multilabel", separator=separator)
    message = (
        f"The label {label} looks like {what}, and each was taken for a class of its own. Send "
        f"{as_sent(send)} to learn the single labels."
    )
    return Notice(code="label_combinations", column=label, message=message, send=send)
