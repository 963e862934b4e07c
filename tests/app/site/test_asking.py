"""What a browser is shown where a request reaches no page's route."""

from __future__ import annotations

from uuid import uuid4

import pytest
from fastapi.testclient import TestClient

from app.main import create_app
from app.settings import Settings
from tests.app.access.callers import make_key
from tests.app.site.pages import parsed

pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)

BROWSER = {"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"}


def test_an_address_of_no_page_is_answered_as_a_page_to_browsers_and_as_json_to_programs(
    client: TestClient,
) -> None:
    page = parsed(client.get("/ui/nowhere", headers=BROWSER), 404)
    assert "/ui/nowhere" in page.text
    assert client.get("/ui/nowhere").json()["code"] == "not_found"
    assert client.get("/v1/nowhere", headers=BROWSER).json()["code"] == "not_found"


def test_a_key_that_may_not_is_told_on_a_page(client: TestClient) -> None:
    reader = make_key(client, "ana", "read")
    answer = client.post("/ui/rankings", headers={**BROWSER, **reader.headers})
    assert "write" in parsed(answer, 403).text


@pytest.mark.usefixtures("engine")
def test_too_many_requests_are_told_on_a_page_with_when_to_come_again(settings: Settings) -> None:
    app = create_app(settings.model_copy(update={"request_rate": "1/hour"}))
    address = uuid4().hex  # that nobody else has, in a Redis that the tests share
    with TestClient(app, client=(address, 1)) as client:
        client.get("/ui/jobs", headers=BROWSER).raise_for_status()
        answer = client.get("/ui/jobs", headers=BROWSER)
    assert int(answer.headers["retry-after"]) > 0
    assert "Too Many Requests" in parsed(answer, 429).text
