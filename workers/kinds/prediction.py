"""A file's predictions: chunks of rows, each durable by itself, then the files of all of them."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa

from app.datasets.reading.declaration import Declaration
from app.datasets.reading.description import Reading
from app.datasets.reading.errors import DatasetError
from app.datasets.reading.rows import RowsFile
from app.db.output_tables import JobFile
from app.db.tables import Job
from app.jobs import transitions
from app.jobs.states import Stage
from app.predictions.batch_schemas import BatchSpec
from app.predictions.batches import like
from workers.attempt import Attempt
from workers.batch.answers import REFUSED, Layout, table
from workers.batch.files import MEDIA_TYPES, write_answers, write_part, write_refused
from workers.batch.rows import FileRefused, Piece, chunks, pieces, read
from workers.predictor.loading import Loaded, load

ROWS_A_CHUNK = {"tabular": 32_768, "image": 512}
"""What a worker that is killed does at most again; of other kinds `_ROWS_A_CHUNK`."""
_ROWS_A_CHUNK, _BYTES_A_CHUNK = 2048, 64 << 20

_PREDICTED = 0.9
"""Share of the progress at which all rows are answered."""


@dataclass
class _Parts:
    """The files of the chunks that are done, and how many rows they have."""

    answers: list[str] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)
    rows: int = 0
    bad: int = 0

    def add(self, value: dict[str, Any], digest: str) -> None:
        self.answers.append(digest)
        self.refused += [value["refused_digest"]] if value["refused"] else []
        self.rows += value["rows"]
        self.bad += value["refused"]


def run(attempt: Attempt) -> None:
    """Answer the rows that earlier attempts have not, and write the files."""
    with attempt.journal.reading() as session:
        job = session.get_one(Job, attempt.job_id)
        name, spec = job.name, BatchSpec.model_validate(job.spec)
    attempt.begin(Stage.PREDICT, _progress(0.0, None))
    with attempt.opened(spec.bundle, f"bundle of {spec.version}"):
        loaded = load(attempt.storage.require(spec.bundle))
    kind = loaded.reading.kind
    with _rows_file(attempt, spec, loaded.reading) as file:
        # The one image that a file may be is called as it was sent.
        only = None if file.is_archive or not file.is_of_files else spec.filename
        keep = file.columns if spec.keep == "all" else spec.keep
        layout = Layout(file.is_of_files, keep, loaded.about["output"])
        parts = _predicted(attempt, file, loaded, layout, only, _count(file, kind))
    _publish(attempt, spec, name, layout, parts)


@contextmanager
def _rows_file(attempt: Attempt, spec: BatchSpec, reading: Reading) -> Iterator[RowsFile]:
    """The file under its own name, since images and texts are told by it."""
    what = f"data set {spec.dataset}" if spec.dataset else f"file {spec.filename}"
    with attempt.storage.workspace() as folder, attempt.opened(spec.digest, what):
        path = folder / "rows"
        path.symlink_to(attempt.storage.require(spec.digest))
        try:
            file = RowsFile(path, like(reading, spec.like), _declared(spec))
            file.check_kept([] if spec.keep == "all" else spec.keep)
        except DatasetError as error:
            raise FileRefused(error) from error
        yield file


def _declared(spec: BatchSpec) -> Declaration:
    """What is known of a data set's file from its upload."""
    if spec.like is None:
        return Declaration(filename=spec.filename)
    options = spec.like.options
    told: dict[str, Any] = {"encoding": options.encoding}
    if spec.format in ("csv", "tsv"):
        quotes = {'"': "double", "'": "single", None: "none"}
        told |= {"delimiter": options.delimiter, "quote": quotes.get(options.quote)}
        told |= {"columns": options.columns} if options.headless else {}
    return Declaration(filename=spec.filename, format=spec.format, **told)


def _count(file: RowsFile, kind: str) -> int:
    """The file's rows, of which none is predicted before all could be told apart.

    Raises:
        FileRefused: it has none, or is broken somewhere.
    """
    count: int = sum(batch.num_rows for _, batch in pieces(file, kind))
    if not count:
        message = "Expected at least one row. Received: none."
        raise FileRefused(DatasetError("no_rows", message, "Give a file with rows.", []))
    return count


