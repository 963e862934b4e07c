"""What an admin lets one workspace have: shown, refused beyond it, and of no other."""

from __future__ import annotations

from typing import Any

import pytest
from fastapi.testclient import TestClient

from app.db.session import Sessions
from app.db.tables import Artifact, Job
from app.jobs import scheduling, transitions
from app.settings import Settings
from tests.app.access.callers import Made, make_key, workspace_id
from tests.app.conftest import Publish
from tests.stored import Inspected, store_inspected

SQLITE = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
BODY = {"model": "m", "source": {"dataset": "source"}, "target": {"dataset": "target"}}


@pytest.fixture
def keys(client: TestClient, inspected_files: dict[str, Inspected]) -> dict[str, Made]:
    """Of who writes in the workspaces `default` and `team`, of team's admin and of the installation's."""
    made = {name: make_key(client, f"{name}-ci", "write", name) for name in ("default", "team")}
    for place in made:
        for name, inspected in inspected_files.items():
            store_inspected(client, name, inspected, workspace_id(client, place))
    made["boss"] = make_key(client, "boss", "admin", "team")
    return made | {"root": make_key(client, "root", "admin", None)}


@pytest.fixture
def limit(client: TestClient, keys: dict[str, Made]) -> Any:
    """Give `team` limits."""

    def limit(**limits: Any) -> dict[str, Any]:
        answer = client.patch("/v1/workspaces/team", json={"limits": limits}, headers=keys["root"].headers)
        assert answer.status_code == 200, answer.text
        view: dict[str, Any] = answer.json()
        return view

    return limit


def post(client: TestClient, key: Made, **more: Any) -> Any:
    return client.post("/v1/jobs", json=BODY | more, headers=key.headers)


def code(answer: Any) -> tuple[int, str]:
    return answer.status_code, answer.json().get("code", "")


def test_limits_are_shown_with_what_is_used_and_a_null_is_the_settings(
    client: TestClient, settings: Settings, keys: dict[str, Made], limit: Any, inspected_files: Any
) -> None:
    client.app.state.settings = settings.model_copy(update={"max_queued_jobs": 9})  # type: ignore[attr-defined]
    post(client, keys["team"]).raise_for_status()
    view = limit(max_kept_bytes=10**12, max_queued_jobs=0, max_job_seconds=2.5)
    assert view["limits"] == {
        "max_kept_bytes": 10**12,
        "max_versions": None,
        "max_queued_jobs": 0,
        "max_running_jobs": None,
        "max_job_seconds": 2.5,
    }
    assert view["in_force"] == view["limits"] | {"max_queued_jobs": None}
    sets = [client.get(f"/v1/datasets/{one}", headers=keys["team"].headers).json() for one in inspected_files]
    least = sum(one["size"] for one in sets)
    assert view["used"]["kept_bytes"] > least > 0
    assert {name: view["used"][name] for name in ("versions", "queued_jobs", "running_jobs")} == {
        "versions": 0,
        "queued_jobs": 1,
        "running_jobs": 0,
    }
    view = limit(max_queued_jobs=None)
    assert (view["limits"]["max_queued_jobs"], view["in_force"]["max_queued_jobs"]) == (None, 9)
    assert view["limits"]["max_kept_bytes"] == 10**12  # which was not asked for
    listed = client.get("/v1/workspaces", headers=keys["root"].headers).json()["data"]
    assert {one["name"]: one["used"]["queued_jobs"] for one in listed} == {"default": 0, "team": 1}
    assert next(one for one in listed if one["name"] == "team") == view


@SQLITE
def test_only_an_admin_of_the_installation_changes_limits_and_it_is_written_down(
    client: TestClient, keys: dict[str, Made], limit: Any
) -> None:
    body = {"limits": {"max_versions": 5}}
    refused = client.patch("/v1/workspaces/team", json=body, headers=keys["boss"].headers)
    assert code(refused) == (403, "installation_only")
    refused = client.patch("/v1/workspaces/default", json=body, headers=keys["boss"].headers)
    assert code(refused) == (404, "workspace_not_found")
    for wrong in ({"max_versions": -1}, {"max_kept_bytes": 1.5}, {"max_jobs": 1}, {"max_job_seconds": "9"}):
        refused = client.patch("/v1/workspaces/team", json={"limits": wrong}, headers=keys["root"].headers)
        assert code(refused) == (422, "invalid_request")
    limit(max_versions=5, max_job_seconds=1.5, max_kept_bytes=None)
    told = client.get("/v1/audit?action=workspace.limited", headers=keys["boss"].headers).json()["data"]
    assert [(one["key"], one["subject"], one["data"]) for one in told] == [
        ("root", "team", {"max_versions": 5, "max_job_seconds": 1.5, "max_kept_bytes": None})
    ]


