from __future__ import annotations

import time
from typing import Any

import pytest
from fastapi.testclient import TestClient

from app.db.session import Sessions
from app.db.tables import Event, Job
from tests.app.conftest import Publish

SHORTEST: dict[str, Any] = {"model": "m", "source": {"dataset": "source"}, "target": {"dataset": "target"}}

pytestmark = pytest.mark.usefixtures("datasets")


def test_a_plan_writes_nothing_and_tells_what_the_job_would_be(
    client: TestClient, sessions: Sessions
) -> None:
    client.post("/v1/jobs:plan", json=SHORTEST)
    begun = time.monotonic()
    plan = client.post("/v1/jobs:plan", json=SHORTEST).json()
    assert time.monotonic() - begun < 2  # 300 ms on a machine that does nothing else
    assert plan["stages"] == ["source", "transfer", "control", "evaluate", "export"]
    assert (plan["source"], plan["target"], plan["cpu_seconds"]) == ("source@1", "target@1", None)
    assert plan["columns"]["matched"]
    assert plan["columns"]["new"] == plan["columns"]["dropped"] == plan["classes"]["new"] == []
    with sessions() as session:
        assert not session.query(Job).count()
        assert not session.query(Event).count()
    job = client.post("/v1/jobs", json=SHORTEST).json()
    with sessions() as session:
        estimate = session.get_one(Job, job["id"]).spec["estimate"]
    assert {name: plan[name] for name in estimate} == estimate


@pytest.mark.parametrize(
    "wrong",
    [
        {"target": {"dataset": "nothing"}},
        {"queue": "nothing"},
        {"limits": {"max_seconds": 1e9 + 1}},
        {"network": {"kind": "text_convnet"}},
        {"evaluation": {"metric": "r2"}},
        {"name": "taken"},
    ],
)
def test_a_plan_is_refused_as_the_job_would_be(client: TestClient, wrong: dict[str, Any]) -> None:
    client.post("/v1/jobs", json={**SHORTEST, "name": "taken"}).raise_for_status()
    refused = [client.post(path, json={**SHORTEST, **wrong}) for path in ("/v1/jobs", "/v1/jobs:plan")]
    told = [
        {name: text for name, text in one.json().items() if name != "instance"} | {"status": one.status_code}
        for one in refused
    ]
    assert refused[0].status_code >= 400
    assert told[0] == told[1]


def test_seconds_are_told_from_finished_jobs_of_the_workspace(client: TestClient, publish: Publish) -> None:
    nothing = {"updates": 0, "cpu_seconds": 0.0}
    cost = {
        "source": {**nothing, "reused": False},
        "transfer": nothing,
        "control": None,
        "few_shot": None,
        "total": {"updates": 100, "cpu_seconds": 8.0},
        "saved": {**nothing, "why": []},
    }
    publish("helped", evaluated={"cost": cost})
    seconds = client.post("/v1/jobs:plan", json=SHORTEST).json()["cpu_seconds"]
    assert seconds == {"low": 4.0, "high": 16.0, "from_jobs": 1}
