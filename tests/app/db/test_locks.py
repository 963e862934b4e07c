"""Two who want the same at once: the second waits for the first, and then sees what it did."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import text, update
from sqlalchemy.orm import Session

from app.datasets import service as datasets_service
from app.db.access_tables import DEFAULT_WORKSPACE
from app.db.locks import lock_name, lock_names
from app.db.session import Sessions
from app.db.tables import Dataset
from app.errors import ServiceError
from app.jobs import acceptance, retention
from app.jobs import service as jobs
from app.jobs.schemas import JobRequest
from app.models import aliases
from app.models import service as models
from app.settings import Settings
from tests.app.conftest import Publish
from tests.conftest import wait_for

pytestmark = pytest.mark.usefixtures("datasets")

REQUEST = {"name": "j", "model": "m", "source": {"dataset": "source"}, "target": {"dataset": "target"}}


def meet(sessions: Sessions, first: Callable[[Session], Any], second: Callable[[], Any]) -> Future[Any]:
    """Begin the second while the first is not committed yet; what came of the second."""
    with ThreadPoolExecutor(1) as pool:
        with sessions.begin() as session:
            first(session)
            late = pool.submit(second)
            # SQLite tells of nobody who waits; its writers cannot begin before the first has ended.
            if session.get_bind().dialect.name == "postgresql":
                wait_for(lambda: is_waited_for(sessions))
        late.exception()
    return late


def is_waited_for(sessions: Sessions) -> bool:
    """Whether a transaction of this database waits for another."""
    question = (
        "SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
    )
    with sessions() as session:
        return session.execute(text(question)).first() is not None


def within(sessions: Sessions, move: Callable[[Session], Any]) -> Callable[[], Any]:
    """The move in a transaction of its own."""

    def act() -> Any:
        with sessions.begin() as session:
            return move(session)

    return act


def refused(late: Future[Any]) -> str:
    """The code of the refusal."""
    error = late.exception()
    assert isinstance(error, ServiceError), error
    return error.code


def accept(settings: Settings, **changes: Any) -> Callable[[Session], Any]:
    request = JobRequest.model_validate({**REQUEST, **changes})
    return lambda session: acceptance.accept(session, DEFAULT_WORKSPACE, "", request, settings)


Cancelled = Callable[..., Callable[[Session], Any]]


@pytest.fixture
def cancelled(client: TestClient) -> Cancelled:
    """Posts a job and cancels it; the move that retries it."""
    storage = client.app.state.storage  # type: ignore[attr-defined]

    def make(**changes: Any) -> Callable[[Session], Any]:
        assert client.post("/v1/jobs", json={**REQUEST, **changes}).status_code == 202
        client.post("/v1/jobs/j:cancel")
        return lambda session: jobs.retry(session, storage, DEFAULT_WORKSPACE, "j", 3)

    return make


def test_a_data_set_of_a_job_that_is_being_accepted_is_not_deleted(
    sessions: Sessions, settings: Settings
) -> None:
    late = meet(
        sessions,
        accept(settings),
        within(sessions, lambda session: datasets_service.delete(session, DEFAULT_WORKSPACE, "source")),
    )
    assert refused(late) == "dataset_in_use"


def test_a_data_set_of_a_job_that_is_being_accepted_is_kept_by_the_retention(
    sessions: Sessions, settings: Settings
) -> None:
    with sessions.begin() as session:
        session.execute(update(Dataset).values(created_at=datetime.now(UTC) - timedelta(days=2)))
    asked = settings.model_copy(update={"keep_dataset_seconds": 60.0})
    late = meet(sessions, accept(settings), lambda: retention.clean(sessions, asked))
    assert late.result()["datasets"] == 0


def test_a_job_on_a_data_set_that_is_being_deleted_is_refused(sessions: Sessions, settings: Settings) -> None:
    late = meet(
        sessions,
        lambda session: datasets_service.delete(session, DEFAULT_WORKSPACE, "source"),
        within(sessions, accept(settings)),
    )
    assert refused(late) == "dataset_not_found"


def test_a_data_set_of_a_job_that_is_being_retried_is_not_deleted(
    sessions: Sessions, cancelled: Cancelled
) -> None:
    retry = cancelled()
    late = meet(
        sessions,
        retry,
        within(sessions, lambda session: datasets_service.delete(session, DEFAULT_WORKSPACE, "target")),
    )
    assert refused(late) == "dataset_in_use"


def test_a_job_whose_data_set_is_being_deleted_is_not_retried(
    sessions: Sessions, client: TestClient, cancelled: Cancelled
) -> None:
    retry = cancelled()
    late = meet(
        sessions,
        lambda session: datasets_service.delete(session, DEFAULT_WORKSPACE, "target"),
        within(sessions, retry),
    )
    assert refused(late) == "input_deleted"
    assert client.get("/v1/jobs/j").json()["state"] == "cancelled"


def test_a_version_of_a_job_that_is_being_retried_is_not_deleted(
    sessions: Sessions, publish: Publish, cancelled: Cancelled
) -> None:
    publish("helped", champion="never")
    retry = cancelled(source={"version": "m@1"})
    late = meet(
        sessions,
        retry,
        within(sessions, lambda session: models.delete(session, DEFAULT_WORKSPACE, "m@1")),
    )
    assert refused(late) == "version_in_use"


def test_a_version_that_is_being_deleted_gets_no_alias(sessions: Sessions, publish: Publish) -> None:
    publish("helped", champion="never")
    late = meet(
        sessions,
        lambda session: models.delete(session, DEFAULT_WORKSPACE, "m@1"),
        within(
            sessions,
            lambda session: aliases.put(
                session, models.find_version(session, DEFAULT_WORKSPACE, "m@1"), "best", False
            ),
        ),
    )
    assert refused(late) == "version_deleted"


def test_two_jobs_that_swap_their_data_sets_do_not_wait_for_each_other(
    sessions: Sessions, settings: Settings
) -> None:
    swapped = {"name": "k", "source": {"dataset": "target"}, "target": {"dataset": "source"}}
    jobs_ = [within(sessions, accept(settings, **changes)) for changes in ({}, swapped)]
    with ThreadPoolExecutor(2) as pool:
        assert len([one.result() for one in [pool.submit(job) for job in jobs_]]) == 2


def test_who_waits_for_a_name_holds_none_that_comes_after_it(sessions: Sessions) -> None:
    with ThreadPoolExecutor(1) as pool:
        with sessions.begin() as session:
            lock_name(session, "dataset", "a")
            late = pool.submit(within(sessions, lambda session: lock_names(session, "dataset", ["b", "a"])))
            if session.get_bind().dialect.name == "postgresql":
                wait_for(lambda: is_waited_for(sessions))
            lock_name(session, "dataset", "b")
        assert late.exception() is None
