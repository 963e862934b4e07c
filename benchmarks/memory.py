"""What does a worker need? The peak memory of fresh processes, each with one use of a text encoder."""

from __future__ import annotations

import json
import subprocess
import sys

from benchmarks.report import Line

FEW, MANY = 416, 2000
"""Texts of a probe."""

GROWTH = 1.25
"""The aim: a probe on five times the texts takes at most so many times the memory."""

ROOM = 2.5
"""The aim, in GB, of any of them: what docs/operations.md allows a process at this length and batch size."""

LENGTH, BATCH = 48, 32

_TRAININGS: dict[str, dict[str, object]] = {
    "all layers, batch 32": {"strategy": "full"},
    "pairs, all layers, batch 32": {"strategy": "contrastive"},
    "pairs, the upper three of six layers, batch 32": {"strategy": "contrastive", "frozen_layers": 27},
}


def measure() -> list[Line]:
    """Each in a process of its own, one after the other."""
    nothing = _peak({"strategy": None, "rows": FEW})
    few, many = (_peak({"strategy": "linear_probe", "rows": rows}) for rows in (FEW, MANY))
    asked = f"MiniLM, texts of {LENGTH} tokens"
    lines = [
        _line(f"{asked}: a probe on {FEW} texts", few, f"built: {nothing:.2f} GB", few / nothing),
        Line(
            f"{asked}: a probe on {MANY:,} texts",
            f"{many:.2f} GB",
            f"{FEW} texts: {few:.2f} GB",
            many / few,
            f"at most {GROWTH}",
            many / few <= GROWTH,
        ),
    ]
    for name, method in _TRAININGS.items():
        peak = _peak({**method, "rows": FEW})
        lines.append(_line(f"{asked}: {name}", peak, f"the probe: {few:.2f} GB", peak / few))
    return lines


def _line(what: str, peak: float, compared: str, ratio: float) -> Line:
    return Line(what, f"{peak:.2f} GB", compared, ratio, f"at most {ROOM} GB", peak <= ROOM)


def _peak(asked: dict[str, object]) -> float:
    command = [
        sys.executable,
        "-m",
        "benchmarks.peak",
        json.dumps({**asked, "length": LENGTH, "batch": BATCH}),
    ]
    answer = subprocess.run(command, capture_output=True, text=True, check=False)
    if answer.returncode:
        raise RuntimeError(f"Expected {command[-1]} to be measured. Received: {answer.stderr[-500:]}")
    return float(answer.stdout.split()[-1])
