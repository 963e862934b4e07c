from __future__ import annotations

from typing import Any

import pytest
from fastapi.testclient import TestClient

from app.db.session import Sessions
from app.db.tables import Event, Job, JobStage
from app.jobs import transitions
from tests.app.conftest import Publish
from tests.conftest import DATABASES, WriteCsv
from tests.stored import store

SQLITE = pytest.mark.parametrize("database_url", DATABASES[:1], indirect=True)


@pytest.fixture
def ranking(client: TestClient, publish: Publish) -> dict[str, Any]:
    """A ranking that waits, of all versions of a workspace with one model."""
    publish("helped")
    answer = client.post("/v1/rankings", json={"target": "target", "candidates": [{"version": "m@1"}]})
    assert answer.status_code == 202, answer.text
    assert answer.headers["location"] == f"/v1/rankings/{answer.json()['id']}"
    made: dict[str, Any] = answer.json()
    return made


def test_a_ranking_waits_with_the_candidates_that_can_serve(
    client: TestClient, ranking: dict[str, Any]
) -> None:
    assert (ranking["state"], ranking["candidates"]) == ("queued", ["m@1"])
    assert [stage["stage"] for stage in ranking["stages"]] == ["rank"]
    assert ranking["target"]["dataset"] == "target@1"
    assert client.get(f"/v1/rankings/{ranking['name']}").json() == ranking
    assert [one["id"] for one in client.get("/v1/rankings").json()["data"]] == [ranking["id"]]


def test_a_ranking_is_no_transfer_job(client: TestClient, ranking: dict[str, Any]) -> None:
    assert client.get(f"/v1/jobs/{ranking['id']}").json()["code"] == "job_not_found"
    assert ranking["id"] not in [one["id"] for one in client.get("/v1/jobs").json()["data"]]
    job = client.get("/v1/jobs").json()["data"][0]["id"]
    assert client.post(f"/v1/rankings/{job}:cancel").json()["code"] == "ranking_not_found"


def test_what_a_ranking_reads_stays_until_it_has_ended(client: TestClient, ranking: dict[str, Any]) -> None:
    client.delete("/v1/models/m/aliases/champion").raise_for_status()
    assert client.delete("/v1/models/m@1").json()["code"] == "version_in_use"
    assert client.delete("/v1/datasets/target").json()["code"] == "dataset_in_use"
    assert client.delete(f"/v1/rankings/{ranking['id']}").json()["code"] == "ranking_open"
    assert client.post(f"/v1/rankings/{ranking['id']}:cancel").json()["state"] == "cancelled"
    assert client.delete("/v1/datasets/target").status_code == 204


def test_a_ranking_is_paused_resumed_cancelled_and_retried_as_any_job(
    client: TestClient, ranking: dict[str, Any]
) -> None:
    of_it = f"/v1/rankings/{ranking['id']}"
    for verb, state in (
        ("pause", "paused"),
        ("resume", "queued"),
        ("cancel", "cancelled"),
        ("retry", "queued"),
    ):
        assert client.post(f"{of_it}:{verb}").json()["state"] == state
    told = [event["type"] for event in client.get(f"{of_it}/events").json()["data"]]
    assert told == ["job.created", "job.paused", "job.queued", "job.cancelled", "job.queued"]


def test_hints_of_a_ranking_that_failed_name_its_own_routes(
    client: TestClient, sessions: Sessions, ranking: dict[str, Any]
) -> None:
    with sessions.begin() as session:
        lease = transitions.claim(session, ranking["id"], "worker", 60.0)
        assert lease is not None
        transitions.fail(session, lease, "code", "message", "POST /v1/jobs/{job}:retry continues it.")
    of_it = f"/v1/rankings/{ranking['id']}"
    told = client.get(of_it).json()["error"]["hint"]
    assert told == "POST /v1/rankings/{ranking}:retry continues it."
    refused = client.post(f"{of_it}:resume").json()
    assert (refused["code"], refused["hint"][:38]) == ("job_state", "POST /v1/rankings/{ranking}:retry cont")


def test_a_deleted_ranking_leaves_nothing(
    client: TestClient, sessions: Sessions, ranking: dict[str, Any]
) -> None:
    with sessions.begin() as session:
        lease = transitions.claim(session, ranking["id"], "worker", 60.0)
        assert lease is not None
        transitions.fail(session, lease, "code", "message", None)
    assert client.delete(f"/v1/rankings/{ranking['id']}").status_code == 204
    assert client.get(f"/v1/rankings/{ranking['id']}").status_code == 404
    with sessions() as session:
        assert session.get(Job, ranking["id"]) is None
        assert not session.query(JobStage).filter_by(job_id=ranking["id"]).count()
        assert not session.query(Event).filter_by(job_id=ranking["id"]).count()


@SQLITE
def test_candidates_that_cannot_serve_are_told_with_the_reason(
    client: TestClient, publish: Publish, write_csv: WriteCsv, tmp_path: Any
) -> None:
    publish("helped")
    ranking = client.post("/v1/rankings", json={"target": "target"}).json()
    assert ranking["candidates"] == ["m@1"]
    assert {one["code"] for one in ranking["refused"]} <= {"network_of_other_kind", "preset_of_other_kind"}
    store(
        client,
        "texts",
        b"text,y\n" + b"".join(b"day %d was good,a\nnight %d was bad,b\n" % (n, n * n) for n in range(20)),
        label="y",
        kind="text",
    )
    answer = client.post("/v1/rankings", json={"target": "texts", "candidates": [{"version": "m@1"}]})
    assert (answer.status_code, answer.json()["code"]) == (422, "no_candidates")
    assert "m@1: Expected" in answer.json()["detail"]


@SQLITE
@pytest.mark.parametrize(
    ("asked", "code"),
    [
        ({"target": "nothing"}, "dataset_not_found"),
        ({"candidates": [{"version": "nothing"}]}, "model_not_found"),
        ({"metric": "r2"}, "metric_of_other_task"),
        ({"candidates": [{}]}, "invalid_request"),
    ],
)
def test_what_cannot_be_ranked_is_refused_at_once(
    client: TestClient, datasets: Any, asked: dict[str, Any], code: str
) -> None:
    answer = client.post("/v1/rankings", json={"target": "target", **asked})
    assert answer.json()["code"] == code, answer.text
