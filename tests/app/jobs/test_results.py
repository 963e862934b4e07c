"""Each word that a verdict may have is known wherever one is read."""

from __future__ import annotations

from pathlib import Path
from typing import get_args

import pytest
from sqlalchemy import CheckConstraint

from app.db.tables import Version
from app.jobs.results import JobResult, Outcome, VerdictDetail
from app.reports.words import DETAILS, VERDICTS
from workers.transfer.proof import verdict

API = (Path(__file__).parents[3] / "docs" / "api.md").read_text(encoding="utf-8")


def test_the_api_and_the_proof_know_the_same_words() -> None:
    assert set(get_args(VerdictDetail)) == set(get_args(verdict.Detail))
    assert set(get_args(Outcome)) == set(get_args(verdict.Outcome))
    assert set(DETAILS) == set(get_args(VerdictDetail))
    assert set(VERDICTS) == set(get_args(Outcome))


@pytest.mark.parametrize("word", get_args(VerdictDetail))
def test_each_detail_is_told_by_the_page_the_schema_and_the_documentation(word: str) -> None:
    assert DETAILS[word].endswith(".")
    assert f"`{word}`" in (JobResult.model_fields["verdict_details"].description or "")
    (row,) = [line for line in API.splitlines() if line.startswith(f"| `{word}` |")]
    is_silent = "`null`" in row.split("|")[2]
    assert is_silent == DETAILS[word].startswith("No verdict: ")


def test_the_database_takes_these_verdicts_and_no_other() -> None:
    (check,) = [
        one
        for one in Version.__table__.constraints  # type: ignore[attr-defined]
        if isinstance(one, CheckConstraint) and str(one.name).endswith("verdict_known")
    ]
    assert [word for word in get_args(Outcome) if f"'{word}'" in str(check.sqltext)] == list(
        get_args(Outcome)
    )
    assert str(check.sqltext).count("'") == 2 * len(get_args(Outcome))
