"""The upload of a large file, against `cp` on the same disk, and the memory it costs the API."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from benchmarks.data import write_large
from benchmarks.report import Line, ratio, seconds
from benchmarks.service import Service, warm_service

MB = 1_000_000
MIB = 1 << 20
MOST_MEMORY = 100 * MB


def measure(folder: Path, rounds: int, megabytes: int) -> list[Line]:
    """The file comes from the page cache on every side, and the disk is idle before each.

    Raises:
        RuntimeError: no curl, or an answer that is not the expected one.
    """
    if shutil.which("curl") is None:
        raise RuntimeError("Expected curl on the PATH. Received: none. Install it.")
    path, copy = write_large(folder / "large.csv", megabytes * MIB), folder / "copy.csv"
    with warm_service(folder) as service:
        before = service.peak_memory()
        sides: dict[str, Callable[[], None]] = {
            "cp+fsync": lambda: _copy(path, copy, durable=True),
            "raw": lambda: _post_raw(service, path),
            "form": lambda: _post_form(service, path),
            "cp": lambda: _copy(path, copy, durable=False),
            "received": lambda: _post_refused(service, path),
        }
        times: dict[str, list[float]] = {side: [] for side in sides}
        for _ in range(rounds):
            for side, run in sides.items():
                times[side].append(_timed(run))
                copy.unlink(missing_ok=True)
                _forget(folder / "service" / "blobs", path.stat().st_size)
        after = service.peak_memory()
    return [*_speed_lines(times, path.stat().st_size), *_memory_lines(before, after)]


def _speed_lines(times: dict[str, list[float]], size: int) -> list[Line]:
    def line(what: str, side: str, other: str, compared_to: str, aim: float | None) -> Line:
        speed = ratio(times[other], times[side])
        measured = f"{seconds(times[side])}, {_speed(times[side], size)}"
        compared = f"{compared_to}: {seconds(times[other])}, {_speed(times[other], size)}"
        if aim is None:
            return Line(what, measured, compared, speed)
        return Line(what, measured, compared, speed, f"at least {aim}", speed >= aim)

    durable, cached = "cp and fsync", "cp, without fsync"
    gigabytes = f"{size / 1e9:.2f} GB"
    return [
        line(f"{gigabytes}, raw body: sent, validated, synced", "raw", "cp+fsync", durable, 0.5),
        line(f"{gigabytes}, form: sent, validated, synced", "form", "cp+fsync", durable, 0.5),
        line(f"{gigabytes}, raw body: only sent, hashed, written", "received", "cp", cached, None),
    ]


def _speed(times: list[float], size: int) -> str:
    return f"{size / MB / sorted(times)[len(times) // 2]:.0f} MB/s"


def _memory_lines(before: int | None, after: int | None) -> list[Line]:
    if before is None or after is None:  # no /proc: not Linux
        return []
    measured, compared = f"{after / MB:.0f} MB", f"before the large uploads: {before / MB:.0f} MB"
    return [
        Line("the API's peak memory", measured, compared, after / before, "under 100 MB", after < MOST_MEMORY)
    ]


def _forget(kept: Path, size: int) -> None:
    """Remove the uploaded file: the next one must not take the place of its equal, nor find less memory."""
    for blob in kept.glob("??/*"):
        if blob.stat().st_size == size:
            blob.unlink()


def _timed(run: Callable[[], None]) -> float:
    os.sync()
    begin = time.perf_counter()
    run()
    return time.perf_counter() - begin


def _copy(path: Path, copy: Path, *, durable: bool) -> None:
    # Some file systems of Linux would share the blocks and copy nothing.
    options = ["--reflink=never"] if sys.platform == "linux" else []
    subprocess.run(["cp", *options, path, copy], check=True)
    if durable:
        with copy.open("rb") as file:
            os.fsync(file.fileno())


def _post_raw(service: Service, path: Path, query: str = "", expected: str = "201") -> None:
    address = f"{service.address}/v1/datasets?name=large&label=y&filename=large.csv{query}"
    _curl(expected, "-X", "POST", "-H", "content-type: text/csv", "-T", str(path), address)


def _post_refused(service: Service, path: Path) -> None:
    """The fields are looked at after the file has come and before it is read: a wrong one ends it there."""
    _post_raw(service, path, query="&seed=-1", expected="422")


def _post_form(service: Service, path: Path) -> None:
    form = ["-F", "name=large", "-F", "label=y", "-F", f"file=@{path}"]
    _curl("201", *form, f"{service.address}/v1/datasets")


def _curl(expected: str, *words: str) -> None:
    command = ["curl", "--silent", "--show-error", "--write-out", "\n%{http_code}", *words]
    answer = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    if not answer.endswith(f"\n{expected}"):
        raise RuntimeError(f"Expected the status {expected}. Received: {answer[-1000:]}")
