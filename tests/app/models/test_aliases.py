from __future__ import annotations

from typing import Any

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import select

from app.db.tables import Event, Job
from app.jobs import transitions
from app.models import service

pytestmark = pytest.mark.usefixtures("datasets")


def publish(client: TestClient, verdict: str, **asked: Any) -> dict[str, Any]:
    """A version with this verdict, published as a worker does."""
    request = {"model": "m", "source": {"dataset": "source"}, "target": {"dataset": "target"}, **asked}
    job = client.post("/v1/jobs", json=request).json()
    facts: dict[str, Any] = {
        "signature": {"columns": [], "label": "y", "task": "binary", "classes": []},
        "network": {},
        "receipt": {},
        "metrics": {},
        "verdict": verdict,
        "gain": None,
        "lineage": {
            "job": job["name"],
            "source": {},
            "target": {},
            "method": {},
            "training": {},
            "versions": {},
        },
        "weights_digest": "0" * 64,
    }
    with client.app.state.sessions.begin() as session:  # type: ignore[attr-defined]
        lease = transitions.claim(session, job["id"], "worker", 60.0)
        assert lease is not None
        version = service.publish(session, session.get_one(Job, job["id"]), facts, [])
        result = {
            "version": service.ref(version),
            "verdict": verdict,
            "reason": "",
            "gain": None,
            "metrics": {},
        }
        transitions.succeed(session, lease, result)
    return job


def champion(client: TestClient) -> str | None:
    answer = client.get("/v1/models/m@champion")
    return answer.json()["ref"] if answer.status_code == 200 else None


def test_the_newest_version_that_did_not_hurt_is_the_champion(client: TestClient) -> None:
    publish(client, "helped")
    assert champion(client) == "m@1"
    publish(client, "no difference")
    assert champion(client) == "m@2"
    job = publish(client, "hurt")
    assert champion(client) == "m@2"
    assert client.get("/v1/models/m").json()["ref"] == "m@3"
    with client.app.state.sessions() as session:  # type: ignore[attr-defined]
        (event,) = session.scalars(select(Event).where(Event.job_id == job["id"], Event.level == "warning"))
    assert event.type == "champion.kept"
    assert event.message == "m@3 did not become the champion, since the transfer hurt; m@2 stays."


def test_a_job_may_want_its_version_crowned_always_or_never(client: TestClient) -> None:
    publish(client, "helped", champion="never")
    assert champion(client) is None
    publish(client, "hurt", champion="always")
    assert champion(client) == "m@2"


def test_a_version_that_hurt_becomes_champion_only_by_force(client: TestClient) -> None:
    publish(client, "hurt")
    answer = client.put("/v1/models/m/aliases/champion", json={"version": 1})
    assert (answer.status_code, answer.json()["code"]) == (409, "verdict_hurt")
    assert "force" in answer.json()["hint"]
    forced = client.put("/v1/models/m/aliases/champion", json={"version": 1, "force": True})
    assert forced.json()["ref"] == "m@1"
    assert client.get("/v1/models/m@1").json()["aliases"] == ["champion"]


def test_aliases_are_moved_listed_and_taken_away(client: TestClient) -> None:
    publish(client, "helped")
    publish(client, "helped")
    client.put("/v1/models/m/aliases/staging", json={"version": "m@1"})
    client.put("/v1/models/m/aliases/staging", json={"version": 2})
    listed = client.get("/v1/models/m/aliases").json()["data"]
    assert [(one["alias"], one["version"]) for one in listed] == [("champion", 2), ("staging", 2)]
    assert client.delete("/v1/models/m/aliases/staging").status_code == 204
    assert client.get("/v1/models/m@staging").status_code == 404
    gone = client.delete("/v1/models/m/aliases/staging")
    assert (gone.status_code, gone.json()["code"]) == (404, "alias_not_found")


def test_an_alias_names_a_version_of_its_own_model_and_is_a_lower_case_word(client: TestClient) -> None:
    publish(client, "helped")
    publish(client, "helped", model="other")
    answer = client.put("/v1/models/m/aliases/staging", json={"version": "other@1"})
    assert (answer.status_code, answer.json()["code"]) == (422, "other_model")
    assert client.put("/v1/models/m/aliases/Best", json={"version": 1}).status_code == 422


def test_a_job_that_has_not_succeeded_has_no_report(client: TestClient) -> None:
    job = client.post(
        "/v1/jobs", json={"model": "m", "source": {"dataset": "source"}, "target": {"dataset": "target"}}
    ).json()
    answer = client.get(f"/v1/jobs/{job['id']}/report")
    assert (answer.status_code, answer.json()["code"]) == (409, "job_state")
