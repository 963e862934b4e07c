"""What is told of examples that nearly repeat others?"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from app.datasets.inspection.labels import Labels
from app.datasets.inspection.layout import Layout
from app.datasets.inspection.near_rows import NearRows, Places, first_of
from app.datasets.inspection.splits import Split
from app.datasets.partition.keys import Keys
from app.datasets.partition.parts import Parts
from app.datasets.reading.profile import Notice

_SHOWN = 5
_ALIKE = {
    "text": "are equal but for a few words or letters, or for capitals, blanks and punctuation",
    "image": "show the same picture, perhaps saved in another way or size",
    "sequence": "are equal but for a few letters, on either strand",
}


def near_notices(split: Split, layout: Layout, labels: Labels) -> list[Notice]:
    """Near-duplicates, those that would swallow a part, and those with different labels."""
    near = split.near
    if near is None:
        return []
    return [
        *_repeats(near, split.facts.parts, layout),
        *(_swallowing(near, layout) if split.plan.by == "key" else ()),
        *_contradictions(near, split.kept.labels, layout, labels),
    ]


def _repeats(near: NearRows, parts: Parts, layout: Layout) -> list[Notice]:
    count = len(near.repeats)
    if not count:
        return []
    kind = layout.kind
    rest = "" if near.searched == len(parts) else f" Only the first {near.searched} rows were compared so."
    apart = int((parts != parts[first_of(near.clusters)])[near.repeats].sum())
    where = "each is in one part with those that it repeats"
    if apart:
        where = f"{apart} of them stand in another part of the split, where they make the test easier"
    message = f"{count} {kind}s nearly repeat an earlier one (they {_ALIKE[kind]}); {where}.{rest}"
    return [Notice(code="near_duplicates", column=layout.input, rows=_shown(near.repeats), message=message)]


def _swallowing(near: NearRows, layout: Layout) -> list[Notice]:
    apart = np.flatnonzero(near.units != near.clusters)
    if not len(apart):
        return []
    rows = np.flatnonzero(np.isin(near.clusters, near.clusters[apart]))
    message = (
        f"{len(rows)} {layout.kind}s are so much alike, as if made from a template, that too little would be "
        "left to train, validate or test: only equal ones of them are kept in one part. The test tells how "
        "well others of their like are answered, not new ones. To keep them together nevertheless, send "
        "`group` with a column that says which belong together."
    )
    return [Notice(code="near_duplicates_apart", column=layout.input, rows=_shown(rows), message=message)]


def _contradictions(near: NearRows, told: Keys, layout: Layout, labels: Labels) -> list[Notice]:
    """The same input under different labels, of which at most one can be predicted."""
    if labels.task == "regression":
        return []
    rows = np.flatnonzero(told != 0)
    same = _same(near, layout)[rows]
    first = rows[first_of(same)]
    contrary = rows[(told[first] != told[rows]) & (same != 0)]
    if not len(contrary):
        return []
    message = (
        f"{len(contrary)} {layout.kind}s repeat an earlier one under another label. At most one of "
        "the two can be right; correct the labels, or declare the task multilabel if both are meant."
    )
    return [Notice(code="contradicting_labels", column=layout.label, rows=_shown(contrary), message=message)]


def _same(near: NearRows, layout: Layout) -> npt.NDArray[Any]:
    """What those share that differ in nothing that matters, 0 of what is empty: pictures of one cluster, and
    of the others those of one signature."""
    if layout.kind == "image":
        return near.clusters
    whole = near.signatures.view(f"V{near.signatures.shape[1]}").ravel()
    _, same = np.unique(whole, return_inverse=True)
    return np.where(near.signatures[:, 0] == 0, 0, same + 1)


def _shown(rows: Places) -> list[int]:
    return [int(row) + 1 for row in rows[:_SHOWN]]
