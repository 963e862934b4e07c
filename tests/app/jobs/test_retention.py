from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import update

from app.db.access_tables import DEFAULT_WORKSPACE
from app.db.session import Sessions
from app.db.tables import Dataset, Job, SourceRun
from app.jobs import retention, sweeper
from app.settings import Settings
from tests.app.conftest import Publish

OLD = datetime.now(UTC) - timedelta(days=2)


def kept(settings: Settings, **asked: Any) -> Settings:
    return settings.model_copy(update={"keep_source_seconds": 0.0, **asked})


def test_by_default_only_old_source_networks_go(
    sessions: Sessions, settings: Settings, client: TestClient, publish: Publish
) -> None:
    publish("helped")
    with sessions.begin() as session:
        for key, created in (("old", OLD - timedelta(days=40)), ("new", datetime.now(UTC))):
            digests = {"output_digest": "0" * 64, "rows_digest": "1" * 64}
            session.add(
                SourceRun(workspace_id=DEFAULT_WORKSPACE, key=key, output={}, created_at=created, **digests)
            )
    gone = retention.clean(sessions, settings)
    assert gone == {"versions": 0, "datasets": 0, "source networks": 1, "replies": 0}


def test_the_newest_versions_and_those_with_an_alias_are_kept(
    sessions: Sessions, settings: Settings, client: TestClient, publish: Publish
) -> None:
    for _ in range(4):
        publish("helped")
    client.put("/v1/models/m/aliases/first", json={"version": 1})
    gone = retention.clean(sessions, kept(settings, keep_versions=1))
    assert gone["versions"] == 2
    versions = client.get("/v1/models/m/versions").json()["data"]
    assert [one["version"] for one in versions if one["deleted_at"] is None] == [4, 1]
    assert retention.clean(sessions, kept(settings, keep_versions=1))["versions"] == 0


def test_a_data_set_that_no_job_used_for_long_goes_and_the_lineage_stays_readable(
    sessions: Sessions, settings: Settings, client: TestClient, publish: Publish
) -> None:
    publish("helped")
    asked = kept(settings, keep_dataset_seconds=86400.0)
    assert retention.clean(sessions, asked)["datasets"] == 0
    with sessions.begin() as session:
        session.execute(update(Dataset).values(created_at=OLD))
    assert retention.clean(sessions, asked)["datasets"] == 0  # a job used them today
    with sessions.begin() as session:
        session.execute(update(Job).values(finished_at=OLD))
    assert retention.clean(sessions, asked)["datasets"] == 2
    assert client.get("/v1/datasets/source").status_code == 404
    assert client.get("/v1/models/m@1").json()["lineage"]["source"] == {"dataset": "source@1"}


def test_a_data_set_that_an_open_job_needs_is_kept(
    sessions: Sessions, settings: Settings, client: TestClient, datasets: dict[str, Any]
) -> None:
    body = {"model": "m", "source": {"dataset": "source"}, "target": {"dataset": "target"}}
    assert client.post("/v1/jobs", json=body).status_code == 202
    with sessions.begin() as session:
        session.execute(update(Dataset).values(created_at=OLD))
    assert retention.clean(sessions, kept(settings, keep_dataset_seconds=60.0))["datasets"] == 0


def test_a_deleted_version_stays_readable_and_is_no_download_no_source_and_no_champion(
    client: TestClient, publish: Publish
) -> None:
    publish("helped", champion="never")
    publish("helped")
    for _ in range(2):
        assert client.delete("/v1/models/m@1").status_code == 204
    assert client.get("/v1/models/m@1").json()["deleted_at"] is not None
    answers = [
        client.get("/v1/models/m@1/download"),
        client.put("/v1/models/m/aliases/best", json={"version": 1}),
        client.post(
            "/v1/jobs", json={"model": "m", "source": {"version": "m@1"}, "target": {"dataset": "target"}}
        ),
    ]
    assert [(answer.status_code, answer.json()["code"]) for answer in answers] == [
        (410, "version_deleted")
    ] * 3
    assert client.get("/v1/models/m").json()["version"] == 2


def test_a_version_with_an_alias_or_an_open_job_is_not_deleted(client: TestClient, publish: Publish) -> None:
    publish("helped")
    champion = client.delete("/v1/models/m@1")
    assert (champion.status_code, champion.json()["code"]) == (409, "version_has_alias")
    client.delete("/v1/models/m/aliases/champion")
    body = {"model": "n", "source": {"version": "m@1"}, "target": {"dataset": "target"}, "name": "j"}
    assert client.post("/v1/jobs", json=body).status_code == 202
    used = client.delete("/v1/models/m@1")
    assert (used.status_code, used.json()["code"]) == (409, "version_in_use")
    client.post("/v1/jobs/j:cancel")
    assert client.delete("/v1/models/m@1").status_code == 204


@pytest.mark.parametrize("reference", ["m", "m@champion"])
def test_only_a_version_that_is_named_by_its_number_is_deleted(
    client: TestClient, publish: Publish, reference: str
) -> None:
    publish("helped")
    assert client.delete(f"/v1/models/{reference}").status_code == 422


def test_uploads_are_refused_where_as_much_is_kept_as_may_be(
    client: TestClient, datasets: dict[str, Any]
) -> None:
    client.app.state.settings = client.app.state.settings.model_copy(update={"max_kept_bytes": 100})  # type: ignore[attr-defined]
    answer = client.post("/v1/datasets?name=d&label=y", content=b"a,y\n1,2\n")
    assert (answer.status_code, answer.json()["code"]) == (507, "quota_full")
    assert "bytes of datasets" in answer.json()["detail"]


def test_files_of_trained_rows_are_kept_for_as_long_as_a_version_refers_to_them(
    sessions: Sessions, client: TestClient, publish: Publish
) -> None:
    old, own = (
        {"dataset": f"{name}@1", "digest": name[0] * 64, "rows": 9} for name in ("ancestor", "target")
    )
    publish("helped", champion="never", trained_rows=[old])
    publish("helped", champion="never", trained_rows=[old, own])
    for name in ("source", "target"):
        assert client.delete(f"/v1/datasets/{name}").status_code == 204

    def kept_files() -> set[str]:
        with sessions() as session:
            return {digest[0] for digest in sweeper.referenced(session, 0.0) if len(set(digest)) == 1}

    assert kept_files() == {"a", "t"}
    client.delete("/v1/models/m@1")
    assert kept_files() == {"a", "t"}
    client.delete("/v1/models/m@2")
    assert kept_files() == set()
