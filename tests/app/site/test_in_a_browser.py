"""The pages in a real browser: what axe finds at two widths and in the dark, forms, keyboard, live jobs."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import uvicorn
from fastapi.testclient import TestClient
from sqlalchemy import update

from app.db.clock import db_now
from app.db.session import Sessions
from app.db.tables import Job
from app.jobs.states import Kind
from app.main import create_app
from app.settings import Settings
from tests.app.access.callers import make_key
from tests.app.conftest import Publish, served
from tests.app.reports.test_routes import RECEIPT, proved
from tests.app.site.test_ranking import RESULT

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

BROWSER = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(BROWSER is None, reason="no Chromium is installed"),
    pytest.mark.parametrize("database_url", ["sqlite"], indirect=True),
]

PAGES = (
    "/",
    "/ui/jobs",
    "/ui/jobs/done",
    "/ui/jobs/waits",
    "/ui/datasets",
    "/ui/datasets/target@1",
    "/ui/upload",
    "/ui/models",
    "/ui/models/m",
    "/ui/models/m@1",
    "/ui/start?target.dataset=target@1",
    "/ui/compare?a=m@1&b=m@2",
    "/ui/rankings",
    "/ui/rankings/ranked",
    "/ui/rankings/ranking",
    "/v1/jobs/done/report?format=html",
    "/ui/sign-in",
    "/ui/jobs/nothing",
)
CSV = "a,b,y\n" + "".join(f"{n},{n % 7},{'yes' if n % 2 else 'no'}\n" for n in range(60))


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    from playwright.sync_api import sync_playwright

    options = ["--no-sandbox"] if os.geteuid() == 0 else []
    with sync_playwright() as started:
        opened = started.chromium.launch(executable_path=BROWSER, args=options)
        yield opened
        opened.close()


@pytest.fixture
def address(client: TestClient, settings: Settings) -> Iterator[str]:
    """A service on a real port, on the client's database."""
    with served(uvicorn.Config(create_app(settings), log_level="warning")) as url:
        yield url


def opened(browser: Browser, width: int = 1200, scheme: Any = "light", **options: Any) -> Page:
    """A page that fails where a script of it does."""
    page = browser.new_context(
        viewport={"width": width, "height": 900}, color_scheme=scheme, **options
    ).new_page()
    page.set_default_timeout(60_000)
    page.on("pageerror", lambda error: pytest.fail(str(error)))
    return page


def test_axe_finds_nothing_and_nothing_is_wider_than_the_window(
    browser: Browser, address: str, client: TestClient, publish: Publish, sessions: Sessions
) -> None:
    from axe_playwright_python.sync_playwright import Axe

    publish("helped", RECEIPT, proved(3), name="done")
    publish("hurt", champion="never")
    body = {"model": "n", "name": "waits", "source": {"dataset": "source"}, "target": {"dataset": "target"}}
    client.post("/v1/jobs", json=body).raise_for_status()
    for name in ("ranked", "ranking"):
        asked = {"target": "target", "candidates": [{"version": "m@1"}], "name": name}
        client.post("/v1/rankings", json=asked).raise_for_status()
    with sessions.begin() as session:
        ended = {"state": "succeeded", "finished_at": db_now(), "result": RESULT}
        session.execute(update(Job).where(Job.name == "ranked").values(**ended))
    found = []
    for width, scheme in ((1200, "light"), (400, "dark")):
        page = opened(browser, width, scheme, bypass_csp=True)  # axe is no script of the page
        for path in PAGES:
            page.goto(address + path)
            result = Axe().run(page)
            found += [
                (path, width, scheme, one["id"], one["nodes"][0]["html"][:200])
                for one in result.response["violations"]
            ]
            if page.evaluate("document.documentElement.scrollWidth") > width:
                found.append((path, width, scheme, "too wide", ""))
        page.context.close()
    assert not found, "\n".join(map(str, found))


