"""What is told of a job that succeeded."""

from __future__ import annotations

import pytest

from app.client import Job
from app.client.commands.following import tell_result

JOB = {"id": "j", "name": "j", "model": "m", "state": "succeeded", "terminal": True}
RESULT = {
    "version": "m@1",
    "verdict": "helped",
    "reason": "It did.",
    "metrics": {"transfer": {"accuracy": 0.5}, "control": {"accuracy": 0.25}},
}


def told(kind: str, capsys: pytest.CaptureFixture[str]) -> list[list[str]]:
    proof = {"kind": kind, "metrics": {"transfer": {"accuracy": 0.75, "auc": None}, "control": {}}}
    result = {**RESULT, "proof": proof}
    tell_result(Job.model_validate({**JOB, "created_at": "2026-01-01T00:00:00Z", "result": result}))
    return [line.split() for line in capsys.readouterr().out.splitlines()]


def test_means_over_folds_stand_beside_the_test_rows(capsys: pytest.CaptureFixture[str]) -> None:
    assert told("cross-validation", capsys)[1:-1] == [
        ["in", "folds", "transfer", "control"],
        ["accuracy", "0.75", "-"],
        ["auc", "-", "-"],
        ["test", "rows", "transfer", "control"],
        ["accuracy", "0.5", "0.25"],
    ]


def test_of_test_rows_the_metrics_are_told_once(capsys: pytest.CaptureFixture[str]) -> None:
    assert told("test_rows", capsys)[1:-1] == [
        ["test", "rows", "transfer", "control"],
        ["accuracy", "0.5", "0.25"],
    ]
