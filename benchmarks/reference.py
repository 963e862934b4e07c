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

from benchmarks import cases, known_answers
from benchmarks.cases import Told
from benchmarks.known_answers import Known
from benchmarks.service import Service, tree_seconds


@dataclass
class Measured:
    """What the draws of a case came to; a job each."""

    case: Known
    told: list[Told] = field(default_factory=list)
    updates: list[int] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)

    def add(self, job: dict[str, Any], updates: int, seconds: float) -> None:
        """One more draw."""
        self.told.append(Told.of(job["result"]))
        self.updates.append(updates)
        self.seconds.append(seconds)

    def mean(self, arm: str) -> float | None:
        """Of the arm's metric over the draws."""
        values = [value for told in self.told if (value := told.arms.get(arm)) is not None]
        return float(np.mean(values)) if values else None

    @property
    def is_reached(self) -> bool | None:
        """Whether what is asked for is reached; None where nothing is."""
        case = self.case
        if case.transfer_at_least is None:
            return None
        enough = (self.mean("transfer") or 0.0) >= case.transfer_at_least
        return enough and (case.updates_at_most is None or max(self.updates) <= case.updates_at_most)

    def row(self) -> str:
        """A line of the table."""
        reached = {True: "yes", False: "no", None: "-"}[self.is_reached]
        cells = [
            self.case.name,
            str(len(self.told)),
            self.case.rows,
            _shown(self.mean("constant")),
            f"{_shown(self.mean('baseline'))} ({self._chosen('baseline')})",
            f"{_shown(self.mean('control'))} ({self._chosen('control')})",
            _shown(self.mean("transfer")),
            cases.interval(self._gain()),
            _counted([told.verdict for told in self.told]),
            _counted([told.recommendation for told in self.told]),
            f"{round(float(np.mean(self.updates))):,} (most {max(self.updates):,})",
            f"{np.mean(self.seconds):.1f}",
            self.case.aim,
            reached,
        ]
        return "| " + " | ".join(cells) + " |"

    def _chosen(self, arm: str) -> str:
        return _counted([told.chosen.get(arm) for told in self.told])

    def _gain(self) -> dict[str, Any] | None:
        """Over the control, its bounds and itself each the mean of the draws."""
        gains = [told.gain for told in self.told if told.gain]
        names = ("value", "low", "high")
        return {name: float(np.mean([gain[name] for gain in gains])) for name in names} if gains else None


NO_ARMS = ("source", "total", "saved")
"""What a job's cost tells beside its arms."""

COLUMNS = {
    "Case": "---",
    "Draws": "---:",
    "Rows: train, validation, test": "---",
    "Constant": "---:",
    "Baseline": "---",
    "Control": "---",
    "Transfer": "---:",
    "Gain over the control": "---",
    "Verdicts": "---",
    "What to use": "---",
    "Updates but the source's": "---:",
    "CPU seconds a job": "---:",
    "Aim": "---",
    "Reached": "---",
}
HEADER = cases.header(COLUMNS)


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
        told = measured.told[-1]
        arms = ", ".join(f"{arm} {told.arm(arm)}" for arm in told.arms)
        sys.stderr.write(
            f"{case.name}, draw {draw}: {arms}; {cases.interval(told.gain)}, {told.verdict}, "
            f"{told.recommendation}, {seconds:.0f} s\n"
        )
    return measured


def _updates(job: dict[str, Any]) -> int:
    """Steps of the optimizer of all arms, rates, folds and seeds; the source's are not among them."""
    arms = {name: arm for name, arm in job["result"]["cost"].items() if name not in NO_ARMS and arm}
    return sum(arm["updates"] for arm in arms.values())


def _shown(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"


def _counted(words: Sequence[str | None]) -> str:
    found: dict[str, int] = {}
    for word in words:
        found[word or "-"] = found.get(word or "-", 0) + 1
    return ", ".join(f"{count} {word}" if len(words) > 1 else word for word, count in found.items())
