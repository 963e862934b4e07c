"""A source trained anew for each seed: durable, counted, found again, and told in the sentence."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import delete

from app.db.tables import StagePart
from app.jobs.states import Stage
from app.main import create_app
from tests.stored import store
from tests.workers.stages.test_control import (
    EPOCHS,
    SMALL,
    attempted,
    done,
    posted,
    reported,
    rows,
    without_seconds,
)
from workers.journal import Journal
from workers.tasks import Services
from workers.transfer.training.options import Stopped

PROBE = {"kind": "parameter", "strategy": "linear_probe"}
ASKED: dict[str, Any] = {
    "evaluation": {"seeds": 3, "retrain_source": True, "metric": "log_loss"},
    "training": {"budget": {"min_updates": 8, "max_updates": 8}, "learning_rate": 0.01},
    "method": PROBE,
}


@pytest.fixture(scope="module")
def client(services: Services) -> Iterator[TestClient]:
    """The API beside that worker."""
    with TestClient(create_app(services.settings)) as client:
        store(client, "source", rows(0, 160, 40), label="y")
        store(client, "target", rows(1, 48, 40, test=60), label="y")
        yield client


@pytest.fixture(scope="module")
def report(client: TestClient, services: Services) -> dict[str, Any]:
    source = {"dataset": "source", "training": {**EPOCHS, "seed": 5}}
    return done(client, services, source=source, **ASKED)


def test_each_seed_of_the_transfer_takes_its_own_source(report: dict[str, Any]) -> None:
    """Of one source a probe is the same for all seeds, and is fitted once."""
    evaluation = report["evaluation"]
    losses = [one["metrics"]["log_loss"] for one in evaluation["arms"]["transfer"]]
    assert len(set(losses)) == 3
    assert "from a source that is trained anew for each seed" in evaluation["reason"]
    result = report["job"]["result"]
    assert result["cost"]["source"] == {**result["cost"]["source"], "reused": False}
    assert result["cost"]["source"]["updates"] == 3 * 2 * 10  # 160 rows in batches of 16, twice


def test_the_first_source_is_that_of_a_job_with_one(
    client: TestClient, services: Services, report: dict[str, Any]
) -> None:
    source = {"dataset": "source", "training": {**EPOCHS, "seed": 5}}
    asked = {**ASKED, "evaluation": {"seeds": 3, "metric": "log_loss"}}
    one = done(client, services, source=source, **asked)
    assert one["job"]["result"]["cost"]["source"]["reused"] is True
    (loss,) = [of["metrics"]["log_loss"] for of in one["evaluation"]["arms"]["transfer"]]
    assert loss == report["evaluation"]["arms"]["transfer"][0]["metrics"]["log_loss"]
    assert "from this source" in one["evaluation"]["reason"]
    assert one["weights_sha256"] == report["weights_sha256"]


@pytest.mark.slow
def test_other_jobs_find_each_of_them_by_its_own_seed(
    client: TestClient, services: Services, report: dict[str, Any]
) -> None:
    source = {"dataset": "source", "training": {**EPOCHS, "seed": 6}}
    again = done(client, services, source=source, **ASKED)
    cost = again["job"]["result"]["cost"]
    assert cost["source"] == {**cost["source"], "updates": 2 * 10, "reused": False}  # seeds 6, 7 are there
    assert cost["saved"]["updates"] == 2 * 2 * 10
    losses = [
        [one["metrics"]["log_loss"] for one in of["evaluation"]["arms"]["transfer"]] for of in (report, again)
    ]
    assert losses[0][1:] == losses[1][:2]


def test_a_job_that_was_stopped_trains_no_source_twice_and_comes_to_the_same(
    client: TestClient, services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = {"dataset": "source", "training": {**EPOCHS, "seed": 50}}
    request = {"model": "m", "network": SMALL, "champion": "never", "source": source, **ASKED}
    request["evaluation"] = {"baseline": False, **ASKED["evaluation"]}
    job_id = posted(client, request, {"dataset": "target"})
    kept: list[str] = []
    trained: list[str] = []
    fractions: list[float] = []
    save, epoch = Journal.save_part, Journal.epoch

    def stop_once(self: Journal, stage: Stage, key: str, **values: Any) -> None:
        save(self, stage, key, **values)
        kept.append(key)
        if kept.count("source/1") == 1 and key == "source/1":
            raise Stopped("pause")

    def remember(self: Journal, stage: Stage, run: str, number: int, values: Any, progress: Any) -> None:
        trained.extend([run] if number == 1 else [])
        fractions.append(progress["fraction"])
        epoch(self, stage, run, number, values, progress)

    monkeypatch.setattr(Journal, "save_part", stop_once)
    monkeypatch.setattr(Journal, "epoch", remember)
    assert attempted(client, services, job_id)["state"] == "paused"
    client.post(f"/v1/jobs/{job_id}:resume")
    assert attempted(client, services, job_id)["state"] == "succeeded"
    assert [run for run in trained if run.startswith("source")] == ["source/1", "source/2", "source"]
    assert fractions == sorted(fractions)
    monkeypatch.undo()
    stopped, whole = reported(client, job_id), done(client, services, source=source, **ASKED)
    assert without_seconds(stopped["evaluation"]) == without_seconds(whole["evaluation"])
    assert stopped["weights_sha256"] == whole["weights_sha256"]


def test_sources_that_were_dropped_since_the_stage_ended_are_found_or_trained_again(
    client: TestClient, services: Services, monkeypatch: pytest.MonkeyPatch, report: dict[str, Any]
) -> None:
    request = {"model": "m", "network": SMALL, "champion": "never", **ASKED}
    request["source"] = {"dataset": "source", "training": {**EPOCHS, "seed": 5}}
    request["evaluation"] = {"baseline": False, **ASKED["evaluation"]}
    job_id = posted(client, request, {"dataset": "target"})
    started = Journal.started

    def stop(self: Journal, stage: Stage, progress: dict[str, Any]) -> None:
        if stage is Stage.TRANSFER:
            raise Stopped("pause")
        started(self, stage, progress)

    with monkeypatch.context() as patched:
        patched.setattr(Journal, "started", stop)
        assert attempted(client, services, job_id)["state"] == "paused"
    with services.sessions.begin() as session:
        of_source = StagePart.job_id == job_id, StagePart.stage == Stage.SOURCE
        gone = session.scalars(delete(StagePart).where(*of_source).returning(StagePart.key)).all()
    assert {"source/1", "source/2"} <= set(gone)
    client.post(f"/v1/jobs/{job_id}:resume")
    assert attempted(client, services, job_id)["state"] == "succeeded"
    again = reported(client, job_id)
    assert again["evaluation"]["arms"] == report["evaluation"]["arms"]
    assert again["weights_sha256"] == report["weights_sha256"]


@pytest.mark.parametrize(
    ("asked", "received"),
    [
        ({"source": {"version": "m@1"}}, "a version as source"),
        ({"method": {"kind": "structure", "strategy": "reuse"}}, "takes no parameters"),
    ],
)
def test_what_is_not_trained_cannot_be_trained_anew(
    client: TestClient, report: dict[str, Any], asked: dict[str, Any], received: str
) -> None:
    request = {"model": "n", "source": {"dataset": "source"}, "target": {"dataset": "target"}, **asked}
    answer = client.post("/v1/jobs", json={**request, "evaluation": {"retrain_source": True}})
    assert (answer.status_code, answer.json()["code"]) == (422, "source_not_trained")
    assert received in answer.json()["detail"]
    assert "leave `retrain_source` out" in answer.json()["hint"]
