"""How long may a job run, over all of its attempts, and what becomes of it then?"""

from __future__ import annotations

from pydantic import Field
from sqlalchemy import select
from sqlalchemy.orm import Session

from app.db.tables import Job
from app.errors import ServiceError
from app.jobs import transitions
from app.jobs.recipe import Recipe
from app.jobs.transitions import Lease


class Limits(Recipe):
    """What a job may use."""

    max_seconds: float | None = Field(
        None,
        gt=0,
        le=1e9,
        description="Running time of all attempts together, without the time in the queue. Then the job "
        "fails with `out_of_time` and keeps its finished stages; `:retry` continues it, with as much time "
        "again. Default: what the operator allows.",
    )


def allowed(asked: Limits, most: float) -> float | None:
    """The seconds that a job has; `most` is its workspace's, 0 of none.

    Raises:
        ServiceError: 422 if it asks for more than that.
    """
    if not most:
        return asked.max_seconds
    if asked.max_seconds is not None and asked.max_seconds > most:
        message = f"limits.max_seconds: expected at most {most:g} seconds. Received: {asked.max_seconds:g}."
        hint = (
            "Ask for less, or leave it out; an admin of the installation can raise the workspace's "
            "`limits.max_job_seconds`, the operator MODEL_TRANSFER_MAX_JOB_SECONDS."
        )
        raise ServiceError(422, "too_much_time", message, hint=hint)
    return asked.max_seconds or most


def run_out(session: Session, lease: Lease) -> bool:
    """running → failed: its time is over, and there is no verdict."""
    seconds = session.scalars(select(Job.max_seconds).where(Job.id == lease.job_id)).one()
    message = f"Expected a job that ends within {seconds:g} seconds of running time. Received: a longer one."
    hint = (
        "POST /v1/jobs/{job}:retry continues it from its last checkpoint with as much time again. A new job "
        "may have fewer seeds, trials or updates, or a higher `limits.max_seconds`."
    )
    return transitions.fail(session, lease, transitions.OUT_OF_TIME, message, hint)
