"""The list of jobs with its filters, one job, and what can be asked of it."""

from __future__ import annotations

import json
import threading
from typing import Any
from urllib.parse import urlencode

import pytest
from fastapi.testclient import TestClient

from app.db.tables import EpochMetrics
from app.jobs import transitions
from tests.app.conftest import Publish
from tests.app.site.pages import load, parsed, send

pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)

JOB = {"model": "m", "source": {"dataset": "source"}, "target": {"dataset": "target"}}


@pytest.fixture
def job(client: TestClient, datasets: dict[str, Any]) -> dict[str, Any]:
    made: dict[str, Any] = client.post("/v1/jobs", json={**JOB, "metadata": {"who": "ana"}}).json()
    return made


def test_jobs_are_listed_and_filtered(client: TestClient, publish: Publish) -> None:
    publish("helped", name="first")
    publish("hurt", name="second", model="other", metadata={"who": "ana"})
    assert {"/ui/jobs/first", "/ui/jobs/second"} <= set(load(client, "/ui/jobs").links)
    for query in ("verdict=hurt", "metadata=who%3Dana", "model=other", "state=succeeded&verdict=hurt"):
        links = load(client, f"/ui/jobs?{query}").links
        assert "/ui/jobs/second" in links, query
        assert "/ui/jobs/first" not in links, query
    assert "/ui/jobs/first" in load(client, "/ui/jobs?dataset=source%401&since=2020-01-01").links
    assert "No job is like that" in load(client, "/ui/jobs?dataset=elsewhere").text


@pytest.mark.parametrize("query", ["state=lost", "verdict=good", "metadata=who", "since=yesterday"])
def test_a_filter_that_cannot_be_says_so_beside_itself(client: TestClient, query: str) -> None:
    assert f"{query.partition('=')[0]}-problem" in load(client, f"/ui/jobs?{query}", 422).described


def test_a_job_shows_its_stages_events_curves_and_command(client: TestClient, job: dict[str, Any]) -> None:
    with client.app.state.sessions.begin() as session:  # type: ignore[attr-defined]
        for epoch, loss in enumerate((0.7, 0.5, 0.4), 1):
            values = {"loss": loss, "val_loss": loss + 0.1}
            session.add(
                EpochMetrics(job_id=job["id"], stage="transfer", run="transfer/0", epoch=epoch, values=values)
            )
    page = load(client, f"/ui/jobs/{job['name']}")
    assert "Accepted; waits for a worker." in page.text
    assert "Validation loss" in page.text
    assert '<path class="line transfer"' in page.html
    assert f"http://testserver/v1/jobs/{job['name']}" in page.text
    assert f'sse-connect="/ui/jobs/{job["id"]}/changes"' in page.html
    assert 'http-equiv="refresh"' in page.html


def test_buttons_pause_resume_cancel_and_retry(client: TestClient, job: dict[str, Any]) -> None:
    path = f"/ui/jobs/{job['name']}"
    for action, state in (
        ("pause", "paused"),
        ("resume", "queued"),
        ("cancel", "cancelled"),
        ("retry", "queued"),
    ):
        answer = send(client, load(client, path), f"/ui/jobs/{job['id']}:{action}")
        assert answer.headers["location"] == path
        assert client.get(f"/v1/jobs/{job['id']}").json()["state"] == state
    client.post(f"/v1/jobs/{job['id']}:cancel")
    assert f"/ui/jobs/{job['id']}:cancel" not in load(client, path).forms


def test_what_a_job_came_to_stands_on_its_page(client: TestClient, publish: Publish) -> None:
    done = publish("helped", name="done")
    page = load(client, "/ui/jobs/done")
    assert "The transfer helped" in page.text
    assert "/ui/models/m@1" in page.links
    assert f"/v1/jobs/{done['id']}/report?format=html" in page.links
    assert "sse-connect" not in page.html


