"""`make benchmark`, or `make benchmark ARGS="job status"`: prints the benchmarks named, or all."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from enum import StrEnum
from pathlib import Path
from types import ModuleType
from typing import Annotated

import httpx2
import typer

from benchmarks import (
    claims,
    endurance,
    frozen,
    job,
    kinds,
    ledger,
    machine,
    many,
    memory,
    near_duplicates,
    null,
    overhead,
    power,
    predict,
    rankings,
    reference,
    report,
    seen,
    status,
    transfers,
    upload,
)
from benchmarks.cases import COLUMNS, header, measure
from benchmarks.service import warm_service


class Benchmark(StrEnum):
    """What there is to measure."""

    JOB = "job"
    OVERHEAD = "overhead"
    UPLOAD = "upload"
    STATUS = "status"
    TRANSFERS = "transfers"
    KINDS = "kinds"
    FROZEN = "frozen"
    MANY = "many"
    MEMORY = "memory"
    SEEN = "seen"
    CLAIMS = "claims"
    ENDURANCE = "endurance"
    NEAR_DUPLICATES = "near-duplicates"
    REFERENCE = "reference"
    PREDICT = "predict"
    NULL = "null"
    POWER = "power"
    RANKINGS = "rankings"


ON_DATA = {Benchmark.TRANSFERS: transfers, Benchmark.KINDS: kinds}
IN_A_FILE = {Benchmark.NULL: null, Benchmark.POWER: power}
FILES = {*IN_A_FILE, Benchmark.RANKINGS}


def main(
    names: Annotated[list[Benchmark] | None, typer.Argument(help="By default all of them.")] = None,
    rounds: Annotated[int, typer.Option(min=1, help="Turns of each side; the median counts.")] = 3,
    upload_mb: Annotated[int, typer.Option(min=1, help="Size of the large file, in MiB.")] = 1024,
    data: Annotated[
        Path | None,
        typer.Option(
            exists=True,
            file_okay=False,
            help="Of `transfers`, `kinds`, `frozen`, `reference`, `near-duplicates`, `rankings`: the data.",
        ),
    ] = None,
    postgres: Annotated[
        str | None, typer.Option(help="Of `claims`: address of a PostgreSQL that may create databases.")
    ] = None,
    redis: Annotated[
        str | None, typer.Option(help="Of `claims`: address of a Redis database that may be emptied.")
    ] = None,
    case: Annotated[
        list[str] | None,
        typer.Option(help="Of `transfers`, `kinds` and `reference`: only cases whose name begins so."),
    ] = None,
    draws: Annotated[
        int | None, typer.Option(min=1, help="Of `reference`: how often each case is drawn.")
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            dir_okay=False,
            help="Of `null`, `power`, `rankings`: a line of JSON a job; what is in it is not run again.",
        ),
    ] = None,
    shard: Annotated[
        str, typer.Option(help="Of `null`, `power`, `rankings`: 3/8 runs the third of eight parts.")
    ] = "1/1",
    jobs: Annotated[
        int | None, typer.Option(min=1, help="Of `null`, `power`, `rankings`: run at most so many jobs.")
    ] = None,
    summary: Annotated[
        bool,
        typer.Option("--summary", help="Of `null`, `power`, `rankings`: only sum up what is in the file."),
    ] = False,
    folder: Annotated[
        Path | None,
        typer.Option(
            exists=True, file_okay=False, help="Where the files go, four times the large one; removed after."
        ),
    ] = None,
) -> None:
    """Measure the service side by side with what it is compared to. Nothing else should run meanwhile."""
    sys.stdout.write(machine.facts())
    sys.stdout.write(f"Medians of rounds: {rounds} (lowest to highest).\n\n")
    need_data = {
        *ON_DATA,
        Benchmark.FROZEN,
        Benchmark.NEAR_DUPLICATES,
        Benchmark.RANKINGS,
        Benchmark.REFERENCE,
    }
    if data is None and need_data & set(names or []):
        sys.stderr.write("This benchmark needs --data, the folder of its data sets.\n")
        raise typer.Exit(2)
    if Benchmark.CLAIMS in (names or []) and not (postgres and redis):
        sys.stderr.write("This benchmark needs --postgres and --redis.\n")
        raise typer.Exit(2)
    if out is None and FILES & set(names or []):
        sys.stderr.write("This benchmark needs --out, the file of what it has measured.\n")
        raise typer.Exit(2)
    long = {*need_data, *FILES, Benchmark.CLAIMS, Benchmark.ENDURANCE}
    for name in names or [known for known in Benchmark if known not in long]:
        sys.stderr.write(f"Measuring: {name} …\n")
        with tempfile.TemporaryDirectory(prefix="model-transfer-benchmark-", dir=folder) as place:
            if name in IN_A_FILE and out is not None:
                of = IN_A_FILE[name]
                _tell_in_a_file(of.measure(out, shard, 0 if summary else jobs), of, out)
            elif name is Benchmark.RANKINGS and data is not None and out is not None:
                _tell_in_a_file(rankings.measure(data, out, shard, 0 if summary else jobs), rankings, out)
            elif name in ON_DATA and data is not None:
                _tell_transfers(ON_DATA[name], Path(place), data, case or [])
            elif name is Benchmark.REFERENCE and data is not None:
                _tell_reference(Path(place), data, case or [], draws)
            elif name is Benchmark.CLAIMS and postgres and redis:
                sys.stdout.write("\n".join(claims.measure(Path(place), postgres, redis)) + "\n\n")
            elif name is Benchmark.ENDURANCE:
                sys.stdout.write("\n".join(endurance.measure(Path(place))) + "\n\n")
            elif name is Benchmark.NEAR_DUPLICATES and data is not None:
                for line in near_duplicates.measure(data):
                    sys.stdout.write(line + "\n")
            elif name is Benchmark.FROZEN and data is not None:
                _tell(frozen.measure(Path(place), data))
            else:
                _tell(_measure(name, Path(place), rounds, upload_mb))


def _tell(lines: Sequence[report.Line]) -> None:
    """At once: what is measured next may fail."""
    sys.stdout.write(report.table(lines) + "\n")
    sys.stdout.flush()


def _tell_in_a_file(lines: Iterator[str], of: ModuleType, out: Path) -> None:
    """Each job as it ends, on standard error; then what all in the file come to."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    failure: Exception | None = None
    try:
        for line in lines:
            sys.stderr.write(line + "\n")
    except (ValueError, RuntimeError) as error:
        failure = error
    sys.stdout.write("\n".join(of.summary(ledger.read([out]))) + "\n\n")
    if failure is not None:
        sys.stderr.write(f"{failure}\n")
        raise typer.Exit(1) from failure


