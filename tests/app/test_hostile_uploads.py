"""Hostile files over HTTP, on every database: each is answered, and what is refused leaves nothing."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from tests.app.datasets.test_broken_files import HOSTILE


@pytest.mark.parametrize("part", range(4))
def test_hostile_files_are_answered_422_and_leave_nothing(client: TestClient, part: int) -> None:
    for what, content, name, declared, codes in HOSTILE[part::4]:
        fields = {"name": "t", **declared}
        if name is not None:
            fields["filename"] = name
        answer = client.post("/v1/datasets", params=fields, content=content)
        assert (answer.status_code, answer.json()["code"] in codes) == (422, True), (what, answer.text)
    assert client.get("/v1/datasets").json()["data"] == []
    storage: Path = client.app.state.storage.folder  # type: ignore[attr-defined]
    assert [path for path in storage.rglob("*") if path.is_file()] == []


def test_odd_text_that_is_text_is_kept_and_comes_back(client: TestClient) -> None:
    odd = ["\x01\x7f", "\U0001f9ec é", "\ufffe", "‮reversed", "\\u0000", "a" * 5000]
    lines = "".join(json.dumps({f"na\x02me {odd[1]}": odd[n % 6], "y": n % 2}) + "\n" for n in range(24))
    answer = client.post("/v1/datasets?name=t&label=y&filename=a.jsonl", content=lines.encode())
    assert answer.status_code == 201, answer.text
    rows = client.get("/v1/datasets/t/rows").json()["data"]
    assert [row[f"na\x02me {odd[1]}"] for row in rows[:5]] == odd[:5]
    assert client.get("/v1/datasets").json()["data"][0].items() <= answer.json().items()
    assert client.get("/v1/datasets/t").json() == answer.json()


def test_numbers_whose_squares_are_beyond_floats_have_a_profile_that_json_can_say(client: TestClient) -> None:
    rows = "".join(f"{n % 3 - 1}e300,{n % 2}\n" for n in range(30))
    answer = client.post("/v1/datasets?name=t&label=y", content=f"a,y\n{rows}".encode())
    assert answer.status_code == 201, answer.text
    profile = answer.json()["profile"]["columns"][0]
    assert (profile["maximum"], profile["standard_deviation"]) == (1e300, None)
    assert client.get("/v1/datasets/t/rows").status_code == 200
