"""Jobs as a worker holds them."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from app.db.access_tables import DEFAULT_WORKSPACE
from app.db.session import Sessions
from app.db.tables import Dataset, Job, JobStage
from app.jobs import transitions
from app.jobs.states import STAGES, Kind
from app.jobs.transitions import Lease
from workers import process_cache
from workers.transfer.training.runtime import prepare_process

prepare_process(devices=2)


@pytest.fixture(scope="module")
def kept_graphs() -> Iterator[None]:
    """What the jobs of these tests trace stays for all jobs after them, of whichever test: most are alike."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(process_cache, "MOST_GRAPHS", 10_000)
        yield


@pytest.fixture
def lease(sessions: Sessions) -> Lease:
    """A claimed job."""
    with sessions.begin() as session:
        about = {"filename": "d.csv", "media_type": "text/csv", "digest": "0" * 64, "size": 1, "rows": 1}
        about |= {"rows_digest": "1" * 64, "rows_size": 1}
        facts = {"description": {}, "profile": {}, "warnings": [], "preview": [], "extra": {}}
        session.add(
            Dataset(
                workspace_id=DEFAULT_WORKSPACE,
                id="ds_1",
                name="d",
                version=1,
                kind="tabular",
                **about,
                **facts,
            )
        )
    accepted(sessions, "job_1")
    return claimed(sessions)


def accepted(
    sessions: Sessions, job_id: str, workspace_id: str = DEFAULT_WORKSPACE, dataset: str = "ds_1"
) -> None:
    """A job that waits."""
    with sessions.begin() as session:
        stages = [
            JobStage(stage=stage, position=position) for position, stage in enumerate(STAGES[Kind.TRANSFER])
        ]
        job = Job(
            workspace_id=workspace_id,
            id=job_id,
            name=job_id,
            model="m",
            spec={},
            extra={},
            max_attempts=2,
            stages=stages,
        )
        job.source_dataset_id = job.target_dataset_id = dataset
        session.add(job)


def claimed(sessions: Sessions, job_id: str = "job_1") -> Lease:
    """The next attempt at it."""
    with sessions.begin() as session:
        lease = transitions.claim(session, job_id, "worker", lease_seconds=-1)
    assert lease is not None
    return lease
