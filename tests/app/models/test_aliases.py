from __future__ import annotations

from typing import Any

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import select

from app.db.tables import Event
from tests.app.conftest import Publish

pytestmark = pytest.mark.usefixtures("datasets")


def champion(client: TestClient) -> str | None:
    answer = client.get("/v1/models/m@champion")
    return answer.json()["ref"] if answer.status_code == 200 else None


def beside(version: str, low: float, high: float) -> dict[str, Any]:
    """A comparison with a champion."""
    told = {"metric": "accuracy", "value": (low + high) / 2, "low": low, "high": high, "rows": 60}
    values = {"new": 0.8 + (low + high) / 2, "champion": 0.8}
    return {"version": version, "comparable": True, "why": None, **told, **values}


def event_of(client: TestClient, job: dict[str, Any]) -> Event:
    with client.app.state.sessions() as session:  # type: ignore[attr-defined]
        told = select(Event).where(Event.job_id == job["id"], Event.type.startswith("champion."))
        return session.scalars(told).one()


def test_a_first_version_is_the_champion_unless_it_hurt(client: TestClient, publish: Publish) -> None:
    job = publish("hurt")
    assert champion(client) is None
    message = "m@1 did not become the champion, since the transfer hurt; there is none."
    assert event_of(client, job).message == message
    job = publish(None)
    assert champion(client) == "m@2"
    assert event_of(client, job).message == "m@2 is the champion: it is the first."


@pytest.mark.parametrize(
    ("low", "high", "takes"),
    [(0.01, 0.1, True), (-0.1, 0.02, True), (-0.02, 0.0, True), (-0.1, -0.02, False)],
)
def test_a_version_takes_the_champions_place_unless_it_is_shown_to_be_worse(
    client: TestClient, publish: Publish, low: float, high: float, takes: bool
) -> None:
    publish("helped")
    job = publish("hurt", compared=beside("m@1", low, high))
    assert champion(client) == ("m@2" if takes else "m@1")
    event = event_of(client, job)
    assert event.type == ("champion.given" if takes else "champion.kept")
    new = 0.8 + (low + high) / 2
    assert f"on 60 test rows its accuracy is {new:.3g}, and that of m@1 0.8, a difference of" in event.message


def test_a_version_that_cannot_be_compared_leaves_the_champion_where_it_is(
    client: TestClient, publish: Publish
) -> None:
    publish("helped")
    apart = {"version": "m@1", "comparable": False, "why": "the champion knows other classes"}
    job = publish("helped", compared=apart)
    assert champion(client) == "m@1"
    assert (
        "cannot be compared with m@1: the champion knows other classes; m@1 stays"
        in event_of(client, job).message
    )


def test_a_version_that_was_compared_with_another_champion_leaves_it_where_it_is(
    client: TestClient, publish: Publish
) -> None:
    publish("helped")
    publish("helped", champion="always")
    job = publish("helped", compared=beside("m@1", 0.1, 0.2))
    assert champion(client) == "m@2"
    assert "became the champion meanwhile" in event_of(client, job).message


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
    publish("helped", champion="always")
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
