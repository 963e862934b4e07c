"""Data sets in the page: the list, one with its profile, and a file that is sent with a form."""

from __future__ import annotations

import json

import pytest
from fastapi.testclient import TestClient

from tests.app.site.pages import Parsed, load, parsed
from tests.stored import store

pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)

CSV = b"a,town,y\n" + b"".join(f"{n / 4},{'rome' if n % 3 else 'oslo'},{n % 2}\n".encode() for n in range(60))


def upload(client: TestClient, page: Parsed, content: bytes, accept: str = "text/html", **fields: str):  # type: ignore[no-untyped-def]
    values = {name: value for name, value in page.forms["/ui/upload"].items() if name != "file"}
    return client.post(
        "/ui/upload",
        data={**values, **fields},
        files={"file": ("grades.csv", content, "text/csv")},
        headers={"Accept": accept},
        follow_redirects=False,
    )


def test_a_data_set_shows_its_profile_parts_and_rows(client: TestClient) -> None:
    store(client, "grades", CSV)
    assert "/ui/datasets/grades@1" in load(client, "/ui/datasets").links
    page = load(client, "/ui/datasets/grades")
    for told in ("60 rows of tabular data", "rome", "oslo", "train:", "By hashes of the rows"):
        assert told in page.text
    assert "from 0 to 14.8, mean" in page.html
    assert "?offset=20#rows" in page.links
    assert "Rows 41 to 60" in load(client, "/ui/datasets/grades?offset=40").text
    assert "/ui/start?target.dataset=grades@1" in page.links
    assert "/v1/datasets/grades@1/content" in page.links


def test_a_notice_leads_to_the_form_with_the_field_that_settles_it(client: TestClient) -> None:
    store(
        client, "grades", b"a,y\n" + b"".join(f"{n if n % 10 else '-'},{n % 2}\n".encode() for n in range(60))
    )
    page = load(client, "/ui/datasets/grades")
    again = [link for link in page.links if link.startswith("/ui/upload?") and "missing" in link]
    assert again, page.text
    form = load(client, again[0])
    assert form.forms["/ui/upload"]["name"] == "grades"
    assert form.forms["/ui/upload"]["missing"]


def test_a_file_is_sent_without_scripts_and_empty_fields_are_left_out(client: TestClient) -> None:
    answer = upload(client, load(client, "/ui/upload"), CSV, label="y")
    assert (answer.status_code, answer.headers["location"]) == (303, "/ui/datasets/grades@1")


def test_what_is_refused_stands_in_the_form_at_its_field(client: TestClient) -> None:
    page = parsed(upload(client, load(client, "/ui/upload"), CSV, name="not a name!", seed="many"), 422)
    assert {"f-name-wrong", "f-seed-wrong"} <= set(page.described)
    assert page.forms["/ui/upload"]["name"] == "not a name!"
    assert "Expected" in parsed(upload(client, page, b"nothing", name="x"), 422).text


def test_a_script_hears_of_progress_and_of_what_is_refused(client: TestClient) -> None:
    page = load(client, "/ui/upload")
    answer = upload(client, page, CSV, "text/event-stream")
    assert answer.headers["content-type"].startswith("text/event-stream")
    assert '"ref":"grades@1"' in answer.text
    refused = upload(client, page, CSV, "text/event-stream", seed="many")
    assert (refused.status_code, json.loads(refused.text)["errors"][0]["field"]) == (422, "seed")


def test_a_file_of_no_page_is_not_taken(client: TestClient) -> None:
    page = load(client, "/ui/upload")
    assert "form from a page" in parsed(upload(client, page, CSV, form_token="0" * 64), 403).text
    assert client.get("/v1/datasets").json()["data"] == []


def test_the_command_of_a_form_sends_no_file_that_its_address_names(client: TestClient) -> None:
    page = load(client, "/ui/upload?label=@/etc/passwd&name=%3C/etc/passwd")
    assert "--form-string label=@/etc/passwd" in page.text
    assert "--form-string 'name=</etc/passwd'" in page.text