@SQLITE
def test_a_full_queue_says_its_limit_what_waits_and_who_can_raise_it(
    client: TestClient, keys: dict[str, Made], limit: Any
) -> None:
    limit(max_queued_jobs=1)
    assert post(client, keys["team"]).status_code == 202
    refused = post(client, keys["team"])
    assert code(refused) == (429, "too_many_queued")
    assert "at most 1 waiting jobs of a workspace. Received: 2 with this one" in refused.json()["detail"]
    assert "model-transfer workspaces limit team" in refused.json()["hint"]
    assert [post(client, keys["default"]).status_code for _ in range(2)] == [202, 202]


@SQLITE
def test_a_full_workspace_keeps_no_upload_and_begins_no_transfer(
    client: TestClient, keys: dict[str, Made], limit: Any
) -> None:
    used = limit(max_versions=None)["used"]["kept_bytes"]
    limit(max_kept_bytes=used + 10)
    file = {"content": b"a,y\n" + b"".join(b"%d,%d\n" % (row, row % 7) for row in range(60))}
    headers = keys["team"].headers
    larger = client.post("/v1/datasets?name=a&label=y", **file, headers=headers)
    assert code(larger) == (507, "quota_full")
    assert f"Expected at most {used + 10} bytes" in larger.json()["detail"]
    assert "with this one" in larger.json()["detail"]
    assert client.get("/v1/datasets/a", headers=headers).status_code == 404
    assert post(client, keys["team"]).status_code == 202
    limit(max_kept_bytes=used)
    for refused in (
        post(client, keys["team"]),
        client.post("/v1/datasets?name=a&label=y", **file, headers=headers),
    ):
        assert code(refused) == (507, "quota_full")
        assert f"at most {used} bytes of stored files of a workspace" in refused.json()["detail"]
        assert "PATCH /v1/workspaces/team" in refused.json()["hint"]
    assert client.delete("/v1/datasets/source", headers=headers).status_code == 409  # the job that waits
    assert post(client, keys["default"]).status_code == 202


@SQLITE
def test_versions_that_open_jobs_are_to_make_count_and_a_deleted_one_makes_room(
    client: TestClient, keys: dict[str, Made], limit: Any, publish: Publish, sessions: Sessions
) -> None:
    headers = keys["team"].headers
    client.headers.update(headers)
    publish("helped", champion="never")
    version = client.get("/v1/models/m@1").json()
    with sessions.begin() as session:
        file = {"size": 100, "filename": "m.keras", "media_type": "application/zip", "digest": "0" * 64}
        session.add(Artifact(version_id=version["id"], arm="transfer", format="keras", **file))
    before = limit(max_versions=2)["used"]
    assert before["versions"] == 1
    assert post(client, keys["team"], name="first").status_code == 202
    refused = post(client, keys["team"], name="second")
    assert code(refused) == (507, "too_many_versions")
    told = "at most 2 versions of models of a workspace. Received: 1, and 2 with this job that are to be made"
    assert told in refused.json()["detail"]
    client.delete("/v1/models/m@1").raise_for_status()
    assert post(client, keys["team"], name="second").status_code == 202
    after = limit()["used"]
    assert (after["versions"], before["kept_bytes"] - after["kept_bytes"]) == (0, 100)


@SQLITE
def test_a_new_job_runs_as_long_as_its_workspace_lets_it(
    client: TestClient, keys: dict[str, Made], limit: Any
) -> None:
    limit(max_job_seconds=60)
    assert post(client, keys["team"]).json()["limits"] == {"max_seconds": 60.0}
    refused = post(client, keys["team"], limits={"max_seconds": 61.0})
    assert code(refused) == (422, "too_much_time")
    assert post(client, keys["default"], limits={"max_seconds": 61.0}).json()["limits"]["max_seconds"] == 61


@pytest.fixture
def claimed(client: TestClient, keys: dict[str, Made], sessions: Sessions) -> Any:
    """Workers take all they may; whose the jobs are that they begin."""
    names = {workspace_id(client, name): name for name in ("default", "team")}

    def claim(default: int = 0) -> list[str]:
        begun = []
        with sessions.begin() as session:
            while (job_id := scheduling.next_job(session, "default", 0, default)) is not None:
                assert transitions.claim(session, job_id, "worker", 60)
                begun.append(names[session.get_one(Job, job_id).workspace_id])
        return begun

    return claim


def test_jobs_beyond_those_that_may_run_wait_and_others_begin(
    client: TestClient, keys: dict[str, Made], limit: Any, claimed: Any, sessions: Sessions
) -> None:
    for name in ("team", "team", "team", "default", "default", "default"):
        assert post(client, keys[name]).status_code == 202
    assert limit(max_running_jobs=1)["used"]["queued_jobs"] == 3
    assert claimed(2) == ["team", "default", "default"]  # its own limit, and that of the settings
    with sessions.begin() as session:
        assert scheduling.are_limited(session, 0, 0)
    assert limit(max_running_jobs=2)["used"]["running_jobs"] == 1
    assert claimed(2) == ["team"]
    limit(max_running_jobs=0)
    assert claimed(2) == ["team"]
    with sessions.begin() as session:
        assert not scheduling.are_limited(session, 0, 0)
    assert claimed() == ["default"]
