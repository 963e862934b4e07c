from __future__ import annotations

from app.db.session import Sessions
from app.jobs import transitions
from app.jobs.states import Stage, State
from app.jobs.transitions import Lease
from tests.workers.conftest import claimed
from workers.journal import Journal


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
        Journal(sessions, lease).save_part(Stage.TRANSFER, "trained", value={})
        with sessions.begin() as session:
            states.append(transitions.expire(session, "job_1", lease.attempt))
        if states[-1] != State.QUEUED:
            break
        lease = claimed(sessions)
    # The first attempt got further and does not count; of the two that may, none did.
    assert states == [State.QUEUED, State.QUEUED, State.FAILED]
