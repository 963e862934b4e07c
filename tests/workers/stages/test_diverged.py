"""What the transfer is compared with may diverge: the job keeps its model, and says what is not known."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from fastapi.testclient import TestClient

from app.jobs.states import Stage
from app.main import create_app
from tests.stored import store
from tests.workers.stages.test_control import UPDATES, done, rows
from workers.tasks import Services
from workers.trainings import Trainings
from workers.transfer.methods.parts.receipt import Transferred
from workers.transfer.training.options import TrainingDiverged

PROBE = {"kind": "parameter", "strategy": "linear_probe"}


@pytest.fixture(scope="module")
def client(services: Services) -> Iterator[TestClient]:
    """The API beside that worker."""
    with TestClient(create_app(services.settings)) as client:
        store(client, "source", rows(0, 160, 40), label="y")
        store(client, "target", rows(1, 48, 40), label="y")
        yield client


Diverge = Callable[[Callable[[str], bool]], None]


@pytest.fixture
def diverge(monkeypatch: pytest.MonkeyPatch) -> Diverge:
    """Makes the runs diverge that are asked for."""
    trained = Trainings._trained

    def fails() -> Transferred:
        raise TrainingDiverged("Expected a finite loss. Received: nan in round 1.")

    def set_up(asked: Callable[[str], bool]) -> None:
        def diverges(self: Trainings, stage: Stage, run: str, train: Callable[[], Transferred]) -> Any:
            return trained(self, stage, run, fails if asked(run) else train)

        monkeypatch.setattr(Trainings, "_trained", diverges)

    return set_up


def test_a_candidate_and_an_ablation_that_diverge_are_left_out(
    client: TestClient, services: Services, diverge: Diverge
) -> None:
    gone = ["control/from_scratch/0", "usual_network/0"]
    diverge(gone.__contains__)
    asked = {"seeds": 2, "arms": ["usual_network"]}
    report = done(client, services, method=PROBE, training=UPDATES, evaluation=asked)
    control = report["evaluation"]["control"]
    assert control["chosen"] == "random_weights"
    lost = {"name": "from_scratch", "loss": None, "accuracy": None, "metrics": None}
    assert control["candidates"][0] == lost
    assert list(report["evaluation"]["metrics"]) == ["transfer", "control"]
    assert report["evaluation"]["verdict"] is not None
    events = client.get(f"/v1/jobs/{report['job']['id']}/events").json()["data"]
    assert [one["data"]["run"] for one in events if one["type"] == "training.diverged"] == gone


@pytest.mark.parametrize(("seed", "is_there"), [("0", False), ("1", True)])
def test_where_the_control_diverges_there_is_a_model_and_no_verdict(
    client: TestClient, services: Services, diverge: Diverge, seed: str, is_there: bool
) -> None:
    diverge(lambda run: run.startswith("control/") and run.endswith(f"/{seed}"))
    asked = {"seeds": 3, "baseline": True}
    method = {"kind": "parameter", "strategy": "full"}
    report = done(client, services, method=method, evaluation=asked)
    result = report["job"]["result"]
    assert (result["verdict"], result["verdict_details"]) == (None, ["not_converged"])
    assert "diverged" in result["reason"]
    assert (result["control"] is not None) == is_there
    assert [one["seed"] for one in report["evaluation"]["arms"].get("control", [])] == [0, 2] * is_there
    assert result["recommendation"] is not None
    page = client.get(f"/v1/jobs/{report['job']['id']}/report?format=html").text
    assert "<strong>No verdict</strong>" in page
