"""How much memory does the baseline need at least, while its candidates are fitted one after another?"""

from __future__ import annotations

from app.datasets.reading.words import Kind
from app.jobs.requirements import Examples
from app.jobs.schemas import JobSpec
from app.models.signature import features

_MOST_ROWS, _MOST_VALUES, _MOST_POOLED = 20_000, 1 << 25, 5000
"""Of more, the baseline takes some: see `workers/transfer/baselines/readings.py` and `pooling.py`."""

_BYTES = 3 * 8
"""Of each value in double precision: as it is, centred, and scaled."""

_LEAST_WIDTH: dict[Kind, int] = {
    "tabular": 1,
    "text": 100,
    "sequence": 400,
    "image": 1024,
    "pairs": 40,
    "qa": 40,
}
"""Features of a row: a column's own, some words of a text, shares of k-mers, pixels 32 by 32, letters."""


def baseline_bytes(spec: JobSpec, source: Examples | None, target: Examples) -> int:
    """Bytes of the features of the rows that it is fitted on; their number is known of tables alone."""
    if not spec.evaluation.baseline:
        return 0
    description = target.description
    width = _LEAST_WIDTH[description.kind]
    if description.kind == "tabular":
        width *= max(1, len(features(description)))
    rows = description.split.rows["train"]
    if source is not None and description.kind not in ("pairs", "qa") and _is_pooled(source, target):
        rows += min(_MOST_POOLED, source.description.split.rows["train"])
    return _BYTES * width * min(rows, _MOST_ROWS, max(1, _MOST_VALUES // width))


def _is_pooled(source: Examples, target: Examples) -> bool:
    """Whether both have the same label, so that the source's rows are fitted on as well."""
    ours, theirs = target.description, source.description
    return (ours.label, ours.task, ours.classes) == (theirs.label, theirs.task, theirs.classes)
