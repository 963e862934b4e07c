"""Which file of this folder knows an input's type, and which column of a table is one."""

from __future__ import annotations

from types import ModuleType
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from app.datasets.inspection.columns import ColumnScan
from app.datasets.inspection.kinds import image, sequence, text
from app.datasets.inspection.kinds.sequence import LETTERS
from app.datasets.reading.schema import KIND_OF, ColumnType, DatasetError, Declaration, Kind, Limits

MODULES: dict[Kind, ModuleType] = {"text": text, "image": image, "sequence": sequence}
_SCANS: dict[Kind, Any] = {"text": text.TextScan, "image": image.ImageScan}
_USUAL = {
    "text": ("text", "sentence", "review", "content", "message", "body"),
    "image": ("image", "img", "picture"),
    "sequence": ("sequence", "seq", "dna", "rna", "protein", "peptide"),
}
_WORDS_A_TEXT = 2.5
_LETTERS_A_SEQUENCE = 15


def new_scan(
    kind: Kind, name: str, declared: ColumnType | None, limits: Limits, said: ColumnType | None = None
) -> Any:
    """The scan of a column of this kind; `declared` as nucleotide or protein settles the alphabet."""
    if kind == "sequence":
        return sequence.SequenceScan(name, limits, declared, said)
    return _SCANS[kind](name, limits)


def declared_kind(declaration: Declaration, names: list[str]) -> Kind | None:
    """The kind that was declared, by itself or by the type of a column.

    Raises:
        DatasetError: the two disagree.
    """
    inputs = {name: KIND_OF[of] for name, of in declaration.types.items() if of in KIND_OF}
    kinds = {*inputs.values(), *([declaration.kind] if declaration.kind else [])}
    if len(kinds) > 1 or len(inputs) > 1:
        received = ", ".join(
            [*(f"{name} as {kind}" for name, kind in inputs.items()), declaration.kind or ""]
        )
        message = f"Expected one input of one kind of data. Received: {received.strip(', ')}."
        raise DatasetError("kinds_differ", message, "Declare one of them; the other columns are left out.")
    return next(iter(kinds), None)


def find_input(kind: Kind, names: list[str], taken: set[str], declaration: Declaration) -> str:
    """The declared input column, the one with a usual name, or the only one beside `taken`.

    Raises:
        DatasetError: there is none, or several.
    """
    of_type = [name for name, of in declaration.types.items() if of in KIND_OF]
    asked = declaration.input or (of_type[0] if of_type else None)
    free = [name for name in names if name not in taken]
    if asked is not None:
        if asked in free:
            return asked
        received = "the label or the split" if asked in taken else "no such column"
        message = f"Expected a column {asked}, the declared input. Received: {received}."
        raise DatasetError("input_not_found", message, f"The columns are {', '.join(names[:50])}.")
    usual = [name for name in free if name.lower() in _USUAL[kind]]
    found = usual if len(usual) == 1 else free
    if len(found) == 1:
        return found[0]
    message = (
        f"Expected one column of {kind}s beside the label, or one called {', '.join(_USUAL[kind])}. "
        f"Received: {', '.join(free[:50]) or 'no other column'}."
    )
    raise DatasetError("input_not_found", message, "Declare `input`, the name of the column.")


def guess_kind(column: ColumnScan, sample: pa.Array) -> Kind | None:
    """Whether the only feature of a table is texts or sequences, by its first values."""
    values = pc.drop_null(sample)
    if column.type != "category" or not len(values) or 2 * column.tally.distinct <= column.tally.values:
        return None
    listed = [value.strip() for value in values.to_pylist()[:1000]]
    letters = set("".join(listed).upper())
    mean = sum(map(len, listed)) / len(listed)
    if not any(" " in value for value in listed) and (
        mean >= _LETTERS_A_SEQUENCE and (letters <= set(LETTERS["protein"]) or letters <= set(LETTERS["rna"]))
    ):
        return "sequence"
    words = sum(len(value.split()) for value in listed) / len(listed)
    return "text" if words >= _WORDS_A_TEXT or mean > 40 else None
