"""Which of a workspace's jobs does a list show?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal

from sqlalchemy import ColumnElement, or_, select

from app.datasets import service as datasets
from app.db.tables import Job, Version
from app.errors import field_problem
from app.jobs.states import State

Verdict = Literal["helped", "no difference", "hurt", "none"]
"""What a job came to; `none` of one that succeeded without a verdict."""

MOST_NOTES = 16
LONGEST_NOTE = 600
"""Each note that is asked for is a condition of its own, of which a database takes a thousand or so."""


@dataclass(frozen=True)
class Wanted:
    """What is true of all jobs of a list; None asks for nothing."""

    state: State | None = None
    model: str | None = None
    dataset: str | None = None
    verdict: Verdict | None = None
    metadata: Sequence[str] = ()
    since: datetime | None = None


def conditions(workspace: str, wanted: Wanted) -> list[ColumnElement[bool]]:
    """The same as conditions on the jobs of a workspace.

    Raises:
        ServiceError: 422; `metadata` is no `key=value` or too much, or `since` a moment outside UTC's years.
    """
    found: list[ColumnElement[bool]] = []
    if wanted.state is not None:
        found.append(Job.state == wanted.state)
    if wanted.model is not None:
        found.append(Job.model == wanted.model)
    if wanted.dataset is not None:
        ids = datasets.ids_ever(workspace, wanted.dataset)
        found.append(or_(Job.target_dataset_id.in_(ids), Job.source_dataset_id.in_(ids)))
    if wanted.verdict is not None:
        told = None if wanted.verdict == "none" else wanted.verdict
        of_it = Version.workspace_id == workspace
        found.append(Job.id.in_(select(Version.job_id).where(of_it, Version.verdict == told)))
    if len(wanted.metadata) > MOST_NOTES:
        raise field_problem("metadata", f"at most {MOST_NOTES} notes", str(len(wanted.metadata)))
    for pair in wanted.metadata:
        if len(pair) > LONGEST_NOTE:
            raise field_problem("metadata", f"at most {LONGEST_NOTE} characters", str(len(pair)))
        key, equals, value = pair.partition("=")
        if not equals or not key or '"' in key or "\\" in key:
            expected = "`key=value`, the key without quotes and backslashes"
            raise field_problem("metadata", expected, pair)
        found.append(Job.extra[key].as_string() == value)
    if wanted.since is not None:
        try:
            found.append(Job.created_at >= wanted.since.astimezone(UTC))
        except OverflowError:  # the first and the last hours of the calendar, in some zones
            expected = "a moment of the years 1 to 9999 in UTC"
            raise field_problem("since", expected, wanted.since.isoformat()) from None
    return found