def test_a_new_user_uploads_starts_and_watches_by_keyboard_and_mouse(
    browser: Browser, address: str, tmp_path: Path
) -> None:
    page = opened(browser)
    page.goto(address)
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    for name in ("source", "target"):
        (tmp_path / f"{name}.csv").write_text(
            CSV if name == "source" else CSV.replace("0,0,no\n", "0,3,no\n")
        )
        page.goto(f"{address}/ui/upload")
        page.get_by_label("label", exact=True).fill("y")
        page.get_by_label("Drop a file here, or choose one").set_input_files(tmp_path / f"{name}.csv")
        page.get_by_role("button", name="Upload").click()
        page.wait_for_url(f"**/ui/datasets/{name}@1")
    page.get_by_role("link", name="Learn to predict y").click()
    page.get_by_label("Source", exact=True).select_option("dataset:source@1")
    assert page.get_by_label("Model", exact=True).input_value() == "target"
    page.get_by_label("Method", exact=True).select_option("distillation")
    page.get_by_text("Options of the method: distillation").wait_for()
    page.get_by_label("Method", exact=True).select_option("parameter")
    page.get_by_text("Options of the method: parameter").wait_for()
    page.get_by_role("button", name="Start").click()
    page.wait_for_url("**/ui/jobs/target-*")
    page.get_by_text("Accepted; waits for a worker.").wait_for()
    page.locator("#live").evaluate("element => element.dataset.same = 'yes'")
    watcher = page.context.new_page()
    watcher.goto(page.url)
    watcher.get_by_role("button", name="Pause").click()
    page.locator(".state-paused").wait_for()  # it was told, and not loaded again
    assert page.locator("#live").get_attribute("data-same") == "yes"
    page.get_by_role("button", name="Cancel").focus()
    page.keyboard.press("Enter")
    page.locator(".state-cancelled").wait_for()
    page.context.close()


def test_a_ranking_that_is_waited_for_shows_its_answer_by_itself(
    browser: Browser, address: str, client: TestClient, publish: Publish, sessions: Sessions
) -> None:
    publish("helped")
    page = opened(browser)
    page.goto(f"{address}/ui/datasets/target")
    page.get_by_role("link", name="Find a source for it").click()
    page.get_by_role("button", name="Rank all sources").click()
    page.locator(".state-queued").wait_for()
    with sessions.begin() as session:
        ended = {"state": "succeeded", "finished_at": db_now(), "result": RESULT}
        session.execute(update(Job).where(Job.kind == Kind.RANKING).values(**ended))
    page.get_by_role("heading", name="Use this source: m@1").wait_for()


def test_the_form_for_uploads_in_the_documentation_works_as_it_stands(
    browser: Browser, address: str, tmp_path: Path
) -> None:
    (tmp_path / "customers.csv").write_text(CSV)
    page = opened(browser)
    page.goto(f"{address}/docs")
    route = page.locator("#operations-datasets-upload_dataset")
    route.locator(".opblock-summary").first.click()
    route.locator("input[type=file]").first.set_input_files(tmp_path / "customers.csv")
    route.get_by_role("button", name="Execute").click()
    answer = route.locator(".live-responses-table .response").first
    answer.wait_for()
    assert "customers@1" in answer.inner_text()


def test_what_a_file_has_wrong_is_told_in_the_form(browser: Browser, address: str, tmp_path: Path) -> None:
    page = opened(browser)
    (tmp_path / "bad.csv").write_text("a,b\n")
    page.goto(f"{address}/ui/upload")
    page.get_by_label("Drop a file here, or choose one").set_input_files(tmp_path / "bad.csv")
    page.get_by_role("button", name="Upload").click()
    page.locator("[data-problem] strong").filter(has_text="Expected").wait_for()
    assert page.get_by_role("button", name="Upload").is_enabled()
    page.context.close()


def test_a_key_signs_in_and_its_cookie_is_kept_from_scripts(
    browser: Browser, address: str, client: TestClient
) -> None:
    key = make_key(client, "ana")
    page = opened(browser)
    page.goto(f"{address}/ui/jobs")
    page.get_by_label("Key").fill(key.text)
    page.keyboard.press("Enter")
    page.get_by_text("ana in default").wait_for()
    assert page.url == f"{address}/ui/jobs"
    assert page.evaluate("document.cookie") == ""
    page.get_by_role("button", name="Sign out").click()
    page.get_by_label("Key").wait_for()
    page.context.close()


def test_pages_read_without_scripts(browser: Browser, address: str, publish: Publish) -> None:
    publish("helped", name="done")
    page = opened(browser, java_script_enabled=False)
    page.goto(f"{address}/ui/jobs")
    page.get_by_role("link", name="done").click()
    page.get_by_role("heading", name="The transfer helped").wait_for()
    page.context.close()
