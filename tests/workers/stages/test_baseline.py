"""A job fits what a practitioner would use, and one answer for all rows, and says what to use."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from fastapi.testclient import TestClient

from app.jobs.states import Stage
from app.main import create_app
from tests.stored import store
from tests.workers.conftest import claimed
from tests.workers.stages.test_control import EPOCHS, SMALL, done, rows
from workers.heartbeat import Heartbeat
from workers.journal import Journal
from workers.tasks import Services, _attempt
from workers.transfer.baselines import tables
from workers.transfer.baselines.trees import extra_trees

POOLED = ["linear", "extra_trees", "pooled_linear", "pooled_extra_trees"]


@pytest.fixture(scope="module")
def client(services: Services) -> Iterator[TestClient]:
    """The API beside that worker, with a source and targets of many and few validation rows."""
    with TestClient(create_app(services.settings)) as client:
        store(client, "source", rows(0, 160, 40), label="y")
        store(client, "target", rows(1, 48, 40), label="y")
        store(client, "few", rows(2, 48, 8), label="y")
        yield client


@pytest.fixture(scope="module")
def report(client: TestClient, services: Services) -> dict[str, Any]:
    return done(client, services, evaluation={"seeds": 2, "baseline": True})


def test_a_job_has_both_arms_and_a_recommendation(report: dict[str, Any]) -> None:
    result = report["job"]["result"]
    assert list(result["metrics"]) == ["transfer", "control", "baseline", "constant"]
    assert [one["name"] for one in result["baseline"]["candidates"]] == POOLED
    assert result["baseline"]["chosen"] in POOLED
    assert result["baseline"]["by"] == "validation"
    assert result["metrics"]["baseline"]["accuracy"] > result["metrics"]["constant"]["accuracy"]
    assert result["versus_control"] == {"gain": result["gain"], "reason": result["reason"]}
    gain = result["versus_baseline"]["gain"]
    values = [result["metrics"][arm]["accuracy"] for arm in ("transfer", "baseline")]
    assert [gain["transfer"], gain["control"]] == values
    assert result["recommendation"] in ("transfer", "control", "baseline", "train_both", "label_more")
    assert result["recommendation_reason"].endswith(".")


def test_it_is_fitted_once_and_its_cost_is_counted(report: dict[str, Any]) -> None:
    assert len(report["evaluation"]["arms"]["transfer"]) > 1
    assert len(report["evaluation"]["arms"]["baseline"]) == 1
    assert report["job"]["result"]["cost"]["baseline"]["updates"] == 0
    assert report["job"]["result"]["cost"]["baseline"]["cpu_seconds"] > 0


def test_with_few_validation_rows_it_is_chosen_by_folds(client: TestClient, services: Services) -> None:
    training = {
        "batch_size": 16,
        "learning_rate": 0.01,
        "budget": {"round_updates": 8, "min_updates": 16, "max_updates": 24, "patience_updates": 8},
    }
    told = done(client, services, "few", training=training, evaluation={"control": False, "baseline": True})[
        "job"
    ]["result"]
    assert told["baseline"]["by"] == "cross-validation"
    assert (
        "train rows held out in folds" in told["recommendation_reason"]
        or told["recommendation"] == "label_more"
    )


def test_without_it_there_is_neither(client: TestClient, services: Services) -> None:
    asked = {"baseline": False, "control": False, "seeds": 1}
    result = done(client, services, evaluation=asked)["job"]["result"]
    assert list(result["metrics"]) == ["transfer"]
    names = ("baseline", "versus_baseline", "versus_control", "recommendation", "recommendation_reason")
    assert [result[name] for name in names] == [None] * 5


class Pauses(Heartbeat):
    """Asks to stop once the baseline is durable."""

    @property
    def reason(self) -> str | None:  # type: ignore[override]
        journal = Journal(self._sessions, self._lease)
        return "pause" if journal.part(Stage.CONTROL, "outcome baseline/7") is not None else None

    @reason.setter
    def reason(self, value: str | None) -> None:
        pass


def test_a_later_attempt_fits_nothing_again(
    client: TestClient, services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    fits: list[int] = []

    def counted(*given: Any) -> Any:
        fits.append(1)
        return extra_trees(*given)

    monkeypatch.setattr(tables, "extra_trees", counted)
    request = {"model": "m", "network": SMALL, "training": {**EPOCHS, "seed": 7}, "champion": "never"}
    request |= {"source": {"dataset": "source", "training": EPOCHS}, "target": {"dataset": "target"}}
    request |= {"evaluation": {"arms": ["random_frozen"], "seeds": 1}}
    job = client.post("/v1/jobs", json=request).json()["id"]
    lease = claimed(services.sessions, job)
    _attempt(services, lease, Pauses(services.sessions, lease, services.settings, lambda: False))
    assert client.get(f"/v1/jobs/{job}").json()["state"] == "paused"
    assert fits
    fits.clear()
    client.post(f"/v1/jobs/{job}:resume")
    lease = claimed(services.sessions, job)
    _attempt(services, lease, Heartbeat(services.sessions, lease, services.settings, lambda: False))
    result = client.get(f"/v1/jobs/{job}").json()["result"]
    assert not fits
    assert [one["name"] for one in result["baseline"]["candidates"]] == POOLED
    assert result["cost"]["baseline"]["cpu_seconds"] > 0
    kept = client.get(f"/v1/models/{result['version']}/download", params={"arm": "baseline"})
    assert kept.status_code == 200
