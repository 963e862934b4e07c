from __future__ import annotations

import pytest

from app.db.session import Sessions
from app.db.tables import Dataset, Job, JobStage
from app.jobs import transitions
from app.jobs.states import Stage, State
from app.jobs.transitions import Lease
from workers.journal import Journal


@pytest.fixture
def lease(sessions: Sessions) -> Lease:
    """A claimed job."""
    with sessions.begin() as session:
        about = {"filename": "d.csv", "media_type": "text/csv", "digest": "0" * 64, "size": 1, "rows": 1}
        facts = {"description": {}, "profile": {}, "warnings": [], "preview": [], "extra": {}}
        dataset = Dataset(id="ds_1", name="d", version=1, kind="tabular", **about, **facts)
        stages = [JobStage(stage=stage, position=position) for position, stage in enumerate(Stage)]
        job = Job(id="job_1", name="j", model="m", spec={}, extra={}, max_attempts=2, stages=stages)
        job.source_dataset = job.target_dataset = dataset
        session.add(job)
    return claimed(sessions)


def claimed(sessions: Sessions) -> Lease:
    with sessions.begin() as session:
        lease = transitions.claim(session, "job_1", "worker", lease_seconds=-1)
    assert lease is not None
    return lease


def test_a_stage_that_was_finished_but_not_published_is_begun_again(sessions: Sessions, lease: Lease) -> None:
    journal = Journal(sessions, lease)
    journal.ended(Stage.EXPORT, {}, None, "Written.")
    journal.started(Stage.EXPORT, {"stage": "export"})
    with sessions() as session:
        assert journal.stage(session, Stage.EXPORT).state == "running"


def test_what_is_kept_again_and_again_under_one_key_saves_no_job_from_its_end(
    sessions: Sessions, lease: Lease
) -> None:
    states = []
    while True:
        Journal(sessions, lease).keep_part(Stage.TRANSFER, "trained", value={})
        with sessions.begin() as session:
            states.append(transitions.expire(session, "job_1", lease.attempt))
        if states[-1] != State.QUEUED:
            break
        lease = claimed(sessions)
    # The first attempt got further and does not count; of the two that may, none did.
    assert states == [State.QUEUED, State.QUEUED, State.FAILED]