def _predicted(
    attempt: Attempt, file: RowsFile, loaded: Loaded, layout: Layout, only: str | None, total: int
) -> _Parts:
    """All chunks; those that an earlier attempt kept are only read over."""
    kind, parts, began, before = loaded.reading.kind, _Parts(), time.monotonic(), 0
    most = ROWS_A_CHUNK.get(kind, _ROWS_A_CHUNK)
    for number, chunk in enumerate(chunks(pieces(file, kind), most, _BYTES_A_CHUNK)):
        attempt.go_on()
        key = f"chunk {number:08d}"
        kept = attempt.journal.part(Stage.PREDICT, key)
        if kept is not None and kept.digest and kept.value and _is_there(attempt, kept.digest, kept.value):
            parts.add(kept.value, kept.digest)
            before = parts.rows
            continue
        value, digest = _answered(attempt, file, loaded, layout, only, chunk, key)
        parts.add(value, digest)
        left = (time.monotonic() - began) / (parts.rows - before) * (total - parts.rows)
        attempt.journal.progress(_progress(_PREDICTED * parts.rows / total, left))
    return parts


def _is_there(attempt: Attempt, digest: str, value: dict[str, Any]) -> bool:
    digests = [digest] + ([value["refused_digest"]] if value["refused"] else [])
    return all(attempt.storage.exists(one) for one in digests)


def _answered(
    attempt: Attempt,
    file: RowsFile,
    loaded: Loaded,
    layout: Layout,
    only: str | None,
    chunk: list[Piece],
    key: str,
) -> tuple[dict[str, Any], str]:
    """A chunk's rows and the file of their answers, kept."""
    answered, refused = [], []
    for piece in chunk:
        attempt.go_on()
        rows, numbers, bad = read(file, piece, layout.kept, only)
        refused += bad
        if rows is not None:
            answered.append(table(loaded, rows, numbers, layout))
    answers = pa.concat_tables(answered) if answered else layout.schema.empty_table()
    digest, refused_digest = _put(attempt, answers), ""
    if refused:
        refused_digest = _put(attempt, pa.Table.from_pylist([vars(one) for one in refused], REFUSED))
        # First, so that a chunk that is there has all of it.
        attempt.journal.save_part(Stage.PREDICT, f"{key} refused", digest=refused_digest)
    rows_there = len(answers) + len(refused)
    value = {"rows": rows_there, "refused": len(refused), "refused_digest": refused_digest}
    attempt.journal.save_part(Stage.PREDICT, key, digest=digest, value=value)
    return value, digest


def _put(attempt: Attempt, rows: pa.Table) -> str:
    with attempt.storage.workspace() as folder:
        write_part(folder / "part.parquet", rows)
        return attempt.storage.put(folder / "part.parquet")


def _publish(attempt: Attempt, spec: BatchSpec, name: str, layout: Layout, parts: _Parts) -> None:
    """The files, and the job's end, in one transaction."""
    with attempt.storage.workspace() as folder:
        write_answers(folder, spec.formats, layout, _paths(attempt, parts.answers))
        refused = folder / "refused.csv"
        write_refused(refused, _paths(attempt, parts.refused))
        written = {format_: folder / f"answers.{format_}" for format_ in spec.formats} | {"refused": refused}
        files = [_file(attempt, name, format_, path) for format_, path in written.items()]
    answered = parts.rows - parts.bad
    message = f"Answered {answered:,} of {parts.rows:,} rows."
    if parts.bad:
        message += f" {parts.bad:,} could not be read; the file `refused` lists them."
    attempt.journal.ended(Stage.PREDICT, {}, None, message)
    with attempt.journal.transaction() as session:
        for file in files:
            session.merge(file)
        result = {"rows": parts.rows, "answered": answered, "refused": parts.bad}
        transitions.succeed(session, attempt.journal.lease, result, message)


def _paths(attempt: Attempt, digests: list[str]) -> Iterator[Path]:
    """The files of the parts, unless the job is to stop."""
    for digest in digests:
        attempt.go_on()
        yield attempt.storage.require(digest)


def _file(attempt: Attempt, name: str, format_: str, path: Path) -> JobFile:
    size, digest = path.stat().st_size, attempt.storage.put(path)
    ending = "-refused.csv" if format_ == "refused" else f".{format_}"
    return JobFile(
        job_id=attempt.job_id,
        format=format_,
        digest=digest,
        size=size,
        filename=f"{name}{ending}",
        media_type=MEDIA_TYPES[format_],
    )


def _progress(fraction: float, seconds_remaining: float | None) -> dict[str, Any]:
    told = {"stage": Stage.PREDICT, "epoch": None, "epochs": None, "fraction": round(fraction, 4)}
    return {**told, "seconds_remaining": seconds_remaining}
