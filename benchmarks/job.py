"""A job from POST to succeeded, against the same transfer in plain Keras: as a cold script, and warm."""

from __future__ import annotations

import subprocess
import sys
import time
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from benchmarks.asking import ask, environment, warm
from benchmarks.report import Line, ratio, seconds
from benchmarks.service import ROOT, Service, warm_service


@dataclass
class Times:
    """Seconds, one entry a round."""

    script: list[float] = field(default_factory=list)
    fits: list[float] = field(default_factory=list)
    job: list[float] = field(default_factory=list)
    worker: list[float] = field(default_factory=list)


def measure(folder: Path, rounds: int) -> list[Line]:
    """The sides take turns; each round has a seed of its own, so that no source is found trained."""
    times = Times()
    with warm_service(folder) as service, warm(*_program(folder)) as keras:
        ask(keras, "0")
        for seed in range(1, rounds + 1):
            times.script.append(_cold_script(folder, seed))
            _time_job(service, seed, times)
            times.fits.append(ask(keras, str(seed)))
    return _lines(times)


def _lines(times: Times) -> list[Line]:
    to_script, to_fits = ratio(times.job, times.script), ratio(times.job, times.fits)
    script = f"the same transfer as a cold script: {seconds(times.script)}"
    fits = f"its two fit calls in a warm process: {seconds(times.fits)}"
    what = "job, POST to succeeded"
    return [
        Line(what, seconds(times.job), script, to_script, "below 0.35", to_script < 0.35),
        Line(what, seconds(times.job), fits, to_fits, "at most 1.0", to_fits <= 1.0),
        Line("  of it, started to finished", seconds(times.worker), fits, ratio(times.worker, times.fits)),
    ]


def _time_job(service: Service, seed: int, times: Times) -> None:
    begin = time.perf_counter()
    job = service.run_job(seed)
    times.job.append(time.perf_counter() - begin)
    started, finished = (datetime.fromisoformat(job[name]) for name in ("started_at", "finished_at"))
    times.worker.append((finished - started).total_seconds())
    if any(stage["reused"] for stage in job["stages"]):
        raise RuntimeError("Expected a job that trains its source. Received: one that found it trained.")


def _program(folder: Path) -> tuple[str, str, str]:
    return "benchmarks.example", str(folder / "source.csv"), str(folder / "target.csv")


def _cold_script(folder: Path, seed: int) -> float:
    """Seconds of a whole process: Python, imports, data, training."""
    begin = time.perf_counter()
    ended = subprocess.run(
        [sys.executable, "-m", *_program(folder), str(seed)],
        cwd=ROOT,
        env=environment(),
        stderr=subprocess.PIPE,
        text=True,
    )
    if ended.returncode:
        raise RuntimeError(f"Expected a script that succeeds. Received:\n{ended.stderr[-2000:]}")
    return time.perf_counter() - begin