def _tell_transfers(of: ModuleType, folder: Path, data: Path, only: Sequence[str]) -> None:
    """The table, a line as soon as it is measured; then what single cases tell besides."""
    sys.stdout.write(header(COLUMNS) + "\n")
    more: list[str] = []
    with warm_service(folder) as service:
        for finding in measure(service, of.write(folder, data), of.cases(), only):
            sys.stdout.write(finding.row() + "\n")
            sys.stdout.flush()
            more += finding.more()
    sys.stdout.write("\n".join(["", *more, ""]) + "\n")


def _tell_reference(folder: Path, data: Path, only: Sequence[str], draws: int | None) -> None:
    sys.stdout.write(reference.HEADER + "\n")
    with warm_service(folder) as service:
        for measured in reference.measure(service, folder, data, only, draws):
            sys.stdout.write(measured.row() + "\n")
            sys.stdout.flush()
    sys.stdout.write("\n")


def _measure(name: Benchmark, folder: Path, rounds: int, upload_mb: int) -> list[report.Line]:
    try:
        if name is Benchmark.PREDICT:
            return predict.measure(folder)
        if name is Benchmark.JOB:
            return job.measure(folder, rounds)
        if name is Benchmark.OVERHEAD:
            return overhead.measure(folder, rounds)
        if name is Benchmark.MANY:
            return many.measure(folder)
        if name is Benchmark.MEMORY:
            return memory.measure()
        if name is Benchmark.SEEN:
            return seen.measure(folder, rounds)
        if name is Benchmark.UPLOAD:
            return upload.measure(folder, rounds, upload_mb)
        return status.measure(folder, rounds)
    except (RuntimeError, OSError, subprocess.SubprocessError, httpx2.HTTPError) as error:
        sys.stderr.write(f"The benchmark {name} could not be measured. {error}\n")
        raise typer.Exit(1) from error


if __name__ == "__main__":
    typer.run(main)
