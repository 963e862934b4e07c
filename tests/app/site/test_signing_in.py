"""Signing in with a key, where keys are required, and what the cookie does and does not open."""

from __future__ import annotations

from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from app.access import browser
from tests.app.access.callers import make_key
from tests.app.site.pages import load, parsed, send
from tests.stored import store

pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)

CSV = b"a,b,y\n" + b"".join(f"{n},{n % 7},{n % 2}\n".encode() for n in range(40))


def sign_in(client: TestClient, key: str, path: str = browser.SIGN_IN) -> None:
    assert send(client, load(client, path), browser.SIGN_IN, key=key).status_code == 303


def test_without_keys_nobody_is_asked_for_one(client: TestClient) -> None:
    assert "no key is needed" in load(client, browser.SIGN_IN).text.lower()
    assert "From two data sets" in load(client, "/").text


def test_a_page_leads_to_the_form_and_the_form_back_to_the_page(client: TestClient) -> None:
    key = make_key(client, "ana", "write")
    asked = client.get("/ui/jobs?state=failed", follow_redirects=False)
    assert asked.status_code == 303
    form = load(client, asked.headers["location"])
    answer = send(client, form, browser.SIGN_IN, key=key.text)
    assert answer.headers["location"] == "/ui/jobs?state=failed"
    cookie = next(one for one in answer.headers.get_list("set-cookie") if browser.KEY_COOKIE in one)
    assert "HttpOnly" in cookie
    assert "SameSite=strict" in cookie
    assert "Path=/" in cookie
    page = load(client, "/ui/jobs?state=failed")
    assert "ana in default" in page.text
    assert send(client, page, "/ui/sign-out").status_code == 303
    assert client.get("/ui/jobs", follow_redirects=False).status_code == 303


def test_a_key_that_is_not_good_is_told_at_its_field(client: TestClient) -> None:
    make_key(client, "ana")
    answer = send(client, load(client, browser.SIGN_IN), browser.SIGN_IN, key="mt_wrong")
    page = parsed(answer, 401)
    assert "checksum is wrong" in page.text
    assert "key-problem" in page.described
    assert "mt_wrong" not in answer.text


@pytest.mark.parametrize(
    "next_", ["https://evil.example/", "//evil.example/ui/", "/\\evil.example", "/v1/jobs"]
)
def test_nobody_is_led_elsewhere_by_signing_in(client: TestClient, next_: str) -> None:
    key = make_key(client, "ana")
    form = parsed(client.get(browser.SIGN_IN, params={"next": next_}))
    assert send(client, form, browser.SIGN_IN, key=key.text).headers["location"] == "/"


def test_a_form_without_its_token_or_of_another_site_changes_nothing(client: TestClient) -> None:
    key = make_key(client, "ana")
    sign_in(client, key.text)
    start = load(client, "/ui/start")
    for token in ("", "0" * 64):
        answer = send(client, start, "/ui/start", form_token=token)
        assert "form from a page of this service" in parsed(answer, 403).text
    foreign = {"Origin": "https://evil.example", "Sec-Fetch-Site": "cross-site"}
    assert client.post("/ui/start", data=start.forms["/ui/start"], headers=foreign).status_code == 403
    assert client.get("/v1/jobs").json()["data"] == []


def test_a_token_is_worth_nothing_with_another_key(client: TestClient) -> None:
    first, second = make_key(client, "ana"), make_key(client, "ben")
    sign_in(client, first.text)
    form = load(client, "/ui/start")
    client.cookies.delete(browser.KEY_COOKIE)
    client.cookies.set(browser.KEY_COOKIE, second.text)
    assert send(client, form, "/ui/start").status_code == 403


def test_the_cookie_reads_programs_paths_and_changes_none(client: TestClient) -> None:
    sign_in(client, make_key(client, "ana").text)
    assert client.get("/v1/jobs").status_code == 200
    refused = client.post("/v1/datasets?name=x", content=CSV, headers={"Content-Type": "text/csv"})
    assert (refused.status_code, refused.json()["code"]) == (401, "key_missing")


def test_workspaces_are_kept_apart(client: TestClient) -> None:
    store(client, "zebra", CSV)
    sign_in(client, make_key(client, "ben", "write", "elsewhere").text)
    assert "zebra" not in load(client, "/").text
    assert "zebra" not in load(client, "/ui/datasets").text
    load(client, "/ui/datasets/zebra", 404)
    client.cookies.clear()
    sign_in(client, make_key(client, "ana", "read").text)
    page = load(client, "/ui/datasets/zebra")
    assert "zebra@1" in page.text
    assert not [link for link in page.links if link.startswith(("/ui/start", "/ui/upload"))]
    assert "$MODEL_TRANSFER_API_KEY" in page.html


def test_files_of_pages_are_here_and_no_other(client: TestClient, tmp_path: Path) -> None:
    make_key(client, "ana")
    for name, begins in (
        ("htmx.js", "var htmx"),
        ("htmx-sse.js", ""),
        ("site.css", ":root"),
        ("site.js", "//"),
    ):
        answer = client.get(f"/ui/files/{name}")
        assert answer.status_code == 200
        assert answer.text.startswith(begins)
    assert client.get("/ui/files/..%2Fhome.py").status_code == 404
