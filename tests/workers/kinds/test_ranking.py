from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import Engine, select

from app.broker import Broker
from app.db.session import Sessions
from app.db.tables import StagePart
from app.jobs import transitions
from app.main import create_app
from app.settings import Settings
from app.storage import Storage
from tests.conftest import WriteCsv
from tests.stored import store
from tests.workers.conftest import claimed
from workers.heartbeat import Heartbeat
from workers.kinds import ranking as ranking_kind
from workers.tasks import Services, _attempt

JOB: dict[str, Any] = {
    "model": "m",
    "source": {"dataset": "source"},
    "target": {"dataset": "target"},
    "network": {"kind": "mlp", "hidden_units": [4]},
    "training": {"epochs": 1},
    "method": {"kind": "parameter", "strategy": "linear_probe"},
    "evaluation": {"folds": 0, "seeds": 1, "control": False, "baseline": False},
}


@pytest.fixture
def client(settings: Settings, engine: Engine, write_csv: WriteCsv, tmp_path: Path) -> Iterator[TestClient]:
    """The API, with a source and a target."""
    with TestClient(create_app(settings)) as client:
        for seed, name in enumerate(("source", "target")):
            store(client, name, write_csv(tmp_path / f"{name}.csv", 60, seed=seed).read_bytes(), label="y")
        yield client


class Stopped(Exception):
    """The worker dies."""


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_a_ranking_that_was_cut_off_measures_no_candidate_twice_and_answers_beside_baselines(
    client: TestClient,
    sessions: Sessions,
    settings: Settings,
    broker_url: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    services = Services(settings, sessions, Storage(settings.storage_dir), Broker(broker_url))

    def attempt(job_id: str) -> None:
        lease = claimed(sessions, job_id)
        try:
            _attempt(services, lease, Heartbeat(sessions, lease, settings, lambda: False))
        except Stopped:
            with sessions.begin() as session:
                transitions.expire(session, job_id, lease.attempt)

    attempt(client.post("/v1/jobs", json=JOB).json()["id"])
    assert client.get("/v1/models/m@1").status_code == 200
    ranking = client.post("/v1/rankings", json={"target": "target", "candidates": [{"version": "m"}]})
    job_id = ranking.json()["id"]

    def die(*_: Any) -> None:
        raise KeyboardInterrupt

    measured = ranking_kind.measure
    with monkeypatch.context() as patch:
        patch.setattr(ranking_kind, "measure_baselines", die)
        with pytest.raises(KeyboardInterrupt):
            attempt(job_id)
    with sessions() as session:
        parts = session.scalars(select(StagePart.key).where(StagePart.job_id == job_id)).all()
        assert parts == ["candidate m@1"]
    with sessions.begin() as session:
        transitions.expire(session, job_id, 1)
    calls: list[Any] = []
    monkeypatch.setattr(ranking_kind, "measure", lambda *a, **k: calls.append(a) or measured(*a, **k))
    attempt(job_id)
    view = client.get(f"/v1/rankings/{job_id}").json()
    assert view["state"] == "succeeded", view["error"]
    assert calls == []
    result = view["result"]
    assert result["best"] == "m@1"
    assert result["answer"] in ("use", "undecided", "no")
    kinds = {row["kind"] for row in result["ranking"]}
    assert kinds == {"candidate", "baseline", "none"}
    assert [row["rank"] for row in result["ranking"]] == list(range(1, len(result["ranking"]) + 1))
    scores = [row["score"] for row in result["ranking"]]
    assert scores == sorted(scores, reverse=True)
    candidate = next(row for row in result["ranking"] if row["kind"] == "candidate")
    assert candidate["job"]["steps"] > 0
    assert candidate["source"]["rows"] > 0
    assert candidate["scores"]["logme"] is not None
    assert any("target" in notice["message"] for notice in candidate["warnings"])
    assert view["progress"]["fraction"] == 1.0
