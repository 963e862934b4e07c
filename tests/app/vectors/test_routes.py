"""Task vectors over HTTP: asked for, found, compared with others."""

from __future__ import annotations

from typing import Any

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import update

from app.db.clock import db_now
from app.db.session import Sessions
from app.db.tables import Job
from tests.stored import Inspected, store_inspected


def vector(*peak: int, probe: str = "tabular-1") -> dict[str, Any]:
    """A vector of four features, that the labels depend on those named."""
    fisher = [0.7 if place in peak else 0.1 for place in range(4)]
    separation = [0.5 if place in peak else 0.0 for place in range(4)]
    shares = {"class_shares": [0.6, 0.4], "label_entropy": 0.67}
    moments = {"feature_mean": [0.0] * 4, "feature_deviation": [1.0] * 4}
    about = {"probe": probe, "task": "binary", "rows": 60, "of_rows": 60, "classes": 2}
    return {**about, **shares, **moments, "fisher": fisher, "separation": separation}


def made(client: TestClient, sessions: Sessions, dataset: str, result: dict[str, Any]) -> dict[str, Any]:
    """A vector of a data set, as a worker leaves it."""
    answer = client.post("/v1/vectors", json={"dataset": dataset})
    assert answer.status_code == 202
    with sessions.begin() as session:
        ended = {"state": "succeeded", "finished_at": db_now(), "result": result}
        session.execute(update(Job).where(Job.id == answer.json()["id"]).values(**ended))
    return dict(answer.json())


@pytest.mark.usefixtures("datasets")
def test_a_vector_is_made_by_a_job_of_its_own_kind(client: TestClient) -> None:
    missing = client.get("/v1/datasets/source/vector")
    assert missing.status_code == 404
    assert missing.json()["code"] == "vector_not_found"
    assert 'POST /v1/vectors with {"dataset": "source@1"}' in missing.json()["hint"]
    answer = client.post("/v1/vectors", json={"dataset": "source"})
    job = answer.json()
    assert answer.status_code == 202
    assert answer.headers["location"] == f"/v1/vectors/{job['id']}"
    assert (job["state"], job["dataset"]["dataset"], job["result"]) == ("queued", "source@1", None)
    assert [stage["stage"] for stage in job["stages"]] == ["describe"]
    assert client.get(f"/v1/vectors/{job['name']}").json()["id"] == job["id"]
    assert client.get(f"/v1/jobs/{job['id']}").status_code == 404
    assert client.post(f"/v1/vectors/{job['id']}:cancel").json()["state"] == "cancelled"
    assert client.delete(f"/v1/vectors/{job['id']}").status_code == 204


@pytest.mark.usefixtures("datasets")
def test_a_data_set_has_the_newest_vector_that_was_made(client: TestClient, sessions: Sessions) -> None:
    made(client, sessions, "source", vector(0))
    job = made(client, sessions, "source", vector(1))
    told = client.get("/v1/datasets/source/vector").json()
    assert (told["made_by"], told["dataset"], told["fisher"]) == (job["id"], "source@1", vector(1)["fisher"])


def test_neighbours_are_of_one_probe_and_the_nearest_comes_first(
    client: TestClient, sessions: Sessions, inspected_files: dict[str, Inspected]
) -> None:
    for name in ("own", "near", "far", "other", "none"):
        store_inspected(client, name, inspected_files["source"])
    for name, one in {"own": vector(0), "near": vector(0, 1), "far": vector(3)}.items():
        made(client, sessions, name, one)
    made(client, sessions, "other", vector(0, probe="tabular-0"))
    told = client.get("/v1/datasets/own/neighbours").json()
    assert [one["dataset"] for one in told["data"]] == ["near@1", "far@1"]
    assert 0 < told["data"][0]["distance"] < told["data"][1]["distance"] <= 1
    assert (told["probe"], told["without_vector"]) == ("tabular-1", 2)
    assert len(client.get("/v1/datasets/own/neighbours?limit=1").json()["data"]) == 1
    assert client.get("/v1/datasets/none/neighbours").json()["code"] == "vector_not_found"
    assert client.get("/v1/datasets/own/neighbours?limit=0").status_code == 422
