from __future__ import annotations

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import select

from app.db.tables import Event
from tests.app.conftest import Publish

pytestmark = pytest.mark.usefixtures("datasets")


def champion(client: TestClient) -> str | None:
    answer = client.get("/v1/models/m@champion")
    return answer.json()["ref"] if answer.status_code == 200 else None


def test_the_newest_version_that_did_not_hurt_is_the_champion(client: TestClient, publish: Publish) -> None:
    publish("helped")
    assert champion(client) == "m@1"
    publish("no difference")
    assert champion(client) == "m@2"
    job = publish("hurt")
    assert champion(client) == "m@2"
    assert client.get("/v1/models/m").json()["ref"] == "m@3"
    with client.app.state.sessions() as session:  # type: ignore[attr-defined]
        (event,) = session.scalars(select(Event).where(Event.job_id == job["id"], Event.level == "warning"))
    assert event.type == "champion.kept"
    assert event.message == "m@3 did not become the champion, since the transfer hurt; m@2 stays."


def test_a_job_may_want_its_version_crowned_always_or_never(client: TestClient, publish: Publish) -> None:
    publish("helped", champion="never")
    assert champion(client) is None
    publish("hurt", champion="always")
    assert champion(client) == "m@2"


def test_a_version_that_hurt_becomes_champion_only_by_force(client: TestClient, publish: Publish) -> None:
    publish("hurt")
    answer = client.put("/v1/models/m/aliases/champion", json={"version": 1})
    assert (answer.status_code, answer.json()["code"]) == (409, "verdict_hurt")
    assert "force" in answer.json()["hint"]
    forced = client.put("/v1/models/m/aliases/champion", json={"version": 1, "force": True})
    assert forced.json()["ref"] == "m@1"
    assert client.get("/v1/models/m@1").json()["aliases"] == ["champion"]


def test_aliases_are_moved_listed_and_taken_away(client: TestClient, publish: Publish) -> None:
    publish("helped")
    publish("helped")
    client.put("/v1/models/m/aliases/staging", json={"version": "m@1"})
    client.put("/v1/models/m/aliases/staging", json={"version": 2})
    listed = client.get("/v1/models/m/aliases").json()["data"]
    assert [(one["alias"], one["version"]) for one in listed] == [("champion", 2), ("staging", 2)]
    assert client.delete("/v1/models/m/aliases/staging").status_code == 204
    assert client.get("/v1/models/m@staging").status_code == 404
    gone = client.delete("/v1/models/m/aliases/staging")
    assert (gone.status_code, gone.json()["code"]) == (404, "alias_not_found")


def test_an_alias_names_a_version_of_its_own_model_and_is_a_lower_case_word(
    client: TestClient, publish: Publish
) -> None:
    publish("helped")
    publish("helped", model="other")
    answer = client.put("/v1/models/m/aliases/staging", json={"version": "other@1"})
    assert (answer.status_code, answer.json()["code"]) == (422, "other_model")
    assert client.put("/v1/models/m/aliases/Best", json={"version": 1}).status_code == 422
