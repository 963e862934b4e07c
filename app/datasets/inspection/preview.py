"""The first rows, as people see them."""

from __future__ import annotations

from typing import Any

import pyarrow as pa

from app.datasets.inspection.kinds import image
from app.datasets.inspection.kinds.registry import MODULES as KINDS
from app.datasets.inspection.layout import Layout
from app.datasets.inspection.scanning import Scan
from app.datasets.reading.cells import as_lists, convert, text_of

PREVIEW_ROWS = 100
_PREVIEW_CHARACTERS = 1000


def converted_sample(layout: Layout, scanned: Scan) -> dict[str, pa.Array]:
    table = pa.Table.from_batches(scanned.sample)
    return {
        name: table[name].combine_chunks()
        if name == layout.input
        else convert(table[name].combine_chunks(), column.type or "category", layout.conventions_of(name))
        for name, column in scanned.columns.items()
    }


def preview(layout: Layout, scanned: Scan, sample: dict[str, pa.Array]) -> list[dict[str, Any]]:
    columns = {
        name: _shown_input(layout, scanned, values[:PREVIEW_ROWS])
        if name == layout.input
        else as_lists(values[:PREVIEW_ROWS])
        if name in layout.options.lists
        else _shown(values[:PREVIEW_ROWS])
        for name, values in sample.items()
    }
    return [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]


def _shown_input(layout: Layout, scanned: Scan, values: pa.Array) -> list[Any]:
    if layout.kind == "image" and layout.input is not None:
        return image.shown(values, scanned.columns[layout.input].levels)
    shown: list[Any] = KINDS[layout.kind].shown(values)
    return shown


def _shown(values: pa.Array) -> list[Any]:
    if pa.types.is_floating(values.type):
        return [
            int(x) if x is not None and x.is_integer() and abs(x) < 2**53 else x for x in values.to_pylist()
        ]
    if pa.types.is_boolean(values.type):
        return list(values.to_pylist())
    texts = text_of(values).to_pylist()
    return [
        text[:_PREVIEW_CHARACTERS] + "…" if text is not None and len(text) > _PREVIEW_CHARACTERS else text
        for text in texts
    ]
