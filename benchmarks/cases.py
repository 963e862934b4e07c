"""A job on real data, what is known of its outcome, and what the service says of it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.service import Service


@dataclass(frozen=True)
class Upload:
    """A file, and what is said of it; its data set is called by its name."""

    path: Path
    declared: dict[str, str]


@dataclass(frozen=True)
class Case:
    """A job, and what is known of its outcome.

    reference: numbers from elsewhere, in words.
    """

    name: str
    reference: str
    job: dict[str, Any]


@dataclass(frozen=True)
class Finding:
    """What a case came to."""

    case: Case
    job: dict[str, Any]
    report: dict[str, Any]

    def lines(self) -> list[str]:
        """The reference, what was measured, and the verdict with its interval."""
        result, gain = self.job["result"], self.job["result"]["gain"]
        lines = [f"{self.case.name}", f"  reference: {self.case.reference}"]
        for arm, values in result["metrics"].items():
            metric = gain["metric"] if gain else next(iter(values))
            lines.append(f"  measured:  {arm} {metric} {values[metric]:.3f}")
        for point in (self.report["evaluation"].get("few_shot") or {"points": []})["points"]:
            label = point["per_class"] or "all"
            both = f"transfer {_shown(point, 'transfer')}, scratch {_shown(point, 'control')}"
            lines.append(f"  {label:>4} a class: {both}, gain {_interval(point['gain'])}")
        for arm, over in self.report["evaluation"]["ablations"].items():
            lines.append(f"  over {arm} ({over['control']:.3f}): {_interval(over)}")
        if gain:
            lines.append(f"  gain:      {_interval(gain)}")
        lines.append(f"  verdict:   {result['verdict']}. {result['reason']}")
        return lines


def _shown(point: dict[str, Any], arm: str) -> str:
    return "-" if point[arm] is None else f"{point[arm]:.3f}"


def _interval(gain: dict[str, Any] | None) -> str:
    return "-" if gain is None else f"{gain['value']:+.3f} ({gain['low']:+.3f} to {gain['high']:+.3f})"


def measure(
    service: Service, uploads: Sequence[Upload], cases: Sequence[Case], only: Sequence[str] = ()
) -> Iterator[Finding]:
    """Upload the data and run each case, in order: later ones may start from the models of earlier ones."""
    for upload in uploads:
        service.upload(upload.path, **upload.declared)
    for case in cases:
        if not only or any(case.name.startswith(name) for name in only):
            job = service.run(case.job)
            yield Finding(case, job, service.report(job["id"]))
