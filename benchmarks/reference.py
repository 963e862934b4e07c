"""What a user gets who names no limits: cases with known answers, at the defaults, through the service.

No job here has a `training`. `--data FOLDER` holds the data as it is published; each writer names its files.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import known_answers
from benchmarks.known_answers import Known
from benchmarks.service import Service, tree_seconds


@dataclass
class Measured:
    """What the draws of a case came to; a job each."""

    case: Known
    transfer: list[float] = field(default_factory=list)
    control: list[float] = field(default_factory=list)
    chosen: list[str] = field(default_factory=list)
    verdicts: list[str] = field(default_factory=list)
    updates: list[int] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)

    def add(self, job: dict[str, Any], updates: int, seconds: float) -> None:
        """One more draw."""
        result = job["result"]
        metric = result["gain"]["metric"] if result["gain"] else next(iter(result["metrics"]["transfer"]))
        self.transfer.append(result["metrics"]["transfer"][metric])
        if result["control"]:
            self.control.append(result["metrics"]["control"][metric])
            self.chosen.append(result["control"]["chosen"])
        self.verdicts.append(result["verdict"])
        self.updates.append(updates)
        self.seconds.append(seconds)

    @property
    def is_reached(self) -> bool | None:
        """Whether what is asked for is reached; None where nothing is."""
        case = self.case
        if case.transfer_at_least is None:
            return None
        enough = float(np.mean(self.transfer)) >= case.transfer_at_least
        return enough and (case.updates_at_most is None or max(self.updates) <= case.updates_at_most)

    def row(self) -> str:
        """A line of the table."""
        reached = {True: "yes", False: "no", None: "-"}[self.is_reached]
        cells = [
            self.case.name,
            str(len(self.transfer)),
            self.case.rows,
            f"{np.mean(self.transfer):.3f}",
            f"{np.mean(self.control):.3f}" if self.control else "-",
            _counted(self.chosen),
            _counted(self.verdicts),
            f"{round(float(np.mean(self.updates))):,} (most {max(self.updates):,})",
            f"{np.mean(self.seconds):.1f}",
            self.case.aim,
            reached,
        ]
        return "| " + " | ".join(cells) + " |"


NO_ARMS = ("source", "total", "saved")
"""What a job's cost tells beside its arms."""

COLUMNS = {
    "Case": "---",
    "Draws": "---:",
    "Rows: train, validation, test": "---",
    "Transfer": "---:",
    "Control": "---:",
    "Which": "---",
    "Verdicts": "---",
    "Updates but the source's": "---:",
    "CPU seconds a job": "---:",
    "Aim": "---",
    "Reached": "---",
}
HEADER = "\n".join(f"| {' | '.join(cells)} |" for cells in (COLUMNS, COLUMNS.values()))


def measure(
    service: Service, folder: Path, data: Path, only: Sequence[str], draws: int | None
) -> Iterator[Measured]:
    """Run each case as often as it asks for, or as often as it is told, and answer what it came to."""
    for case in known_answers.cases():
        named = any(case.name.startswith(name) for name in only)
        if not named and (only or case.is_long):
            continue
        missing = [name for name in case.files if not (data / name).exists()]
        if missing:
            sys.stderr.write(f"{case.name}: left out, {', '.join(missing)} is not in {data}.\n")
            continue
        yield _measured(service, folder, data, case, draws or case.draws)


def _measured(service: Service, folder: Path, data: Path, case: Known, draws: int) -> Measured:
    measured = Measured(case)
    for draw in range(draws):
        for upload in case.write(folder, data, draw):
            service.upload(upload.path, **upload.declared)
            upload.path.unlink(missing_ok=True)
        before = tree_seconds(service.process.pid)
        job = service.run(case.job)
        seconds = tree_seconds(service.process.pid) - before
        measured.add(job, _updates(job), seconds)
        both = [f"{values[-1]:.3f}" for values in (measured.transfer, measured.control) if values]
        sys.stderr.write(f"{case.name}, draw {draw}: {' against '.join(both)}\n")
    return measured


def _updates(job: dict[str, Any]) -> int:
    """Steps of the optimizer of all arms, rates, folds and seeds; the source's are not among them."""
    arms = {name: arm for name, arm in job["result"]["cost"].items() if name not in NO_ARMS and arm}
    return sum(arm["updates"] for arm in arms.values())


def _counted(words: Sequence[str | None]) -> str:
    found: dict[str, int] = {}
    for word in words:
        found[word or "-"] = found.get(word or "-", 0) + 1
    return ", ".join(f"{count} {word}" if len(words) > 1 else word for word, count in found.items())
