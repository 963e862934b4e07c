"""FASTA: a header line `>…` and lines of letters an example; the label stands in the header."""

from __future__ import annotations

import io
import re
from collections.abc import Iterable, Iterator
from pathlib import Path

import pyarrow as pa

from ..schema import DatasetError, Declaration, Limits, ReadOptions
from .stream import find_compression, find_encoding, open_stream

ROWS = 4096
_MAX_CLASSES = 1000
# Searched in headers of any length: the time each takes may not grow with the square of it.
_LABELS = (
    r"(?i)\b(?:label|class)\s*[=:]\s*([^\s|;,]+)",
    r"\|([^|]*[^|\s])\s*$",
    r"\s(\S+)\s*$",
    r"^\s*(\S+)\s*$",
)
_SPLIT = r"(?i)\bsplit\s*[=:]\s*(\w+)"


def recognise(path: Path, declaration: Declaration, limits: Limits | None = None) -> ReadOptions:
    """Where in the headers the label and the split are.

    Labels are looked for as `label=…` or `class=…`, after the last `|`, after the last blank, and as the
    whole header, in this order; the first that every header has and that repeats is taken.

    Raises:
        DatasetError: no label is found.
    """
    find_encoding(path, "utf-8", limits)
    candidates: dict[str, set[str]] = {expression: set() for expression in _LABELS}
    has_split, rows, first = True, 0, ""
    for header, _ in _records(path):
        rows, first = rows + 1, first or header
        for expression in list(candidates):
            found = re.search(expression, header)
            if found is None or len(candidates[expression]) > _MAX_CLASSES:
                del candidates[expression]
            else:
                candidates[expression].add(found[1].strip())
        has_split = has_split and re.search(_SPLIT, header) is not None
        if not candidates:
            break
    fitting = [one for one, classes in candidates.items() if 2 <= len(classes) <= max(rows // 2, 2)]
    if not fitting:
        message = (
            "Expected a label in every header, as label=…, after the last | or after the last blank, of 2 "
            f"classes or more that repeat. Received: >{first[:80]}"
        )
        hint = "Write the label into the headers, or upload a zip with one FASTA file a class."
        raise DatasetError("label_not_found", message, hint)
    columns = ["sequence", "label", *(["split"] if has_split else []), "header"]
    return ReadOptions(
        columns=columns, compression=find_compression(path), encoding="utf-8", header=fitting[0]
    )


def open_batches(path: Path, options: ReadOptions) -> Iterator[pa.RecordBatch]:
    """Batches of text columns."""
    rows: list[list[str | None]] = []
    for header, sequence in _records(path):
        found = {"sequence": sequence, "header": header}
        for name, expression in (("label", options.header or ""), ("split", _SPLIT)):
            match = re.search(expression, header)
            found[name] = match[1].strip() if match else ""
        rows.append([found[name] or None for name in options.columns])
        if len(rows) == ROWS:
            yield _batch(rows, options.columns)
            rows = []
    if rows:
        yield _batch(rows, options.columns)


def _batch(rows: list[list[str | None]], columns: list[str]) -> pa.RecordBatch:
    arrays = [pa.array(cells, pa.string()) for cells in zip(*rows, strict=True)]
    return pa.RecordBatch.from_arrays(arrays, names=columns)


def _records(path: Path) -> Iterator[tuple[str, str]]:
    with open_stream(path) as stream, io.TextIOWrapper(stream, "utf-8-sig", newline=None) as text:
        yield from records(text)


def records(lines: Iterable[str]) -> Iterator[tuple[str, str]]:
    """Header without its `>`, and sequence, of each record.

    Raises:
        DatasetError: text before the first header, or a header without a sequence.
    """
    header: str | None = None
    parts: list[str] = []
    for number, line in enumerate(lines, start=1):
        line = line.strip()
        if line.startswith(">"):
            if header is not None:
                yield header, _joined(header, parts, number)
            header, parts = line[1:].strip(), []
        elif line and not line.startswith(";"):
            if header is None:
                message = f"Expected FASTA, which begins with >. Received: {line[:80]} in line {number}."
                raise DatasetError("not_fasta", message, "Put a header line before each sequence.")
            parts.append(line)
    if header is not None:
        yield header, _joined(header, parts, -1)


def _joined(header: str, parts: list[str], line: int) -> str:
    if parts:
        return "".join(parts)
    where = "at the end of the file" if line < 0 else f"before line {line}"
    message = f"Expected a sequence after each header. Received: none after >{header[:80]}, {where}."
    raise DatasetError("empty_sequence", message, "Leave the header out.")
