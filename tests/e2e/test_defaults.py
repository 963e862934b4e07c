"""What a user gets who names no limits of a training: budgets in updates, chosen rates, a fair control."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.e2e.conftest import Service

COLUMNS, CLASSES = 12, 4
PARTS = ["train"] * 60 + ["validation"] * 40 + ["test"] * 300


def write(path: Path, kind: str, labels: np.ndarray, x: np.ndarray, parts: list[str]) -> Path:
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow([*(f"x{number}" for number in range(COLUMNS)), "label", "split"])
        for row, label, part in zip(x, labels, parts, strict=True):
            writer.writerow([*map(float, row), f"{kind} {label}", part])
    return path


@pytest.fixture(scope="module", params=["as it is", "in no order"])
def job(
    request: pytest.FixtureRequest, service: Service, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, Any]:
    """The classes of both tables follow from the same three features, or the source's are shuffled."""
    folder, rng = tmp_path_factory.mktemp("defaults"), np.random.default_rng(0)
    shared = rng.normal(size=(COLUMNS, 3))
    x = [rng.normal(size=(rows, COLUMNS)).astype(np.float32) for rows in (1500, len(PARTS))]
    classes = [
        (np.tanh(rows @ shared) @ rng.normal(size=(3, count))).argmax(axis=1)
        for rows, count in zip(x, (2 * CLASSES, CLASSES), strict=True)
    ]
    if request.param == "in no order":
        rng.shuffle(classes[0])
    name = f"defaults-{request.param.replace(' ', '-')}"
    source_parts = ["train"] * 1300 + ["validation"] * 200
    service.upload(f"{name}-source", write(folder / "s.csv", "s", classes[0], x[0], source_parts))
    service.upload(f"{name}-target", write(folder / "t.csv", "t", classes[1], x[1], PARTS))
    sides = {"source": {"dataset": f"{name}-source"}, "target": {"dataset": f"{name}-target"}}
    ended = service.wait(service.post(model=name, **sides)["id"])
    assert ended["state"] == "succeeded", ended["error"]
    return {**ended, "is_shuffled": request.param == "in no order"}


def test_what_source_and_target_share_helps_at_the_defaults_and_what_they_do_not_share_never_does(
    job: dict[str, Any],
) -> None:
    result = job["result"]
    if job["is_shuffled"]:
        assert result["verdict"] != "helped", result["reason"]
    else:
        assert result["verdict"] == "helped", result["reason"]
        assert result["metrics"]["transfer"]["accuracy"] > result["metrics"]["control"]["accuracy"] + 0.1


def test_every_arm_chose_among_the_same_rates_and_both_candidates_of_the_control_are_told(
    job: dict[str, Any],
) -> None:
    choices, control = job["result"]["choices"], job["result"]["control"]
    rates = {arm: [tried["learning_rate"] for tried in choice["tried"]] for arm, choice in choices.items()}
    assert rates == {"transfer": [0.001, 0.003, 0.01], "control": [0.001, 0.003, 0.01]}
    assert {choice["by"] for choice in choices.values()} == {"validation"}
    assert [one["name"] for one in control["candidates"]] == ["from_scratch", "random_weights"]
