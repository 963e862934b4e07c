"""The short form of `make chaos`: whatever dies, each job ends once, bit for bit as if nothing had."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from tests.e2e import chaos
from tests.e2e.conftest import Service

pytestmark = pytest.mark.timeout(900)

KILLS, FEW_KILLS, JOBS = 8, 4, 2
# A worker that was killed is 10 seconds away: here it is struck seldom, and `serve` as a whole not at all.
WEIGHTS = {"worker": 1, "database": 2, "broker": 4, "api": 2, "sweeper": 4, "job": 20}


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    return chaos.write_data(tmp_path_factory.mktemp("data"))


@pytest.fixture(scope="module")
def expected(files: dict[str, Path], service: Service) -> dict[str, chaos.Outcome]:
    """What the jobs come to when nothing happens to them."""
    calm = chaos.Stack(service.address, service.data_dir, database_url="", broker_url="", start={})
    return chaos.undisturbed(calm, files, JOBS)


ON_A_CLUSTER = [
    pytest.mark.slow,
    pytest.mark.skipif(
        not all(map(shutil.which, ("initdb", "postgres", "redis-server"))) or os.name != "posix",
        reason="needs the programs of PostgreSQL and Redis",
    ),
]


@pytest.mark.parametrize(
    ("stack", "kills"),
    [
        (chaos.embedded, FEW_KILLS),
        pytest.param(chaos.embedded, KILLS, marks=pytest.mark.slow),
        pytest.param(chaos.cluster, KILLS, marks=ON_A_CLUSTER),
    ],
)
def test_no_job_is_lost_doubled_or_changed_by_processes_that_die(
    stack: Callable[[Path], AbstractContextManager[chaos.Stack]],
    kills: int,
    files: dict[str, Path],
    expected: dict[str, chaos.Outcome],
    tmp_path: Path,
) -> None:
    with stack(tmp_path) as running:
        findings = chaos.disturbed(running, files, expected, kills, seed=1, pause=0.6, weights=WEIGHTS)
    assert findings.is_clean, "\n".join(findings.lines())
    assert findings.count >= kills


@pytest.mark.slow
@pytest.mark.parametrize("stack", [chaos.embedded, pytest.param(chaos.cluster, marks=ON_A_CLUSTER)])
def test_two_workspaces_lose_nothing_and_see_nothing_of_each_other_while_processes_die(
    stack: Callable[[Path], AbstractContextManager[chaos.Stack]],
    files: dict[str, Path],
    expected: dict[str, chaos.Outcome],
    tmp_path: Path,
) -> None:
    with stack(tmp_path) as running:
        findings = chaos.disturbed(
            running, files, expected, KILLS, seed=2, pause=0.6, weights=WEIGHTS, workspaces=2
        )
    assert findings.is_clean, "\n".join(findings.lines())
    assert findings.jobs == 2 * JOBS


@pytest.mark.parametrize("stack", [pytest.param(chaos.cluster, marks=ON_A_CLUSTER)])
def test_a_database_that_is_away_for_a_minute_costs_no_job(
    stack: Callable[[Path], AbstractContextManager[chaos.Stack]],
    files: dict[str, Path],
    expected: dict[str, chaos.Outcome],
    tmp_path: Path,
) -> None:
    with stack(tmp_path) as running:
        chaos.upload(running, files)
        for number in range(JOBS):
            chaos.post(running, number)
        while not running.http("GET", "/v1/jobs/chaos-0").json()["progress"]:
            time.sleep(0.1)
        chaos.without_database(running, 60)
        chaos.wait(running, JOBS, 240)
        assert chaos.outcomes(running, JOBS) == expected
