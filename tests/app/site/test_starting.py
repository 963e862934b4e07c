"""A job from a form: its request is the one that a program would post, and errors stand at their field."""

from __future__ import annotations

from typing import Any

import pytest
from fastapi.testclient import TestClient

from tests.app.site.pages import load, parsed, send

pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)

CHOSEN = {"source": "dataset:source@1", "target.dataset": "target@1", "model": "m"}


def test_a_form_starts_a_job_once(client: TestClient, datasets: dict[str, Any]) -> None:
    form = load(client, "/ui/start?target.dataset=target@1")
    told = {**CHOSEN, "method.strategy": "full", "training.epochs": "3", "evaluation.baseline": "no"}
    answers = [send(client, form, "/ui/start", **told, metadata="who=ana") for _ in range(2)]
    (job,) = client.get("/v1/jobs").json()["data"]
    assert [answer.headers["location"] for answer in answers] == [f"/ui/jobs/{job['name']}"] * 2
    view = client.get(f"/v1/jobs/{job['id']}").json()
    assert (view["method"]["strategy"], view["training"]["epochs"]) == ("full", 3)
    assert view["evaluation"]["baseline"] is False
    assert view["metadata"] == {"who": "ana"}


def test_what_is_wrong_stands_at_its_field_and_the_rest_is_kept(
    client: TestClient, datasets: dict[str, Any]
) -> None:
    form = load(client, "/ui/start")
    wrong = {"training.epochs": "many", "method.rank": "0", "model": "no name!"}
    page = parsed(send(client, form, "/ui/start", **{**CHOSEN, **wrong}), 422)
    assert {"f-training-epochs-wrong", "f-method-rank-wrong", "model-wrong"} <= set(page.described)
    assert page.forms["/ui/start"]["training.epochs"] == "many"
    assert '<option value="target@1" selected>' in page.html
    assert client.get("/v1/jobs").json()["data"] == []


def test_each_method_and_network_shows_its_own_options(client: TestClient) -> None:
    for method in client.get("/v1/methods").json()["data"]:
        page = client.get("/ui/start/options", params={"method.kind": method["kind"], "source": "x"}).text
        for option in method["options"]["properties"]:
            assert option == "kind" or f'name="method.{option}"' in page
    assert 'name="network.hidden_units"' in client.get("/ui/start/options?network.kind=mlp").text


def test_what_a_job_would_take_stands_beside_the_form_before_it_is_started(
    client: TestClient, datasets: dict[str, Any]
) -> None:
    assert "Choose target and source" in client.get("/ui/start/plan?target.dataset=target@1").text
    for path in ("/ui/start", "/ui/start/plan"):
        shown = client.get(path, params={**CHOSEN, "training.epochs": "3"}).text
        body = {"model": "m", "source": {"dataset": "source@1"}, "target": {"dataset": "target@1"}}
        plan = client.post("/v1/jobs:plan", json={**body, "training": {"epochs": 3}}).json()
        assert f"<dd>{plan['steps']:,} at most</dd>" in shown
        assert f"<dd>{plan['parameters']:,}</dd>" in shown
    refused = client.get("/ui/start/plan", params={**CHOSEN, "model": "no name!"}).text
    assert "It would be refused" in refused
    assert client.get("/v1/jobs").json()["data"] == []


@pytest.mark.parametrize("once", ["\0", "x" * 201])
def test_a_form_that_no_page_made_starts_no_job(
    client: TestClient, datasets: dict[str, Any], once: str
) -> None:
    refused = send(client, load(client, "/ui/start"), "/ui/start", **CHOSEN, once=once)
    assert parsed(refused, 422).text
    assert client.get("/v1/jobs").json()["data"] == []
