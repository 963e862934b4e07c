"""A job on real data, what is known of its outcome, and what the service says of it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.service import Service, tree_seconds


@dataclass(frozen=True)
class Upload:
    """A file, and what is said of it; its data set is called by its name."""

    path: Path
    declared: dict[str, str]


@dataclass(frozen=True)
class Case:
    """A job, and what is known of its outcome.

    reference: numbers from elsewhere, in words. is_long: whether it runs only if it is named, since it takes
    an hour or more.
    """

    name: str
    reference: str
    job: dict[str, Any]
    is_long: bool = False


@dataclass(frozen=True)
class Told:
    """What a job's result tells of each arm by the metric of its gain, and what a user should do."""

    metric: str
    arms: dict[str, float | None]
    chosen: dict[str, str]
    gain: dict[str, Any] | None
    over_baseline: dict[str, Any] | None
    verdict: str
    recommendation: str

    @classmethod
    def of(cls, result: dict[str, Any]) -> Told:
        gain, versus = result["gain"], result["versus_baseline"]
        metric = gain["metric"] if gain else next(iter(result["metrics"]["transfer"]))
        chosen = {arm: result[arm]["chosen"] for arm in ("control", "baseline") if result[arm]}
        return cls(
            metric,
            {arm: values[metric] for arm, values in result["metrics"].items()},
            {arm: name.replace("_", " ") for arm, name in chosen.items()},
            gain,
            versus and versus["gain"],
            result["verdict"] or ", ".join(result["verdict_details"]) or "-",
            (result["recommendation"] or "-").replace("_", " "),
        )

    def arm(self, name: str) -> str:
        """Its metric, and what it is where there was a choice."""
        value = self.arms.get(name)
        if value is None:
            return "-"
        return f"{value:.3f}" + (f" ({self.chosen[name]})" if name in self.chosen else "")


COLUMNS = {
    "Case": "---",
    "Metric": "---",
    "Constant": "---:",
    "Baseline": "---",
    "Control": "---",
    "Transfer": "---:",
    "Gain over the control": "---",
    "Verdict": "---",
    "Gain over the baseline": "---",
    "What to use": "---",
    "CPU seconds": "---:",
    "Reference": "---",
}


def header(columns: dict[str, str]) -> str:
    """Of a table in Markdown."""
    return "\n".join(f"| {' | '.join(cells)} |" for cells in (columns, columns.values()))


@dataclass(frozen=True)
class Finding:
    """What a case came to."""

    case: Case
    job: dict[str, Any]
    report: dict[str, Any]
    seconds: float

    def row(self) -> str:
        """The case's line of the table."""
        told = Told.of(self.job["result"])
        cells = [
            self.case.name,
            told.metric.replace("_", " "),
            *(told.arm(name) for name in ("constant", "baseline", "control", "transfer")),
            interval(told.gain),
            told.verdict,
            interval(told.over_baseline),
            told.recommendation,
            f"{self.seconds:.0f}",
            self.case.reference,
        ]
        return "| " + " | ".join(cells) + " |"

    def more(self) -> list[str]:
        """Few-shot points and ablations, where the case asks for them."""
        evaluation = self.report["evaluation"]
        lines = []
        for point in (evaluation.get("few_shot") or {"points": []})["points"]:
            label = point["per_class"] or "all"
            both = f"transfer {_shown(point, 'transfer')}, control {_shown(point, 'control')}"
            lines.append(f"{self.case.name}, {label} a class: {both}, gain {interval(point['gain'])}")
        for arm, over in evaluation["ablations"].items():
            name = arm.replace("_", " ")
            lines.append(f"{self.case.name}, over {name} ({over['control']:.3f}): {interval(over)}")
        return lines


def interval(gain: dict[str, Any] | None) -> str:
    """The gain and its bounds."""
    return "-" if gain is None else f"{gain['value']:+.3f} ({gain['low']:+.3f} to {gain['high']:+.3f})"


def _shown(point: dict[str, Any], arm: str) -> str:
    return "-" if point[arm] is None else f"{point[arm]:.3f}"


def measure(
    service: Service, uploads: Sequence[Upload], cases: Sequence[Case], only: Sequence[str] = ()
) -> Iterator[Finding]:
    """Upload the data and run each case, in order: later ones may start from the models of earlier ones."""
    asked = [case for case in cases if _is_asked(case, only)]
    used = {reference["dataset"] for case in asked for reference in _references(case.job)}
    for upload in uploads:
        if upload.declared.get("name", upload.path.stem) in used:
            service.upload(upload.path, **upload.declared)
    for case in asked:
        before = tree_seconds(service.process.pid)
        job = service.run(case.job)
        yield Finding(case, job, service.report(job["id"]), tree_seconds(service.process.pid) - before)


def _is_asked(case: Case, only: Sequence[str]) -> bool:
    return any(case.name.startswith(name) for name in only) if only else not case.is_long


def _references(job: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield from (job[place] for place in ("source", "target") if "dataset" in job[place])
