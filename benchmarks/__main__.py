"""`make benchmark`, or `make benchmark ARGS="job status"`: prints the benchmarks named, or all."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import httpx2
import typer

from benchmarks import job, machine, overhead, report, status, transfers, upload
from benchmarks.service import warm_service


class Benchmark(StrEnum):
    """What there is to measure."""

    JOB = "job"
    OVERHEAD = "overhead"
    UPLOAD = "upload"
    STATUS = "status"
    TRANSFERS = "transfers"


def main(
    names: Annotated[list[Benchmark] | None, typer.Argument(help="By default all of them.")] = None,
    rounds: Annotated[int, typer.Option(min=1, help="Turns of each side; the median counts.")] = 3,
    upload_mb: Annotated[int, typer.Option(min=1, help="Size of the large file, in MiB.")] = 1024,
    data: Annotated[
        Path | None, typer.Option(exists=True, file_okay=False, help="Of `transfers`: its data sets.")
    ] = None,
    case: Annotated[
        list[str] | None, typer.Option(help="Of `transfers`: only cases whose name begins so.")
    ] = None,
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
    if data is None and Benchmark.TRANSFERS in (names or []):
        sys.stderr.write("The benchmark transfers needs --data, the folder of its data sets.\n")
        raise typer.Exit(2)
    for name in names or [known for known in Benchmark if known is not Benchmark.TRANSFERS]:
        sys.stderr.write(f"Measuring: {name} …\n")
        with tempfile.TemporaryDirectory(prefix="model-transfer-benchmark-", dir=folder) as place:
            if name is Benchmark.TRANSFERS and data is not None:
                _tell_transfers(Path(place), data, case or [])
            else:
                lines += _measure(name, Path(place), rounds, upload_mb)
    if lines:
        sys.stdout.write(report.table(lines))


def _tell_transfers(folder: Path, data: Path, only: Sequence[str]) -> None:
    with warm_service(folder) as service:
        for finding in transfers.measure(service, folder, data, only):
            sys.stdout.write("\n".join(finding.lines()) + "\n\n")
            sys.stdout.flush()


def _measure(name: Benchmark, folder: Path, rounds: int, upload_mb: int) -> list[report.Line]:
    try:
        if name is Benchmark.JOB:
            return job.measure(folder, rounds)
        if name is Benchmark.OVERHEAD:
            return overhead.measure(folder, rounds)
        if name is Benchmark.UPLOAD:
            return upload.measure(folder, rounds, upload_mb)
        return status.measure(folder, rounds)
    except (RuntimeError, OSError, subprocess.SubprocessError, httpx2.HTTPError) as error:
        sys.stderr.write(f"The benchmark {name} could not be measured. {error}\n")
        raise typer.Exit(1) from error


if __name__ == "__main__":
    typer.run(main)
