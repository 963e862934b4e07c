"""Which rows look as if they belong together or come one after the other, so that another split says more?"""

from __future__ import annotations

import re
from collections.abc import Mapping

from app.datasets.inspection.advice import as_sent, fields
from app.datasets.inspection.columns import ColumnScan
from app.datasets.inspection.scanning import Scan
from app.datasets.inspection.splits import Split
from app.datasets.reading.profile import Notice
from app.datasets.reading.words import Role

_DIFFERENT_DAYS = 10
_DIFFERENT_GROUPS = 5
_ROWS_A_GROUP = 1.2
_WHO = (
    "patient|subject|participant|person|people|user|customer|client|member|visitor|account|household|family|"
    "student|pupil|employee|worker|driver|player|donor|speaker|author|reviewer|animal|individual|group|session|"
    "visit|device|sensor|machine|station|site|hospital|school|store|shop|batch|plate|specimen|sample"
)
_GROUP = re.compile(
    rf"^(?:\w*[_ .-])?(?:{_WHO})s?(?:[_ .-]?(?:id|ids|no|nr|num|number|code|key|name))?$"
    r"|^\w*[_ .-](?:id|uid|uuid|guid|key)$|^(?:id|uid|uuid|guid)$",
    re.IGNORECASE,
)
_CAMEL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")


def is_called_like_a_group(name: str) -> bool:
    """Whether a column's name is that of who or what several rows may be of: patient_id, userId, session."""
    return _GROUP.match(_CAMEL.sub("_", name.strip())) is not None


def offers(scan: Scan, roles: Mapping[str, Role], split: Split) -> list[Notice]:
    """Fields to send for a split by time or by groups, where the rows are split by their hash."""
    if split.plan.by != "key":
        return []
    columns = [column for name, column in scan.columns.items() if roles[name] == "feature"]
    return _dated(columns) + _grouped(columns)


def offers_beside(names: list[str], split: Split) -> list[Notice]:
    """The field for a left-out column beside texts, images or sequences that is called like a group."""
    called = [name for name in names if is_called_like_a_group(name)]
    if split.plan.by != "key" or len(called) != 1:
        return []
    send = fields(group=called[0])
    message = (
        f"If several rows have the same {called[0]}, what is special of one trains and tests. If so, and if "
        f"the model is for new ones, send {as_sent(send)}: all rows of one are in one part then."
    )
    return [Notice(code="grouped_rows", column=called[0], message=message, send=send)]


def _dated(columns: list[ColumnScan]) -> list[Notice]:
    dates = [column.name for column in columns if column.type == "date"]
    if not dates or next(of for of in columns if of.name == dates[0]).tally.distinct < _DIFFERENT_DAYS:
        return []
    send = fields(time=dates[0])
    message = (
        f"The rows are dated by {dates[0]}, and the split takes them by chance: the test has days between "
        "those of the training, which flatters a model that is to predict later ones. If yours is, send "
        f"{as_sent(send)}: the last days are tested then, the ones before them validate."
    )
    return [Notice(code="dated_rows", column=dates[0], message=message, send=send)]


def _grouped(columns: list[ColumnScan]) -> list[Notice]:
    for column in columns:
        if is_called_like_a_group(column.name) and _repeats(column):
            send = fields(group=column.name)
            tally = column.tally
            message = (
                f"Several rows have the same {column.name} ({tally.distinct} different ones in "
                f"{tally.counted_values} rows), and the split takes rows by chance: what is special of one "
                f"trains and tests. If the model is for new ones, send {as_sent(send)}: all rows of one "
                "are in one part then."
            )
            return [Notice(code="grouped_rows", column=column.name, message=message, send=send)]
    return []


def _repeats(column: ColumnScan) -> bool:
    """Whether values come back, and are those of names or whole numbers."""
    whole = column.type == "number" and column.moments.whole
    tally = column.tally
    enough = tally.distinct >= _DIFFERENT_GROUPS and tally.counted_values >= _ROWS_A_GROUP * tally.distinct
    return (whole or column.type == "category") and enough
