"""Rows that a model gets wrong, rows whose labels may be: as files, and the first of them to show."""

import base64
import csv
import io
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image

from workers.transfer.data import Array, Rows, Signature
from workers.transfer.networks.inputs.pictures import decode
from workers.transfer.proof.label_issues import LabelIssues
from workers.transfer.proof.row_losses import label_probabilities, labels, row_losses, said

LISTED = 20
"""Rows that are shown; the files have all."""

PICTURES = 1000
"""Rows of images that have a thumbnail in the file, the first ones."""

SIDE = 64
_COLUMNS, _LETTERS = 8, 200
_FORMULA = re.compile(r"[=+\-@\t\r\n\uff1d\uff0b\uff0d\uff20]")  # wide signs count in Chinese and Japanese
_PLAIN = re.compile(r"[+-]?[0-9.,]+(e[+-]?[0-9]+)?", re.IGNORECASE)


def by_loss(signature: Signature, rows: Rows, p: Array) -> Array:
    """The places of rows by the loss of answers (n, k), the largest first."""
    order: Array = np.argsort(-row_losses(signature.task, rows.targets, p), kind="stable")
    return order


def write_wrong_rows(path: Path, signature: Signature, rows: Rows, answers: Mapping[str, Array]) -> None:
    """A Parquet file with one row a labelled row, in the order of the transfer's loss, the largest first.

    `row`: its number in the data set, from 0; `label`; for each arm `arm/answer`, the class, labels or number
    that it answers, `arm/probability` of the row's own class, and `arm/loss`; then `input/name` of each
    input, of images `thumbnail`, a JPEG of at most 64 pixels a side, of the first 1,000.
    """
    order = by_loss(signature, rows, answers["transfer"])
    ordered = rows.take(order)
    columns: dict[str, pa.Array] = {
        "row": pa.array(ordered.numbers.astype(np.int64)),
        "label": pa.array(labels(signature, ordered.targets), _type(signature)),
    }
    for arm, p in answers.items():
        own = p[order]
        columns[f"{arm}/answer"] = pa.array(said(signature, own), _type(signature))
        probabilities = label_probabilities(signature.task, ordered.targets, own)
        if probabilities is not None:
            columns[f"{arm}/probability"] = pa.array(probabilities)
        columns[f"{arm}/loss"] = pa.array(row_losses(signature.task, ordered.targets, own))
    for name, values in ordered.inputs.items():
        if signature.kind == "image":
            small = [_thumbnail(data) for data in values[:PICTURES]]
            columns["thumbnail"] = pa.array([*small, *[None] * (len(values) - len(small))], pa.binary())
        elif values.dtype == object:
            columns[f"input/{name}"] = pa.array([value or None for value in values], pa.string())
        else:
            columns[f"input/{name}"] = pa.array(values, mask=np.isnan(values))
    pq.write_table(pa.table(columns), path)


def _type(signature: Signature) -> pa.DataType:
    """That of a label."""
    types = {"regression": pa.float64(), "multilabel": pa.list_(pa.string())}
    return types.get(signature.task, pa.string())


def write_doubtful_labels(
    path: Path, signature: Signature, rows: Rows, p: Array, issues: LabelIssues | None
) -> None:
    """A CSV file to correct, with the rows whose labels are likely wrong, the most doubtful first.

    `row`: its number in the data set, from 0; `label`; `corrected`, empty, to be filled in; `suggested`, what
    the models say; `quality` of the label, from 0 to 1; then the inputs, but images. Several labels are
    joined by `|`. A cell of text that a spreadsheet would take for a formula has a ' before it.
    """
    places = np.zeros(0, np.int64) if issues is None else issues.worst_first
    found = rows.take(places)
    inputs = {} if signature.kind == "image" else found.inputs
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        names = [_cell(name) for name in inputs]
        writer.writerow(["row", "label", "corrected", "suggested", "quality", *names])
        told = zip(
            found.numbers, labels(signature, found.targets), said(signature, p[places]), places, strict=True
        )
        for at, (number, label, suggested, place) in enumerate(told):
            assert issues is not None
            cells = [_cell(values[at]) for values in inputs.values()]
            quality = f"{issues.quality[place]:.4f}"
            writer.writerow([int(number), _cell(label), "", _cell(suggested), quality, *cells])


def shown_wrong(signature: Signature, rows: Rows, answers: Mapping[str, Array]) -> list[dict[str, Any]]:
    """The first of them as plain JSON, with what each arm answers."""
    places = by_loss(signature, rows, answers["transfer"])[:LISTED]
    some = rows.take(places)
    shown = _shown(signature, some)
    for arm, p in answers.items():
        own = p[places]
        losses = row_losses(signature.task, some.targets, own)
        probabilities = label_probabilities(signature.task, some.targets, own)
        for at, answer in enumerate(said(signature, own)):
            shown[at].setdefault("arms", {})[arm] = {
                "answer": answer,
                "probability": None if probabilities is None else _number(probabilities[at]),
                "loss": _number(losses[at]),
            }
    return shown


def shown_doubtful(signature: Signature, rows: Rows, p: Array, issues: LabelIssues) -> list[dict[str, Any]]:
    """The first of them as plain JSON, with what the models say."""
    places = issues.worst_first[:LISTED]
    shown = _shown(signature, rows.take(places))
    for one, place, suggested in zip(shown, places, said(signature, p[places]), strict=True):
        one |= {"suggested": suggested, "quality": _number(issues.quality[place])}
    return shown


def _shown(signature: Signature, rows: Rows) -> list[dict[str, Any]]:
    told = labels(signature, rows.targets)
    shown: list[dict[str, Any]] = [
        {"row": int(number), "label": label} for number, label in zip(rows.numbers, told, strict=True)
    ]
    for at, one in enumerate(shown):
        if signature.kind == "image":
            (values,) = rows.inputs.values()
            small = _thumbnail(values[at])
            one["thumbnail"] = small and "data:image/jpeg;base64," + base64.b64encode(small).decode()
        else:
            names = list(rows.inputs)[:_COLUMNS]
            one["inputs"] = {name: _short(rows.inputs[name][at]) for name in names}
    return shown


def _thumbnail(data: Any) -> bytes | None:
    """None where it cannot be made: the row is told all the same."""
    try:
        pixels = decode(data, 3)
    except (OSError, ValueError):
        return None
    image = Image.fromarray(pixels.astype(np.uint8))
    image.thumbnail((SIDE, SIDE))
    out = io.BytesIO()
    image.save(out, "JPEG", quality=80)
    return out.getvalue()


def _short(value: Any) -> str | float | None:
    if isinstance(value, str):
        return (value if len(value) <= _LETTERS else value[: _LETTERS - 1] + "…") or None
    return _number(value)


def _number(value: Any) -> float | None:
    return float(value) if np.isfinite(value) else None


def _cell(value: Any) -> str:
    if isinstance(value, list):
        value = "|".join(value)
    if not isinstance(value, str):
        number = _number(value) if value is not None else None
        return "" if number is None else repr(number)
    return f"'{value}" if _FORMULA.match(value) and not _PLAIN.fullmatch(value) else value
