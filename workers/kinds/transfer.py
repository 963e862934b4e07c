"""A transfer: its stages, then the version and the job's end."""

from __future__ import annotations

from app.db.tables import Job
from app.jobs import transitions
from app.models import service as models
from workers.attempt import Attempt
from workers.job_context import JobContext
from workers.job_rows import read_facts
from workers.journal import Journal
from workers.runner import run as run_stages
from workers.stages.export import Outcome


def run(attempt: Attempt) -> None:
    """Run what earlier attempts have not finished, and publish the version."""
    with attempt.journal.reading() as session:
        facts = read_facts(session, attempt.job_id)
    _publish(attempt.journal, run_stages(JobContext(**vars(attempt), job=facts)))


def _publish(journal: Journal, outcome: Outcome) -> None:
    """The version and the job's end become visible in one transaction."""
    with journal.transaction() as session:
        job = session.get_one(Job, journal.lease.job_id)
        version = models.publish(
            session,
            job,
            outcome.facts,
            outcome.artifacts,
            outcome.trained_rows,
            outcome.result["champion"],
        )
        transitions.succeed(session, journal.lease, {"version": models.ref(version), **outcome.result})
