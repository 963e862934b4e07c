"""A browser without scripts: it loads pages, keeps cookies, and sends the forms that it was shown."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from typing import Any

import httpx2
from fastapi.testclient import TestClient

VOID = {"meta", "link", "input", "br", "img", "hr"}


class Parsed(HTMLParser):
    """What a page holds: its forms by their address, its texts, ids and links; and what is wrong with it."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.html = html
        self.open: list[str] = []
        self.forms: dict[str, dict[str, str]] = {}
        self.links: list[str] = []
        self.ids: list[str] = []
        self.described: list[str] = []
        self.inline: list[str] = []
        self.text = ""
        self._form: dict[str, str] | None = None
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        if tag not in VOID:
            self.open.append(tag)
        if "style" in given or any(name.startswith("on") for name in given):
            self.inline.append(tag)
        if tag in ("style", "script") and "src" not in given:
            self.inline.append(tag)
        if "id" in given:
            self.ids.append(given["id"])
        self.described += given.get("aria-describedby", "").split()
        if tag == "a":
            self.links.append(given.get("href", ""))
        if tag == "form":
            self._form = self.forms.setdefault(given.get("action", ""), {})
        if tag in ("input", "textarea", "select") and self._form is not None and "name" in given:
            self._form[given["name"]] = given.get("value", "")

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in VOID:
            self.handle_endtag(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag in VOID:
            return
        assert self.open.pop() == tag, f"{tag} ends where another element is open"
        if tag == "form":
            self._form = None

    def handle_data(self, data: str) -> None:
        self.text += data


def parsed(answer: httpx2.Response, status: int = 200) -> Parsed:
    """A whole and sound page, with nothing in it that its policy would keep from running."""
    assert answer.status_code == status, answer.text[:2000]
    assert answer.headers["content-type"].startswith("text/html")
    assert "script-src 'self';" in answer.headers["content-security-policy"]
    page = Parsed(answer.text)
    assert page.open == []
    assert page.inline == []
    assert len(set(page.ids)) == len(page.ids), "an id stands twice"
    assert set(page.described) <= set(page.ids)
    assert not re.search(r"(src|href)=\"(https?:)?//", answer.text), "something is loaded from elsewhere"
    return page


def load(client: TestClient, path: str, status: int = 200) -> Parsed:
    """The page at a path."""
    return parsed(client.get(path), status)


def send(client: TestClient, page: Parsed, action: str, **fields: Any) -> httpx2.Response:
    """Send a form of a page as a browser does, which says where the page is from."""
    values = {**page.forms[action], **fields}
    headers = {"Origin": str(client.base_url).rstrip("/"), "Sec-Fetch-Site": "same-origin"}
    return client.post(action.partition("#")[0], data=values, headers=headers, follow_redirects=False)
