from __future__ import annotations

import asyncio
from collections.abc import Collection

from app.broker import Broker
from app.db.session import Sessions
from app.jobs import requests
from app.jobs.events import record, telling
from app.jobs.following import Following, Seen
from tests.app.jobs.test_transitions import job_id  # noqa: F401
from tests.conftest import wait_for

SELDOM = 3600.0
NOWHERE = "redis+socket:///nowhere/broker.sock"


async def followed(following: Following, job: str, change: Sessions) -> Seen:
    """What a follower sees of a job that is cancelled while it sleeps."""
    with following.follow(job) as follower:
        await asyncio.to_thread(following.look, job, follower)
        assert not follower.seen.ended
        await asyncio.to_thread(wait_for, lambda: following.is_hearing)
        with change.begin() as session:
            assert requests.request_cancel(session, job)
        while not follower.seen.ended:
            await follower.change(SELDOM)
        return follower.seen


def test_a_change_is_heard_of_from_another_process_without_looking(
    sessions: Sessions,
    job_id: str,  # noqa: F811
    broker_url: str,
) -> None:
    following = Following(sessions, Broker(broker_url), lambda: False, look_seconds=SELDOM)
    other = Broker(broker_url)
    try:
        seen = asyncio.run(followed(following, job_id, telling(sessions, other.tell)))
    finally:
        following.close()
        other.close()
    assert seen.last_event > 0


def test_a_lost_notification_is_made_up_for_by_looking(
    sessions: Sessions,
    job_id: str,  # noqa: F811
    broker_url: str,
) -> None:
    following = Following(sessions, Broker(broker_url), lambda: False, look_seconds=0.05)
    try:
        assert asyncio.run(followed(following, job_id, sessions)).ended
    finally:
        following.close()


def test_where_the_broker_is_away_changes_are_looked_for(sessions: Sessions, job_id: str) -> None:  # noqa: F811
    away = Broker(NOWHERE)
    following = Following(sessions, away, lambda: False, look_seconds=0.05)

    async def follow() -> bool:
        with following.follow(job_id) as follower:
            with telling(sessions, away.tell).begin() as session:
                assert requests.request_cancel(session, job_id)
            while not follower.seen.ended:
                await follower.change(SELDOM)
            return follower.seen.ended

    try:
        assert asyncio.run(follow())
    finally:
        following.close()


def test_only_what_is_committed_is_told_and_once(sessions: Sessions, job_id: str) -> None:  # noqa: F811
    told: list[Collection[str]] = []
    telling(sessions, told.append)
    with sessions() as session:
        record(session, job_id, 0, "job.test", "Undone.")
        session.rollback()
        session.commit()
    assert told == []
    with sessions.begin() as session:
        record(session, job_id, 0, "job.test", "One.")
        with session.begin_nested():
            record(session, job_id, 0, "job.test", "Another.")
        assert told == []
    assert [set(one) for one in told] == [{job_id}]
