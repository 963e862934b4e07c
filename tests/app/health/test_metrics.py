from __future__ import annotations

from fastapi.testclient import TestClient
from prometheus_client.parser import text_string_to_metric_families

from app.db.session import Sessions
from app.jobs import transitions
from tests.app.conftest import Publish


def read(client: TestClient) -> dict[tuple[str, tuple[str, ...]], float]:
    answer = client.get("/metrics")
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
    return {
        (sample.name.removeprefix("model_transfer_"), tuple(sample.labels.values())): sample.value
        for family in text_string_to_metric_families(answer.text)
        for sample in family.samples
    }


def test_prometheus_reads_of_a_service_that_has_nothing_to_do(client: TestClient) -> None:
    found = read(client)
    assert found["jobs", ("default", "queued")] == 0
    assert found["queue_oldest_seconds", ("default",)] == 0
    assert found["busy_workers", ()] == 0
    assert 0 < found["storage_free_bytes", ()] <= found["storage_total_bytes", ()]


def test_prometheus_reads_jobs_waits_stages_expiries_retries_and_sizes(
    client: TestClient, sessions: Sessions, publish: Publish
) -> None:
    publish("helped")
    body = {"model": "m", "source": {"dataset": "source"}, "target": {"dataset": "target"}}
    waiting, silent, failing = (client.post("/v1/jobs", json=body).json()["id"] for _ in range(3))
    with sessions.begin() as session:
        lease = transitions.claim(session, silent, "one", lease_seconds=-1)
        assert lease
        assert transitions.expire(session, silent, lease.attempt)
        lease = transitions.claim(session, failing, "two", lease_seconds=60)
        assert lease
        assert transitions.requeue(session, lease, "OSError: full.")
        assert transitions.claim(session, silent, "three", lease_seconds=60)
    found = read(client)
    assert found["jobs", ("default", "queued")] == 2
    assert found["jobs", ("default", "running")] == 1
    assert found["jobs", ("default", "succeeded")] == 1
    assert found["busy_workers", ()] == 1
    assert found["queue_oldest_seconds", ("default",)] > 0
    assert found["lease_expiries_total", ()] == 1
    assert found["retries_total", ()] == 1
    assert found["attempts_total", ()] == 4
    assert found["job_wait_seconds_count", ()] == 3
    assert found["job_wait_seconds_sum", ()] >= 0
    assert found["kept_bytes", ("datasets",)] > 0
    assert waiting
