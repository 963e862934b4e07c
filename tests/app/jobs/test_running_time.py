from __future__ import annotations

from typing import Any

import pytest
from fastapi.testclient import TestClient

from app.db.session import Sessions
from app.db.tables import Job
from app.errors import ServiceError
from app.jobs import requests, transitions
from app.jobs.running_time import Limits, allowed, run_out
from app.jobs.states import State
from app.main import create_app
from app.settings import Settings
from tests.app.jobs.test_transitions import LEASE_SECONDS, claim, job_id, state_of  # noqa: F401


def test_the_operators_limit_holds_where_the_job_asks_for_none() -> None:
    assert allowed(Limits(), 0) is None
    assert allowed(Limits(), 60) == 60
    assert allowed(Limits(max_seconds=5), 0) == allowed(Limits(max_seconds=5), 60) == 5
    with pytest.raises(ServiceError, match=r"at most 60 seconds\. Received: 61") as refused:
        allowed(Limits(max_seconds=61), 60)
    assert refused.value.status == 422


def test_running_time_adds_up_over_attempts_until_it_is_over(sessions: Sessions, job_id: str) -> None:  # noqa: F811
    with sessions.begin() as session:
        session.get_one(Job, job_id).max_seconds = 10.0
    first = claim(sessions, job_id)
    with sessions.begin() as session:
        assert transitions.heartbeat(session, first, LEASE_SECONDS, 6.0) == (True, None)
        assert transitions.release(session, first)
    second = claim(sessions, job_id)
    with sessions.begin() as session:
        assert transitions.heartbeat(session, second, LEASE_SECONDS, 3.5) == (True, None)
        assert transitions.heartbeat(session, second, LEASE_SECONDS, 0.5) == (True, transitions.OUT_OF_TIME)
        assert run_out(session, second)
    assert state_of(sessions, job_id) == State.FAILED
    with sessions.begin() as session:
        job = session.get_one(Job, job_id)
        assert (job.error_code, job.result) == ("out_of_time", None)
        assert job.error_message is not None
        assert "within 10 seconds" in job.error_message


def test_who_asked_to_cancel_is_obeyed_before_the_time(sessions: Sessions, job_id: str) -> None:  # noqa: F811
    with sessions.begin() as session:
        session.get_one(Job, job_id).max_seconds = 1.0
    lease = claim(sessions, job_id)
    with sessions.begin() as session:
        assert requests.request_cancel(session, job_id)
        assert transitions.heartbeat(session, lease, LEASE_SECONDS, 2.0) == (True, "cancel")


def test_a_retry_has_as_much_time_again(sessions: Sessions, job_id: str) -> None:  # noqa: F811
    with sessions.begin() as session:
        session.get_one(Job, job_id).max_seconds = 1.0
    lease = claim(sessions, job_id)
    with sessions.begin() as session:
        transitions.heartbeat(session, lease, LEASE_SECONDS, 2.0)
        assert run_out(session, lease)
        assert requests.reopen(session, job_id, 2)
    lease = claim(sessions, job_id)
    with sessions.begin() as session:
        assert transitions.heartbeat(session, lease, LEASE_SECONDS, 0.5) == (True, None)


def test_more_jobs_than_may_wait_are_refused_and_leave_nothing_behind(
    settings: Settings, client: TestClient, datasets: dict[str, dict[str, object]]
) -> None:
    body: dict[str, Any] = {"model": "m", "source": {"dataset": "source"}, "target": {"dataset": "target"}}
    limited = settings.model_copy(update={"max_queued_jobs": 1, "max_job_seconds": 60.0})
    with TestClient(create_app(limited)) as client:
        first = client.post("/v1/jobs", json={**body, "name": "first"})
        assert first.status_code == 202
        assert first.json()["limits"] == {"max_seconds": 60.0}
        refused = client.post("/v1/jobs", json={**body, "name": "second"})
        assert (refused.status_code, refused.json()["code"]) == (429, "too_many_queued")
        assert int(refused.headers["retry-after"]) > 0
        assert client.get("/v1/jobs/second").status_code == 404
        client.post("/v1/jobs/first:pause")
        second = client.post("/v1/jobs", json={**body, "name": "second", "limits": {"max_seconds": 30.0}})
        assert second.json()["limits"] == {"max_seconds": 30.0}
        assert client.post("/v1/jobs/first:resume").status_code == 429
        assert client.get("/v1/jobs/first").json()["state"] == "paused"
