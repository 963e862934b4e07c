"""How often do jobs say `helped`, and `hurt`, where nothing can be transferred? On the grid of `null_grid`.

Each job is a whole job, from its acceptance to its files. What it says counts for `helped`. For `hurt` it is
compared with the same procedure from random weights alone: where its control is another network, or was
chosen in each fold anew, it is run once more with that one candidate.
"""

from __future__ import annotations

import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from scipy.stats import binom, binomtest

from benchmarks import ledger
from benchmarks.null_grid import JOBS, METHODS, NETWORKS, ROWS, NullJob, jobs
from benchmarks.service import ROOT

ERROR = 0.025
"""The share of `helped`, and of `hurt`, that a 95 % interval may be wrong by on each side."""

MOST = 15
"""Of 400 of each: with a share of .025 there are at most so many in 95 of 100 such runs."""

_ORDER: dict[str, Sequence[Any]] = {
    "kind": list(NETWORKS),
    "method": list(METHODS),
    "rows": ROWS,
    "declares_test": (False, True),
}

_OF_GAIN = ("metric", "value", "low", "high", "transfer", "control", "rows", "seeds")


def measure(out: Path, shard: str, most: int | None) -> Iterator[str]:
    """Run what is not in the file yet, and write a line of each job to it."""
    done = {one["number"] for one in ledger.read([out])}
    left = [number for number in ledger.of_shard([job.number for job in jobs()], shard) if number not in done]
    of = commit()
    for measured in ledger.measure(left[:most], run):
        ledger.append(out, {**measured, "commit": of})
        verdict, alone = measured["job"]["verdict"], measured["same"]["verdict"]
        yield (
            f"{measured['number']}: {measured['kind']}, {measured['method']}, {measured['rows']} rows: "
            f"{verdict}, against the same procedure {alone}, {measured['cpu_seconds']:.0f} s"
        )


def run(number: int) -> dict[str, Any]:
    """What one job of the grid says, in a process that has TensorFlow."""
    from benchmarks.in_process import Workplace

    job = next(job for job in jobs() if job.number == number)
    with tempfile.TemporaryDirectory(prefix="model-transfer-null-") as folder:
        place = Workplace(Path(folder) / "service")
        begun = time.process_time()
        try:
            for upload in job.write(Path(folder)):
                place.store(upload)
            result = place.run(place.accept(job.request()))
            alone = result
            if needs_another(result, job.same_procedure):
                alone = place.run(place.accept(job.request()), {job.same_procedure})
        finally:
            place.close()
        seconds = time.process_time() - begun
    return {**_about(job), "job": said(result), "same": said(alone), "cpu_seconds": round(seconds, 1)}


def needs_another(result: dict[str, Any], same_procedure: str) -> bool:
    """Whether the control is not the same procedure from random weights alone."""
    is_crossed = result["proof"]["kind"] == "cross-validation"
    return is_crossed or result["control"] is None or result["control"]["chosen"] != same_procedure


def _about(job: NullJob) -> dict[str, Any]:
    names = ("number", "kind", "method", "rows", "declares_test", "task")
    return {name: getattr(job, name) for name in names}


def said(result: dict[str, Any]) -> dict[str, Any]:
    """What is kept of a job's result."""
    gain = result["gain"]
    return {
        "verdict": result["verdict"],
        "details": result["verdict_details"],
        "control": result["control"] and result["control"]["chosen"],
        "recommendation": result["recommendation"],
        "gain": gain and {name: gain[name] for name in _OF_GAIN},
    }


def summary(found: Sequence[dict[str, Any]]) -> list[str]:
    """The counts by kind, method, rows and split, with their binomial intervals, as a table in Markdown."""
    lines = [
        measured_of(found, f"{JOBS} jobs"),
        "",
        "| Jobs | Number | helped | no difference | hurt | no verdict | against the same procedure: helped "
        "| no difference | hurt | no verdict | its intervals that hold 0 |",
        "| --- |" + " ---: |" * 10,
        _row("all", found),
    ]
    for name in _ORDER:
        for value in _ORDER[name]:
            label = {True: "declared test rows", False: "split by the service"}.get(value, value)
            label = f"{value:,} rows" if name == "rows" else str(label)
            if of_value := [one for one in found if one[name] == value]:
                lines.append(_row(label, of_value))
    helped, hurt = count(found, "job", "helped"), count(found, "same", "hurt")
    silent, alone = _silences(found, "job"), _silences(found, "same")
    return [
        *lines,
        "",
        f"helped: {share(helped, len(found))}; hurt against the same procedure: {share(hurt, len(found))}. "
        f"At most {MOST} of {JOBS} are allowed of each.",
        f"Without a verdict: {silent}; against the same procedure: {alone}.",
    ]


def measured_of(found: Sequence[dict[str, Any]], wanted: str) -> str:
    """How many were measured, on which commits, in how many CPU seconds."""
    commits = ", ".join(sorted({one["commit"] for one in found})) or "-"
    seconds = sum(one["cpu_seconds"] for one in found)
    return f"{len(found)} of {wanted}, of commit {commits}; {seconds:,.0f} CPU seconds."


def count(found: Sequence[dict[str, Any]], which: str, verdict: str | None) -> int:
    """How many jobs say so; `which` is `job`, or `same` for the same procedure."""
    return sum(one[which]["verdict"] == verdict for one in found)


def most_by_chance(number: int, error: float = 0.001) -> int:
    """What is exceeded with at most this probability, if each of so many says it with `ERROR`."""
    return int(binom.ppf(1 - error, number, ERROR))


def _row(label: str, found: Sequence[dict[str, Any]]) -> str:
    cells = [label, str(len(found))]
    for which in ("job", "same"):
        cells += [str(count(found, which, verdict)) for verdict in ("helped", "no difference", "hurt", None)]
    said = [one["same"]["gain"] for one in found if one["same"]["verdict"] is not None]
    holds = sum(gain["low"] <= 0 <= gain["high"] for gain in said)
    cells.append(f"{holds} of {len(said)}" + (f" ({holds / len(said):.3f})" if said else ""))
    return "| " + " | ".join(cells) + " |"


def share(number: int, of: int) -> str:
    """With its exact binomial interval (Clopper and Pearson 1934)."""
    if not of:
        return "-"
    interval = binomtest(number, of).proportion_ci(0.95, "exact")
    return f"{number} of {of} ({number / of:.3f}, 95% interval {interval.low:.3f} to {interval.high:.3f})"


def _silences(found: Sequence[dict[str, Any]], which: str) -> str:
    details: dict[str, int] = {}
    for one in found:
        for detail in one[which]["details"] if one[which]["verdict"] is None else []:
            details[detail] = details.get(detail, 0) + 1
    return ", ".join(f"{number} {detail}" for detail, number in sorted(details.items())) or "none"


def commit() -> str:
    """Of the code that is measured; `-dirty` if it is changed."""
    command = ["git", "describe", "--always", "--dirty", "--abbrev=7"]
    answer = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    return answer.stdout.strip() or "unknown"
