"""Which learning curves of a job are drawn, while it runs and afterwards?"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass

from app.jobs.schemas import EpochView
from app.reports import charts

_KNOWN = ("val_loss", "loss"), ("val_accuracy", "accuracy"), ("val_rmse", "rmse")
"""What is drawn, each the first of its names that a training has told."""


@dataclass(frozen=True)
class Curve:
    """A picture, and what it is of."""

    title: str
    plot: charts.Plot


def curves(epochs: Iterable[EpochView]) -> list[Curve]:
    """Loss and metric by epoch: of each stage the training that has come to the lowest loss so far."""
    best = _best_runs(epochs)
    found = []
    for names in _KNOWN:
        name = next(
            (name for name in names if any(name in one.values for of in best.values() for one in of)), ""
        )
        lines = {stage: [one.values[name] for one in of if name in one.values] for stage, of in best.items()}
        lines = {stage: line for stage, line in lines.items() if line and all(map(math.isfinite, line))}
        if lines:
            title = name.replace("val_", "validation ").replace("_", " ")
            found.append(Curve(title, charts.curves(lines, title)))
    return found


def _best_runs(epochs: Iterable[EpochView]) -> dict[str, list[EpochView]]:
    runs: dict[tuple[str, str], list[EpochView]] = defaultdict(list)
    for epoch in epochs:
        runs[epoch.stage, epoch.run].append(epoch)
    best: dict[str, list[EpochView]] = {}
    for (stage, _), run in runs.items():
        if stage not in best or _lowest(run) < _lowest(best[stage]):
            best[stage] = run
    return best


def _lowest(run: Iterable[EpochView]) -> float:
    losses = (one.values.get("val_loss", one.values.get("loss", math.inf)) for one in run)
    return min((loss for loss in losses if math.isfinite(loss)), default=math.inf)
