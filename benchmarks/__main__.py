"""`make benchmark`, or `make benchmark ARGS="job status"`: prints the benchmarks named, or all."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import httpx2
import typer

from benchmarks import job, machine, report, status, upload


class Benchmark(StrEnum):
    """What there is to measure."""

    JOB = "job"
    UPLOAD = "upload"
    STATUS = "status"


def main(
    names: Annotated[list[Benchmark] | None, typer.Argument(help="By default all of them.")] = None,
    rounds: Annotated[int, typer.Option(min=1, help="Turns of each side; the median counts.")] = 3,
    upload_mb: Annotated[int, typer.Option(min=1, help="Size of the large file, in MiB.")] = 1024,
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
    lines = []
    for name in names or list(Benchmark):
        sys.stderr.write(f"Measuring: {name} …\n")
        with tempfile.TemporaryDirectory(prefix="model-transfer-benchmark-", dir=folder) as place:
            lines += _measure(name, Path(place), rounds, upload_mb)
    sys.stdout.write(report.table(lines))


def _measure(name: Benchmark, folder: Path, rounds: int, upload_mb: int) -> list[report.Line]:
    try:
        if name is Benchmark.JOB:
            return job.measure(folder, rounds)
        if name is Benchmark.UPLOAD:
            return upload.measure(folder, rounds, upload_mb)
        return status.measure(folder, rounds)
    except (RuntimeError, OSError, subprocess.SubprocessError, httpx2.HTTPError) as error:
        sys.stderr.write(f"The benchmark {name} could not be measured. {error}\n")
        raise typer.Exit(1) from error


if __name__ == "__main__":
    typer.run(main)
