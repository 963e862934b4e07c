"""The client against a real API on a socket."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from app.client import ApiError, Client, JobDidNotSucceed
from tests.app.conftest import Publish
from tests.conftest import DATABASES, WriteCsv

pytestmark = pytest.mark.parametrize("database_url", DATABASES[:1], indirect=True)

JOB = {"model": "m", "source": {"dataset": "source"}, "target": {"dataset": "target"}}


def test_a_file_is_uploaded_with_its_fields_and_its_progress(
    service: Client, tmp_path: Path, write_csv: WriteCsv
) -> None:
    path, sent = write_csv(tmp_path / "my rows.csv", 60, seed=0), [0]
    made = service.upload(path, "rows", label="y", types={"a": "number"}, sent=sent.append)
    assert (made.ref, made.rows, made.kind) == ("rows@1", 60, "tabular")
    assert sent[-1] == path.stat().st_size
    assert service.dataset("rows").id == made.id
    assert len(service.rows("rows", 5)) == 5
    service.delete_dataset("rows@1")
    with pytest.raises(ApiError, match="Received: rows"):
        service.dataset("rows")


def test_a_file_that_is_refused_tells_the_service_s_reason(service: Client, tmp_path: Path) -> None:
    path = tmp_path / "empty.csv"
    path.write_text("a,b\n")
    with pytest.raises(ApiError) as refused:
        service.upload(path, label="b")
    assert (refused.value.status, refused.value.hint is not None) == (422, True)
    assert not list(service.datasets())


@pytest.mark.usefixtures("datasets")
def test_lists_are_read_over_all_their_pages(service: Client, client: TestClient) -> None:
    names = {client.post("/v1/jobs", json=JOB).json()["name"] for _ in range(103)}
    assert {job.name for job in service.jobs(state="queued")} == names
    assert [job.state for job in service.jobs(state="running")] == []


@pytest.mark.usefixtures("datasets")
def test_a_job_that_is_sent_again_with_its_key_is_one_job(service: Client) -> None:
    first = service.start(JOB, idempotency_key="mine")
    assert service.start(JOB, idempotency_key="mine").id == first.id
    assert service.start(JOB).id != first.id


@pytest.mark.usefixtures("datasets")
def test_a_job_is_moved_by_its_verbs_and_one_that_did_not_succeed_is_an_error_to_wait_for(
    service: Client,
) -> None:
    job = service.start({**JOB, "name": "j"})
    assert service.pause(job.id).state == "paused"
    assert service.resume("j").state == "queued"
    assert service.cancel("j").state == "cancelled"
    with pytest.raises(JobDidNotSucceed, match="Received: cancelled"):
        service.wait("j")
    assert service.retry("j").state == "queued"
    with pytest.raises(ApiError, match="Expected a job that can be retried"):
        service.retry("j")


@pytest.mark.usefixtures("datasets")
def test_events_come_as_they_happen_and_end_with_the_job(service: Client, client: TestClient) -> None:
    job, seen = service.start(JOB), []
    begun = threading.Event()

    def cancel() -> None:
        begun.wait(30)
        client.post(f"/v1/jobs/{job.id}:cancel")

    thread = threading.Thread(target=cancel)
    thread.start()
    for event in service.events(job.name):
        seen.append(event.type)
        begun.set()
    thread.join()
    assert seen[0] == "job.created"
    assert seen[-1] == "job.cancelled"
    assert [event.type for event in service.events(job.name)] == seen


def test_a_version_and_its_alias_are_read_and_an_alias_set(service: Client, publish: Publish) -> None:
    publish("helped")
    publish("helped")
    assert [version.ref for version in service.versions("m")] == ["m@2", "m@1"]
    service.set_alias("m@1", "old")
    assert service.version("m@old").ref == "m@1"
    assert [(model.name, model.versions, model.newest.ref) for model in service.models()] == [("m", 2, "m@2")]
    with pytest.raises(ValueError, match="name@version"):
        service.set_alias("m", "old")


def test_what_is_typed_as_a_name_is_no_other_path(service: Client) -> None:
    with pytest.raises(ApiError) as refused:
        service.dataset("../jobs")
    assert refused.value.code in ("dataset_not_found", "not_found")
