"""Two workspaces with equal names, data and idempotency keys beside each other."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import select
from sqlalchemy.exc import IntegrityError

from app.access import workspaces
from app.db.access_tables import DEFAULT_WORKSPACE
from app.db.session import Sessions
from app.db.tables import Dataset, Job, Model, Version
from app.errors import ServiceError
from app.jobs import sweeper
from tests.app.access.callers import make_key, workspace_id
from tests.app.conftest import Publish
from tests.app.reports.test_routes import RECEIPT, proved
from tests.stored import Inspected, store_inspected

SQLITE = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
Become = Callable[[str], None]


@pytest.fixture
def become(client: TestClient, datasets: object, inspected_files: dict[str, Inspected]) -> Become:
    """Asks from now on with a key of `default` or `team`; both have the data sets `source` and `target`."""
    made = {name: make_key(client, "ci", "write", name) for name in ("default", "team")}
    for name, inspected in inspected_files.items():
        store_inspected(client, name, inspected, workspace_id(client, "team"))

    def become(name: str) -> None:
        client.headers["Authorization"] = f"Bearer {made[name].text}"

    return become


def test_equal_names_data_and_keys_of_two_workspaces_are_two_things(
    client: TestClient, become: Become, publish: Publish
) -> None:
    body = {"model": "m", "name": "j", "source": {"dataset": "source"}, "target": {"dataset": "target@1"}}
    seen: dict[str, list[str]] = {}
    for name in ("default", "team"):
        become(name)
        asked = {"headers": {"Idempotency-Key": "k"}}
        first = client.post("/v1/jobs", json=body, **asked).json()
        assert client.post("/v1/jobs", json=body, **asked).json()["id"] == first["id"]
        assert client.post("/v1/jobs", json=body).json()["code"] == "job_name_taken"
        publish("helped", RECEIPT, proved(3), name="done")
        client.put("/v1/models/m/aliases/best", json={"version": 1}).raise_for_status()
        paths = [
            "/v1/jobs/j",
            "/v1/jobs/done/report",
            "/v1/models/m@best",
            "/v1/datasets/source",
            "/v1/jobs",
            "/v1/models",
            "/v1/datasets",
            "/v1/models/m/versions",
            "/v1/jobs/done/events",
        ]
        seen[name] = [client.get(path).text for path in paths]
    ids = {name: set(ID.findall(" ".join(answers))) for name, answers in seen.items()}
    assert len(ids["default"]) == len(ids["team"]) > 4
    assert not ids["default"] & ids["team"]
    plain = {name: [without_ids(answer) for answer in answers] for name, answers in seen.items()}
    assert plain["default"] == plain["team"]


ID = re.compile(r"(?:ds|job|ver)_[0-9a-f]{28}")
MOMENT = re.compile(r'"[0-9]{4}-[0-9]{2}-[0-9]{2}T[^"]*"')
EVENT = re.compile(r'"id":[0-9]+')


def without_ids(text: str) -> str:
    """What is left of an answer without what no two things share: ids, moments, numbers of events."""
    return EVENT.sub("", MOMENT.sub("", ID.sub("", text)))


def test_what_one_deletes_stays_the_others_as_long_as_it_has_it(
    client: TestClient, become: Become, sessions: Sessions
) -> None:
    digests = []
    for name in ("default", "team"):
        become(name)
        digests.append(client.get("/v1/datasets/source").json()["sha256"])
    assert digests[0] == digests[1]
    for name, is_kept in (("default", True), ("team", False)):
        become(name)
        assert client.delete("/v1/datasets/source").status_code == 204
        assert client.get("/v1/datasets/source").status_code == 404
        with sessions() as session:
            assert (digests[0] in sweeper.referenced(session, 0.0)) == is_kept
        if is_kept:
            become("team")
            assert client.get("/v1/datasets/source/content").status_code == 200


@SQLITE
def test_a_full_storage_tells_nobody_how_much_another_keeps(client: TestClient, become: Become) -> None:
    settings = client.app.state.settings  # type: ignore[attr-defined]
    client.app.state.settings = settings.model_copy(update={"max_kept_bytes": 1})  # type: ignore[attr-defined]
    become("team")
    for name in ("source", "target"):
        client.delete(f"/v1/datasets/{name}").raise_for_status()
    answer = client.post("/v1/datasets?name=a&label=y", content=b"a,y\n1,2\n")
    assert answer.status_code == 507
    assert "0 bytes of datasets, 0 bytes of versions, 0 bytes of predictions here" in answer.json()["detail"]


@SQLITE
def test_a_full_queue_of_one_refuses_nothing_of_another(client: TestClient, become: Become) -> None:
    settings = client.app.state.settings  # type: ignore[attr-defined]
    client.app.state.settings = settings.model_copy(update={"max_queued_jobs": 1})  # type: ignore[attr-defined]
    body = {"model": "m", "source": {"dataset": "source"}, "target": {"dataset": "target"}}
    for name in ("default", "team"):
        become(name)
        assert client.post("/v1/jobs", json=body).status_code == 202
        refused = client.post("/v1/jobs", json=body)
        assert (refused.status_code, refused.json()["code"]) == (429, "too_many_queued")
        assert "at most 1 waiting jobs of a workspace" in refused.json()["detail"]
        assert len(client.get("/v1/jobs?state=queued").json()["data"]) == 1


def test_the_database_refuses_a_job_on_data_of_another_workspace(
    client: TestClient, become: Become, sessions: Sessions
) -> None:
    team = workspace_id(client, "team")
    with sessions() as session:
        foreign = session.scalars(select(Dataset.id).where(Dataset.workspace_id == DEFAULT_WORKSPACE)).first()
    job = {"name": "x", "model": "m", "spec": {}, "extra": {}, "max_attempts": 1}
    data = {"source_dataset_id": foreign, "target_dataset_id": foreign}
    with sessions() as session:
        session.add(Job(id="job_x", workspace_id=team, **job, **data))
        with pytest.raises(IntegrityError):
            session.flush()
    with sessions.begin() as session:
        session.add(Job(id="job_x", workspace_id=DEFAULT_WORKSPACE, **job, **data))
    facts: dict[str, Any] = {one: {} for one in ("signature", "network", "receipt", "metrics", "lineage")}
    about = {"id": "ver_x", "model": "m", "number": 1, "job_id": "job_x", "weights_digest": ""}
    with sessions() as session:
        session.add(Model(workspace_id=team, name="m"))
        session.flush()
        session.add(Version(workspace_id=team, **about, **facts))
        with pytest.raises(IntegrityError):
            session.flush()


@SQLITE
def test_a_job_is_its_keys_unless_an_admin_says_whose_it_is(client: TestClient, become: Become) -> None:
    become("team")
    body = {"model": "m", "source": {"dataset": "source"}, "target": {"dataset": "target"}}
    admin = make_key(client, "boss", "admin", "team")
    said = {"owner": "bob"}
    cases = [({}, {}, "ci"), ({}, {"owner": "ci"}, "ci"), (admin.headers, {}, "boss")]
    for headers, more, owner in [*cases, (admin.headers, said, "bob")]:
        assert client.post("/v1/jobs", json=body | more, headers=headers).json()["owner"] == owner
    refused = client.post("/v1/jobs", json=body | said)
    assert (refused.status_code, refused.json()["code"]) == (403, "owner_not_allowed")


@SQLITE
def test_a_workspace_that_is_not_there_is_told_with_the_nearest(sessions: Sessions) -> None:
    with sessions.begin() as session:
        made = workspaces.create(session, "team")
        with pytest.raises(ServiceError, match="Received: tean") as error:
            workspaces.find(session, "tean")
        assert error.value.hint == "Did you mean: team?"
        with pytest.raises(ServiceError) as error:
            workspaces.find(session, "team", DEFAULT_WORKSPACE)
        assert "team" not in str(error.value.hint)
        assert workspaces.find(session, "team", made.id) is made
