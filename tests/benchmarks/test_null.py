"""Where nothing can be transferred, jobs seldom say that something was."""

from __future__ import annotations

from typing import Any

import pytest
from scipy.stats import binom

from benchmarks import ledger, null
from benchmarks.null_grid import jobs


def said(verdict: str | None, low: float = -0.1, high: float = 0.1) -> dict[str, Any]:
    details = [] if verdict else ["too_few_rows"]
    gain = {"metric": "accuracy", "value": (low + high) / 2, "low": low, "high": high}
    return {"verdict": verdict, "details": details, "control": "from_scratch", "gain": gain}


def line(number: int, kind: str, job: dict[str, Any], same: dict[str, Any]) -> dict[str, Any]:
    about = {"number": number, "kind": kind, "method": "lp_ft", "rows": 40, "declares_test": False}
    return {**about, "job": job, "same": same, "cpu_seconds": 1.0, "commit": "abc"}


def test_the_summary_counts_verdicts_by_kind_and_how_often_the_interval_holds_0() -> None:
    found = [
        line(0, "tabular", said("helped"), said("hurt", -0.3, -0.1)),
        line(1, "tabular", said("no difference"), said("no difference")),
        line(2, "text", said(None), said(None)),
    ]
    told = null.summary(found)
    assert "3 of 400 jobs, of commit abc; 3 CPU seconds." in told
    assert "| all | 3 | 1 | 1 | 0 | 1 | 0 | 1 | 1 | 1 | 1 of 2 (0.500) |" in told
    assert "| text | 1 | 0 | 0 | 0 | 1 | 0 | 0 | 0 | 1 | 0 of 0 |" in told
    assert "Without a verdict: 1 too_few_rows; against the same procedure: 1 too_few_rows." in told


def test_a_job_is_run_again_only_where_it_was_compared_with_something_else() -> None:
    def again(kind: str, chosen: str | None) -> bool:
        result = {"proof": {"kind": kind}, "control": chosen and {"chosen": chosen}}
        return null.needs_another(result, "random_weights")

    assert not again("test_rows", "random_weights")
    assert again("test_rows", "from_scratch")
    assert again("test_rows", None)
    assert again("cross-validation", "random_weights")


def test_nothing_measured_is_summed_up_too() -> None:
    assert null.summary([])[0].startswith("0 of 400 jobs")


def test_what_is_allowed_of_400_is_exceeded_in_one_of_twenty_runs_of_intervals_that_just_hold() -> None:
    assert binom.sf(null.MOST, 400, null.ERROR) < 0.05 < binom.sf(null.MOST - 1, 400, null.ERROR)


@pytest.mark.slow
@pytest.mark.timeout(7200)
def test_of_40_jobs_without_anything_to_transfer_few_say_that_it_helped_or_hurt() -> None:
    first = {job.number: job for job in jobs()[:40]}
    found = list(ledger.measure(list(first), null.run))
    assert all(one["same"]["control"] == first[one["number"]].same_procedure for one in found)
    # One in a thousand such runs has more, if each job is wrong with a probability of .025.
    most = null.most_by_chance(40)
    assert most == 5
    assert null.count(found, "job", "helped") <= most
    assert null.count(found, "same", "hurt") <= most
    assert null.count(found, "same", None) < 20
