from __future__ import annotations

from app.access import workspaces
from app.db.session import Sessions
from app.db.tables import Dataset
from app.jobs import transitions
from app.jobs.states import Stage, State
from app.jobs.transitions import Lease
from tests.workers.conftest import accepted, claimed
from workers.journal import Journal


def test_a_stage_that_was_finished_but_not_published_is_begun_again(sessions: Sessions, lease: Lease) -> None:
    journal = Journal(sessions, lease)
    journal.ended(Stage.EXPORT, {}, None, "Written.")
    journal.started(Stage.EXPORT, {"stage": "export"})
    with sessions() as session:
        assert journal.stage(session, Stage.EXPORT).state == "running"


def test_a_trained_source_is_found_by_jobs_of_its_workspace_alone(sessions: Sessions, lease: Lease) -> None:
    digests = {"source_key": "k", "rows_digest": "1" * 64}
    Journal(sessions, lease).ended(Stage.SOURCE, {"rows": 1}, "0" * 64, "Ready.", **digests)
    with sessions.begin() as session:
        other = workspaces.create(session, "team").id
        first = session.get_one(Dataset, "ds_1")
        session.refresh(first, ["description", "profile", "warnings", "preview"])
        facts = {column.name: getattr(first, column.name) for column in Dataset.__table__.columns}
        session.add(Dataset(**{**facts, "id": "ds_2", "workspace_id": other}))
    accepted(sessions, "job_2")
    accepted(sessions, "job_3", workspace_id=other, dataset="ds_2")
    near, far = (Journal(sessions, claimed(sessions, job)) for job in ("job_2", "job_3"))
    assert near.source_run("k") is not None
    assert far.source_run("k") is None
    far.ended(Stage.SOURCE, {"rows": 2}, "2" * 64, "Ready.", **digests)
    found = [journal.source_run("k") for journal in (near, far)]
    assert [run.output["rows"] for run in found if run is not None] == [1, 2]
    far.forget_source_run("k")
    assert far.source_run("k") is None
    assert near.source_run("k") is not None


def test_what_is_kept_again_and_again_under_one_key_saves_no_job_from_its_end(
    sessions: Sessions, lease: Lease
) -> None:
    states = []
    while True:
        Journal(sessions, lease).save_part(Stage.TRANSFER, "trained", value={})
        with sessions.begin() as session:
            states.append(transitions.expire(session, "job_1", lease.attempt))
        if states[-1] != State.QUEUED:
            break
        lease = claimed(sessions)
    # The first attempt got further and does not count; of the two that may, none did.
    assert states == [State.QUEUED, State.QUEUED, State.FAILED]
