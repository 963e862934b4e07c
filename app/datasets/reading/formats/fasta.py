"""FASTA: a header line `>…` and lines of letters an example; the label stands in the header."""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator
from pathlib import Path, PurePath
from typing import Literal

import pyarrow as pa

from ..declaration import Declaration
from ..description import ReadOptions
from ..errors import DatasetError
from ..limits import Limits
from .headers import Headers, find, pairs, split_of
from .stream import find_compression, find_encoding, open_stream

ROWS = 4096
_LETTERS: dict[str, Literal["nucleotide", "protein"]] = {
    ".faa": "protein",
    ".fna": "nucleotide",
    ".ffn": "nucleotide",
}


def recognise(path: Path, declaration: Declaration, limits: Limits | None = None) -> ReadOptions:
    """Where in the headers the label and the split are.

    Labels are looked for as `label=…`, `class=…` or `TARGET=…`, after the last `|`, in the words after the
    first, and as the whole header, in this order; of all but the keys, the first that every header has and
    that repeats is taken. `split=…`, or `SET=…` with `VALIDATION=…`, or a word for a part after the last `|`,
    is the split where every header has it; the label stands before it then.

    Raises:
        DatasetError: no label is found.
    """
    find_encoding(path, "utf-8", limits)
    headers = Headers(declaration.header)
    for header, _ in _records(path):
        headers.add(header)
    rule = headers.rule()
    if rule is None:
        raise _no_label(headers, declaration)
    return ReadOptions(
        columns=["sequence", "label", *(["split"] if headers.has_split else []), "header"],
        compression=find_compression(path),
        encoding="utf-8",
        header=rule,
        letters=letters_of([declaration.filename or ""]),
        names=headers.are_names(rule),
    )


def letters_of(names: Iterable[str]) -> Literal["nucleotide", "protein"] | None:
    """What the endings of all files say of their letters."""
    said = {_LETTERS.get(PurePath(name.lower().removesuffix(".gz")).suffix) for name in names}
    return said.pop() if len(said) == 1 else None


def _no_label(headers: Headers, declaration: Declaration) -> DatasetError:
    hint = "Write label=… into the headers, or upload a zip with one FASTA file a class."
    if declaration.header is not None:
        message = f"Expected a label in the headers, by the declared rule `{declaration.header}`, "
        message += f"of 2 classes or more. Received: >{headers.first[:80]}"
        return DatasetError("label_not_found", message, "Declare another `header`, or leave it out.")
    if headers.keys:
        known = ", ".join(list(headers.keys)[:8])
        hint += f" If a key says it, declare `header`, such as -F 'header=key {next(iter(headers.keys))}'"
        hint += f" (the headers have {known})."
    elif "]" in headers.first:
        hint += " If the brackets say it, declare it with -F header=bracket."
    elif headers.first_words_repeat:
        hint += " If the first word says it, send `-F 'header=word 1'`."
    message = (
        "Expected a label in every header, as label=…, after the last | or after the last blank, of 2 "
        f"classes or more that repeat. Received: >{headers.first[:80]}"
    )
    return DatasetError("label_not_found", message, hint)


def open_batches(path: Path, options: ReadOptions) -> Iterator[pa.RecordBatch]:
    """Batches of text columns."""
    rows: list[list[str | None]] = []
    rule = options.header or "whole"
    has_keys = "key " in rule or "split" in options.columns
    for header, sequence in _records(path):
        keys = pairs(header) if has_keys else {}
        found = {"sequence": sequence, "header": header, "split": split_of(keys, header)}
        found["label"] = find(rule, header, keys)
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
