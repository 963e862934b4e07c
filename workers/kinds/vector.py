"""A task vector: what a data set's task is like, by its train rows."""

from __future__ import annotations

from app.db.tables import Job
from app.jobs.states import Stage
from workers.attempt import Attempt
from workers.job_rows import read_dataset
from workers.transfer.choosing.task_vector import task_vector


def run(attempt: Attempt) -> None:
    """Make it at once: it takes seconds, so that a later attempt begins anew."""
    with attempt.journal.reading() as session:
        dataset = session.get_one(Job, attempt.job_id).target_dataset
        assert dataset is not None  # the job was accepted with one
        facts = read_dataset(dataset)
    attempt.begin(
        Stage.DESCRIBE,
        {"stage": Stage.DESCRIBE, "epoch": None, "epochs": None, "fraction": 0.0, "seconds_remaining": None},
    )
    data = attempt.data(facts)
    attempt.go_on()
    vector = task_vector(data).to_dict()
    message = f"Described the task of {facts.ref} by {vector['rows']} rows."
    attempt.journal.ended(Stage.DESCRIBE, {}, None, message)
    attempt.succeed(vector, message)