def test_changes_are_sent_until_the_job_has_ended(client: TestClient, job: dict[str, Any]) -> None:
    def cancel() -> None:
        client.post(f"/v1/jobs/{job['id']}:cancel")

    events: list[str] = []
    with client.stream("GET", f"/ui/jobs/{job['id']}/changes") as answer:
        threading.Thread(target=cancel).start()
        events += [line.removeprefix("event: ") for line in answer.iter_lines() if line.startswith("event: ")]
    assert events[-1] == "over"
    assert set(events[:-1]) == {"live"}


def test_a_job_that_is_nowhere_is_told_with_the_nearest(client: TestClient, job: dict[str, Any]) -> None:
    page = load(client, f"/ui/jobs/{job['name'][:-1]}", 404)
    assert f"Did you mean: {job['name']}?" in page.text


def test_the_api_filters_jobs_alike(client: TestClient, publish: Publish) -> None:
    publish("helped", name="first", metadata={"a key.with $ signs": "1"})
    publish(None, name="second")

    def names(**query: Any) -> list[str]:
        answer = client.get("/v1/jobs", params=query)
        assert answer.status_code == 200, answer.text
        return [job["name"] for job in answer.json()["data"]]

    assert names(verdict="helped") == ["first"]
    assert names(verdict="none") == ["second"]
    assert names(metadata="a key.with $ signs=1") == ["first"]
    assert names(metadata=["a key.with $ signs=1", "b=2"]) == []
    assert names(dataset="source") == ["second", "first"]
    assert names(dataset="source@2") == []
    assert names(since="2020-01-01T00:00:00Z") == ["second", "first"]
    assert names(since="2100-01-01T00:00:00Z") == []
    assert client.get("/v1/jobs", params={"since": "2020-01-01T00:00:00"}).status_code == 422
    assert client.get("/v1/jobs", params={"metadata": 'a"b=1'}).status_code == 422


@pytest.mark.parametrize(
    "query",
    [
        {"since": "2026"},
        {"since": " -1.5e3 "},
        {"since": "2026-11-27T08:00:00"},
        {"since": "yesterday"},
        {"since": "0001-01-01T00:00:00+14:00"},
        {"since": "9999-12-31T23:59:59-14:00"},
        {"metadata": [f"a={number}" for number in range(17)]},
        {"metadata": "a=" + "b" * 600},
    ],
)
def test_a_filter_beyond_all_bounds_is_refused(client: TestClient, query: dict[str, Any]) -> None:
    answer = client.get("/v1/jobs", params=query)
    assert answer.status_code == 422, answer.text
    assert answer.json()["errors"][0]["field"] in query
    if "since" in query:
        assert "such as 2026-11-27T08:00:00Z" in answer.text or "years 1 to 9999" in answer.text
        load(client, f"/ui/jobs?{urlencode(query)}", 422)


def test_a_script_gets_json_of_what_is_refused_and_a_person_a_page(client: TestClient) -> None:
    assert parsed(client.get("/ui/jobs/none"), 404)
    assert json.loads(client.get("/v1/jobs/none").text)["code"] == "job_not_found"


def test_a_job_that_failed_says_why(client: TestClient, job: dict[str, Any]) -> None:
    with client.app.state.sessions.begin() as session:  # type: ignore[attr-defined]
        lease = transitions.claim(session, job["id"], "w", 60)
        assert lease is not None
        assert transitions.fail(session, lease, "diverged", "The loss is not finite.", "Lower the rate.")
    page = load(client, f"/ui/jobs/{job['name']}")
    assert "The loss is not finite." in page.text
    assert "Lower the rate." in page.text
    assert f"/ui/jobs/{job['id']}:retry" in page.forms


def test_the_report_of_a_job_that_runs_is_its_live_page(client: TestClient, job: dict[str, Any]) -> None:
    path = f"/v1/jobs/{job['id']}/report"
    answer = client.get(path, headers={"Accept": "text/html"}, follow_redirects=False)
    assert (answer.status_code, answer.headers["location"]) == (303, f"/ui/jobs/{job['name']}")
    assert "waits for a worker" in load(client, f"{path}?format=html").text
    assert client.get(path).status_code == 409
