"""Models in the page: versions, champion, lineage, and a prediction that is typed."""

from __future__ import annotations

from pathlib import Path
from typing import get_args

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import select

from app.db.tables import Artifact, Version
from app.models.schemas import Format
from app.site.models import FILES
from tests.app.conftest import Publish
from tests.app.predictions.test_routes import running, version  # noqa: F401
from tests.app.site.pages import load, parsed, send
from tests.workers.predictor.conftest import bundle  # noqa: F401

pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)


def test_versions_are_listed_with_verdict_and_champion(client: TestClient, publish: Publish) -> None:
    publish("helped")
    publish("no difference", champion="never")
    assert {"/ui/models/m", "/ui/models/m@2"} <= set(load(client, "/ui/models").links)
    page = load(client, "/ui/models/m")
    assert {"/ui/models/m@1", "/ui/models/m@2"} <= set(page.links)
    assert page.text.count("champion") == 1
    assert "Compare these two" in page.text


def test_every_file_of_a_version_is_told_in_words(client: TestClient, publish: Publish) -> None:
    publish("helped")
    with client.app.state.sessions.begin() as session:  # type: ignore[attr-defined]
        version = session.scalars(select(Version)).one()
        version.artifacts = [
            Artifact(arm="all", format=one, digest=str(place) * 64, size=1, filename="f", media_type="x/y")
            for place, one in enumerate(get_args(Format))
        ]
    page = load(client, "/ui/models/m@1")
    assert [words for words in FILES.values() if words in page.text] == list(FILES.values())


def test_a_version_becomes_the_champion_and_one_that_hurt_only_if_forced(
    client: TestClient, publish: Publish
) -> None:
    publish("helped")
    publish("hurt", champion="never")
    page = load(client, "/ui/models/m@2")
    action = "/ui/models/m:champion"
    values = {name: value for name, value in page.forms[action].items() if name != "force"}
    refused = client.post(action, data=values)
    assert "whose verdict is `hurt`" in parsed(refused, 409).text
    for no_version in ("0", "-1", "\u00b2", "9" * 30):
        parsed(client.post(action, data={**values, "version": no_version}), 422)
    answer = send(client, page, action, force="yes")
    assert answer.headers["location"] == "/ui/models/m@2"
    assert client.get("/v1/models/m@champion").json()["ref"] == "m@2"


def test_lineage_is_drawn_from_the_first_source_to_the_version(client: TestClient, publish: Publish) -> None:
    publish("helped")
    publish("helped", source={"version": "m@1"}, model="n")
    page = load(client, "/ui/models/n@1")
    assert "m@1 by parameter transfer from source@1 to target@1; n@1 by" in page.html
    assert page.html.count("<rect") == 5
    assert {"/ui/datasets/source@1", "/ui/models/m@1"} <= set(page.links)


def test_a_row_is_typed_and_answered_and_what_is_wrong_stands_at_its_field(
    client: TestClient,
    version: str,  # noqa: F811
    tmp_path: Path,
) -> None:
    path, action = f"/ui/models/{version}", f"/ui/models/{version}:predict#try"
    page = load(client, path)
    column = next(name for name in page.forms[action] if name.startswith("input."))
    with running(client, tmp_path / "predictor.sock"):
        answered = send(client, page, action)
        wrong = send(client, page, action, **{column: "many"})
        part = client.post(f"{path}:predict", data=page.forms[action], headers={"HX-Request": "true"})
    assert f"says {version}" in parsed(answered).text
    assert "in-1-wrong" in parsed(wrong, 422).described
    assert "<html" not in part.text
    assert f"says {version}" in part.text


def test_without_a_predictor_the_page_says_so_in_its_place(client: TestClient, version: str) -> None:  # noqa: F811
    action = f"/ui/models/{version}:predict#try"
    page = parsed(send(client, load(client, f"/ui/models/{version}"), action), 503)
    assert "Expected a predictor that answers" in page.text


def test_versions_are_compared_only_where_both_have_their_predictions(
    client: TestClient, publish: Publish
) -> None:
    publish("helped")
    publish("helped")
    page = load(client, "/ui/models/m")
    assert page.forms["/ui/compare"]
    assert "predictions" in load(client, "/ui/compare?a=m@1&b=m@2", 404).text
    assert client.get("/v1/models/m@1/comparison", params={"with": "nothing@1"}).status_code == 404
