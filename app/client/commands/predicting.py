"""`model-transfer predict`: a file's rows to answers, by the service."""

from __future__ import annotations

import base64
import csv
import json
import sys
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Annotated, Any, TextIO

import typer
from rich.markup import escape

from app.client.commands.session import err, session, wrong_usage

_ROWS_AT_A_TIME, _IMAGES_AT_A_TIME = 1000, 16
_IMAGES = frozenset({".png", ".jpg", ".jpeg", ".gif", ".bmp", ".webp"})

Row = dict[str, Any]


def predict(
    model: Annotated[str, typer.Argument(help="Name, name@version or name@alias, such as churn@champion.")],
    files: Annotated[
        list[Path],
        typer.Argument(
            help="CSV, TSV or JSON lines; text files, a text a line; FASTA; images.",
            exists=True,
            dir_okay=False,
        ),
    ],
    output: Annotated[Path | None, typer.Option("--output", "-o", help="File to write, CSV.")] = None,
    kept: Annotated[
        list[str] | None,
        typer.Option("--id", help="Keep this column beside the answers; several for several."),
    ] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="A line of JSON for each row.", show_default=False)
    ] = False,
    batch: Annotated[
        bool,
        typer.Option(
            "--batch", help="By a job on the workers: one file of any size and format.", show_default=False
        ),
    ] = False,
) -> None:
    """Predict the rows of files, as CSV: kept columns, the prediction, and each class's probability."""
    if batch:
        _by_a_job(model, files, output, kept or [], "jsonl" if as_json else "csv")
        return
    with session() as client:
        version = client.version(model)
        kind = _kind(version.signature["columns"])  # type: ignore[attr-defined]
        rows = (row for file in files for row in _rows(file, kind))
        size = _IMAGES_AT_A_TIME if kind == "image" else _ROWS_AT_A_TIME
        target = sys.stdout if output is None else output.open("w", encoding="utf-8", newline="")
        try:
            writer = _Writer(target, kept or [], as_json)
            while some := list(islice(rows, size)):
                # One version for all, whatever becomes the champion meanwhile.
                writer.write(some, client.predict(version.ref, [_sent(row) for row in some]))
            target.flush()  # here, where it is told if nobody reads it
        finally:
            if output is not None:
                target.close()


def _by_a_job(
    model: str, files: Sequence[Path], output: Path | None, kept: Sequence[str], format_: str
) -> None:
    """The file is sent as it is, and the service reads it."""
    if len(files) != 1:
        raise wrong_usage(f"--batch: expected one file. Received: {len(files)}.")
    with session() as client:
        job, made, refused = client.predict_file(model, files[0], output, format=format_, keep=kept)
    assert job.result is not None  # it has succeeded
    told = err()
    told.print(escape(f"{job.version} answered {job.result.answered:,} of {job.result.rows:,} rows: {made}"))
    if refused is not None:
        told.print(escape(f"{job.result.refused:,} rows could not be read: {refused}"))


def _kind(columns: Sequence[dict[str, Any]]) -> str:
    """What the model reads: `text`, `sequence`, `image`, or columns of a table."""
    name = str(columns[0]["name"])
    return name if len(columns) == 1 and name in ("text", "sequence", "image") else "tabular"


def _rows(path: Path, kind: str) -> Iterator[Row]:
    suffix = path.suffix.lower()
    if kind == "image" or suffix in _IMAGES:
        yield {"file": path.name, "image": base64.b64encode(path.read_bytes()).decode()}
    elif suffix in (".jsonl", ".ndjson"):
        yield from _json_lines(path)
    elif suffix in (".fa", ".fasta", ".fna", ".faa"):
        yield from _fasta(path)
    elif suffix == ".txt" and kind == "text":
        with path.open(encoding="utf-8-sig") as file:
            yield from ({"text": line.rstrip("\r\n")} for line in file)
    elif suffix in (".csv", ".tsv", ".tab", ".txt", ""):
        with path.open(encoding="utf-8-sig", newline="") as file:
            yield from csv.DictReader(file, delimiter="\t" if suffix in (".tsv", ".tab") else ",")
    else:
        raise wrong_usage(
            f"{path}: expected CSV, TSV, JSON lines, text, FASTA or images. Received: a file that ends with "
            f"{suffix}. The bundle's predict.py reads the other formats of data sets."
        )


def _json_lines(path: Path) -> Iterator[Row]:
    with path.open(encoding="utf-8-sig") as file:
        for number, line in enumerate(file, 1):
            if not line.strip():
                continue
            try:
                row = json.loads(line)
            except ValueError as error:
                raise wrong_usage(f"{path}, line {number}: expected JSON. Received: {error}.") from error
            if not isinstance(row, dict):
                raise wrong_usage(
                    f"{path}, line {number}: expected an object. Received: {line.strip()[:80]}."
                )
            yield row


def _fasta(path: Path) -> Iterator[Row]:
    header, letters = None, list[str]()
    with path.open(encoding="utf-8-sig") as file:
        for line in file:
            if not line.startswith(">"):
                letters.append(line.strip())
                continue
            if header is not None:
                yield {"header": header, "sequence": "".join(letters)}
            header, letters = line[1:].strip(), []
    if header is not None:
        yield {"header": header, "sequence": "".join(letters)}


def _sent(row: Row) -> Row:
    """What a request may hold: single values. DictReader keeps cells beyond the header below no name."""
    return {name: value for name, value in row.items() if isinstance(value, str | bool | int | float | None)}


class _Writer:
    """Answers as CSV, whose columns the first of them settles, or as lines of JSON."""

    def __init__(self, target: TextIO, kept: Sequence[str], as_json: bool) -> None:
        self._target, self._kept, self._as_json = target, kept, as_json
        self._writer = csv.writer(target, lineterminator="\n")
        self._classes: list[str] | None = None

    def write(self, rows: Sequence[Row], answers: Sequence[dict[str, Any]]) -> None:
        for row, answer in zip(rows, answers, strict=True):
            if missing := [name for name in self._kept if name not in row]:
                known = ", ".join(str(name) for name in row)
                raise wrong_usage(f"--id: expected a column of the file: {known}. Received: {missing[0]}.")
            beside = {name: row[name] for name in self._kept}
            if self._as_json:
                self._target.write(json.dumps({**beside, **answer}, ensure_ascii=False) + "\n")
                continue
            chances = answer.get("probabilities") or {}
            if self._classes is None:
                self._classes = list(chances)
                named = [f"probability_{name}" for name in self._classes]
                self._writer.writerow([*self._kept, "prediction", *named])
            said = next((answer[name] for name in ("value", "text", "class") if name in answer), None)
            said = "|".join(answer["classes"]) if "classes" in answer else said
            self._writer.writerow([*beside.values(), said, *(chances[name] for name in self._classes)])
