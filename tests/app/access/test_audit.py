from __future__ import annotations

import csv
import io
import json
from typing import Any

import pytest
from fastapi.testclient import TestClient

from tests.app.access.callers import Made, make_key, workspace_id
from tests.stored import Inspected, store_inspected

pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)

JOB = {"model": "m", "name": "j", "source": {"dataset": "source"}, "target": {"dataset": "target"}}


def told(client: TestClient, key: Made, query: str = "") -> list[dict[str, Any]]:
    answer = client.get(f"/v1/audit{query}", headers=key.headers)
    assert answer.status_code == 200, answer.text
    entries: list[dict[str, Any]] = answer.json()["data"]
    return entries


@pytest.fixture
def team(client: TestClient, inspected_files: dict[str, Inspected]) -> dict[str, Made]:
    """An admin and a writer of the workspace `team`, which has data sets; an admin of the installation."""
    made = {scope: make_key(client, f"team-{scope}", scope, "team") for scope in ("admin", "write")}
    for name, inspected in inspected_files.items():
        store_inspected(client, name, inspected, workspace_id(client, "team"))
    return {**made, "whole": make_key(client, "root", "admin", None)}


def test_who_made_stopped_downloaded_and_deleted_what_is_written_in_its_order(
    client: TestClient, team: dict[str, Made]
) -> None:
    writer = team["write"]
    sent = {"headers": writer.headers | {"Idempotency-Key": "k"}}
    for _ in range(2):  # the second does nothing, and so is not told
        client.post("/v1/jobs", json=JOB, **sent).raise_for_status()
    for move in ("pause", "resume", "cancel", "retry", "cancel"):
        client.post(f"/v1/jobs/j:{move}", headers=writer.headers).raise_for_status()
    content = client.get("/v1/datasets/source/content", headers=writer.headers)
    known = {"If-None-Match": content.headers["etag"]}
    assert client.get("/v1/datasets/source/content", headers=writer.headers | known).status_code == 304
    assert client.head("/v1/datasets/source/content", headers=writer.headers).status_code == 200
    part = client.get("/v1/datasets/source/content", headers=writer.headers | {"Range": "bytes=1-"})
    assert part.status_code == 206
    assert client.delete("/v1/datasets/none", headers=writer.headers).status_code == 404
    client.delete("/v1/datasets/source", headers=writer.headers).raise_for_status()
    entries = told(client, team["admin"])
    assert [(entry["action"], entry["subject"]) for entry in entries] == [
        ("job.created", "j"),
        ("job.paused", "j"),
        ("job.resumed", "j"),
        ("job.cancelled", "j"),
        ("job.retried", "j"),
        ("job.cancelled", "j"),
        ("dataset.downloaded", "source@1"),
        ("dataset.downloaded", "source@1"),
        ("dataset.deleted", "source@1"),
    ]
    assert {(entry["key"], entry["key_id"], entry["workspace"]) for entry in entries} == {
        ("team-write", writer.id, "team")
    }
    assert [entry["data"] for entry in entries if entry["action"] == "dataset.downloaded"] == [
        {},
        {"range": "bytes=1-"},
    ]


def test_each_admin_reads_what_was_done_where_it_administers(
    client: TestClient, team: dict[str, Made]
) -> None:
    other = make_key(client, "other", "write", "default")
    client.post("/v1/datasets?name=a", content=b"a,y\n", headers=other.headers)  # refused: nothing was done
    client.delete("/v1/datasets/source", headers=team["write"].headers).raise_for_status()
    client.post("/v1/workspaces", json={"name": "new"}, headers=team["whole"].headers).raise_for_status()
    made = {"name": "x", "scope": "read", "workspace": "team"}
    client.post("/v1/keys", json=made, headers=team["whole"].headers).raise_for_status()
    assert [entry["action"] for entry in told(client, team["admin"])] == ["dataset.deleted", "key.created"]
    assert [(entry["action"], entry["key"]) for entry in told(client, team["whole"])] == [
        ("dataset.deleted", "team-write"),
        ("workspace.created", "root"),
        ("key.created", "root"),
    ]
    assert client.get("/v1/audit", headers=team["write"].headers).status_code == 403


def test_it_is_read_a_page_at_a_time_and_exported_as_lines_and_as_a_table(
    client: TestClient, team: dict[str, Made]
) -> None:
    writer, admin = team["write"], team["admin"]
    client.post("/v1/jobs", json=JOB, headers=writer.headers).raise_for_status()
    client.post("/v1/jobs/j:cancel", headers=writer.headers).raise_for_status()
    first = client.get("/v1/audit?limit=1", headers=admin.headers).json()
    assert first["has_more"]
    after = first["data"][0]["id"]
    assert [entry["action"] for entry in told(client, admin, f"?after={after}")] == ["job.cancelled"]
    assert [entry["action"] for entry in told(client, admin, "?action=job.created")] == ["job.created"]
    assert told(client, admin, "?key=nobody") == []
    assert len(told(client, admin, f"?key={writer.id}")) == 2
    lines = client.get("/v1/audit?format=jsonl", headers=admin.headers)
    assert lines.headers["content-type"].startswith("application/x-ndjson")
    assert [json.loads(line) for line in lines.text.splitlines()] == [
        {**entry, "created_at": entry["created_at"].replace("Z", "+00:00")} for entry in told(client, admin)
    ]
    table = client.get("/v1/audit?format=csv", headers=admin.headers)
    rows = list(csv.DictReader(io.StringIO(table.text)))
    assert [(row["action"], row["key"], row["workspace"]) for row in rows] == [
        ("job.created", "team-write", "team"),
        ("job.cancelled", "team-write", "team"),
    ]
    assert json.loads(rows[0]["data"])["id"].startswith("job_")
