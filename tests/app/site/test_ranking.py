"""The pages of rankings, and the related data sets on a data set's page."""

from __future__ import annotations

from typing import Any

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import update

from app.db.clock import db_now
from app.db.session import Sessions
from app.db.tables import Job
from tests.app.conftest import Publish
from tests.app.site.pages import load, send
from tests.app.vectors.test_routes import made, vector

pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)


def row(rank: int, name: str, kind: str, gain: float | None, answer: str | None) -> dict[str, Any]:
    """A line of a ranking's result."""
    told = None if gain is None else {"value": gain, "standard_error": 0.02, "unit": "accuracy"}
    about = {"rank": rank, "name": name, "kind": kind, "gain": told, "answer": answer}
    return {
        **about,
        "score": -0.5,
        "standard_error": 0.03,
        "expected": 0.81,
        "metrics": {},
        "scores": {},
        "cpu_seconds": 1.0,
    }


RESULT = {
    "answer": "use",
    "why": "m@1 is better than the best baseline by more than one standard error.",
    "best": "m@1",
    "baseline": "logistic_regression",
    "score": "log_likelihood",
    "metric": "accuracy",
    "rows": 60,
    "of_rows": 60,
    "folds": 5,
    "optimism": {"expected": 0.8, "corrected": 0.79, "optimism": 0.01, "candidates": 2, "method": "gaussian"},
    "ranking": [
        row(1, "m@1", "candidate", 0.05, "use"),
        row(2, "logistic_regression", "baseline", None, None),
        row(3, "minilm_l6_v2", "candidate", -0.1, "no"),
    ],
    "refused": [],
}


def test_a_ranking_is_started_from_a_form_and_cancelled(client: TestClient, publish: Publish) -> None:
    publish("helped")
    assert "/ui/rankings?target=target@1" in load(client, "/ui/datasets/target").links
    page = load(client, "/ui/rankings?target=target@1")
    assert "<option selected>target@1" in page.html
    started = send(client, page, "/ui/rankings", dataset="target@1")
    assert started.status_code == 303, started.text
    again = send(client, page, "/ui/rankings", dataset="target@1")
    assert again.headers["location"] == started.headers["location"], (
        "a form that is sent twice is one ranking"
    )
    shown = load(client, started.headers["location"])
    now = f"{started.headers['location']}/now"
    assert f'hx-get="{now}"' in shown.html
    cancelled = send(client, shown, f"{started.headers['location']}:cancel")
    assert cancelled.status_code == 303
    ended = load(client, cancelled.headers["location"])
    assert "cancelled" in ended.text
    assert "hx-get" not in ended.html
    assert started.headers["location"] in load(client, "/ui/rankings").links


def test_a_ranking_that_has_ended_says_what_to_use_and_starts_a_job_with_it(
    client: TestClient, publish: Publish, sessions: Sessions
) -> None:
    publish("helped")
    asked = {"target": "target", "candidates": [{"version": "m@1"}]}
    ranking = client.post("/v1/rankings", json=asked).json()
    with sessions.begin() as session:
        ended = {"state": "succeeded", "finished_at": db_now(), "result": RESULT}
        session.execute(update(Job).where(Job.id == ranking["id"]).values(**ended))
    page = load(client, f"/ui/rankings/{ranking['name']}")
    assert "Use this source: m@1" in page.text
    assert "+0.05" in page.text
    assert "/ui/start?source=version:m@1&target.dataset=target@1" in page.links
    assert "/ui/start?source=preset:minilm_l6_v2&target.dataset=target@1" in page.links
    load(client, "/ui/start?source=version:m@1&target.dataset=target@1")
    assert "Use this source" in load(client, "/ui/rankings").text


def test_a_ranking_without_a_data_set_is_refused_on_a_page(client: TestClient, publish: Publish) -> None:
    publish("helped")
    page = load(client, "/ui/rankings")
    assert "Choose one from the list." in send(client, page, "/ui/rankings", dataset="").text
    assert send(client, page, "/ui/rankings", dataset="nowhere").status_code == 404


@pytest.mark.usefixtures("datasets")
def test_a_data_set_shows_its_nearest_tasks_once_it_is_described(
    client: TestClient, sessions: Sessions
) -> None:
    made(client, sessions, "source", vector(0))
    page = load(client, "/ui/datasets/target")
    assert send(client, page, "/ui/vectors").headers["location"] == "/ui/datasets/target@1#related"
    assert "It is being described" in load(client, "/ui/datasets/target").text
    made(client, sessions, "target", vector(0, 1))
    assert "/ui/datasets/source@1" in load(client, "/ui/datasets/target").links
