"""A case is told with constant, baseline, control and transfer side by side, and with what to use."""

from __future__ import annotations

from typing import Any

from benchmarks.cases import COLUMNS, Case, Finding, Told, header
from benchmarks.known_answers import Known
from benchmarks.reference import COLUMNS as REFERENCE_COLUMNS
from benchmarks.reference import Measured

GAIN = {"metric": "accuracy", "value": 0.13, "low": 0.05, "high": 0.21}
RESULT: dict[str, Any] = {
    "verdict": "helped",
    "verdict_details": [],
    "gain": GAIN,
    "metrics": {
        "transfer": {"log_loss": 0.3, "accuracy": 0.91},
        "control": {"log_loss": 0.5, "accuracy": 0.78},
        "baseline": {"log_loss": 0.4, "accuracy": 0.86},
        "constant": {"log_loss": 0.7, "accuracy": 0.52},
    },
    "control": {"chosen": "random_weights"},
    "baseline": {"chosen": "pooled_extra_trees"},
    "versus_baseline": {"gain": {**GAIN, "value": 0.05, "low": -0.01, "high": 0.11}},
    "recommendation": "train_both",
}
SILENT: dict[str, Any] = {
    "verdict": None,
    "verdict_details": ["too_few_rows"],
    "gain": None,
    "metrics": {"transfer": {"accuracy": None}},
    "control": None,
    "baseline": None,
    "versus_baseline": None,
    "recommendation": None,
}
CELLS = ["0.520", "0.860 (pooled extra trees)", "0.780 (random weights)", "0.910"]


def cells(row: str) -> list[str]:
    return [cell.strip() for cell in row.strip("|").split("|")]


def test_a_line_has_every_arm_its_gains_and_what_to_use() -> None:
    report: dict[str, Any] = {"evaluation": {"few_shot": None, "ablations": {}}}
    told = Finding(Case("wine", "hurts", {}), {"result": RESULT}, report, 12.4)
    gains = ["+0.130 (+0.050 to +0.210)", "helped", "+0.050 (-0.010 to +0.110)", "train both"]
    assert cells(told.row()) == ["wine", "accuracy", *CELLS, *gains, "12", "hurts"]
    assert told.more() == []


def test_each_line_has_as_many_cells_as_the_header() -> None:
    report: dict[str, Any] = {"evaluation": {"few_shot": None, "ablations": {}}}
    for result in (RESULT, SILENT):
        told = Finding(Case("wine", "-", {}), {"result": result}, report, 1.0)
        assert len(cells(told.row())) == len(cells(header(COLUMNS).splitlines()[0])) == len(COLUMNS)


def test_what_is_not_known_is_told_as_such() -> None:
    told = Told.of(SILENT)
    assert (told.verdict, told.recommendation, told.arm("control")) == ("too_few_rows", "-", "-")


def test_several_draws_are_told_by_their_means_and_counts() -> None:
    case = Known("tables", "40, 10, 650", "transfer .75", {}, lambda *_: [], transfer_at_least=0.75)
    measured = Measured(case)
    for accuracy, verdict in ((0.7, "helped"), (0.9, None)):
        metrics = {**RESULT["metrics"], "transfer": {"accuracy": accuracy}}
        result = {**RESULT, "metrics": metrics, "verdict": verdict}
        cost = {"transfer": {"updates": 300}}
        measured.add({"result": {**result, "cost": cost}}, 300, 10.0)
    told = cells(measured.row())
    assert len(told) == len(REFERENCE_COLUMNS)
    assert told[6:9] == ["0.800", "+0.130 (+0.050 to +0.210)", "1 helped, 1 -"]
    assert measured.is_reached
