"""What a job's trainings took and saved, of made-up parts and of real jobs that this process runs."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from fastapi.testclient import TestClient

from app.broker import Broker
from app.db.session import make_engine, make_sessions
from app.jobs import transitions
from app.jobs.states import Stage
from app.main import create_app
from app.settings import Settings
from app.storage import Storage
from tests.conftest import migrated
from tests.stored import store
from tests.workers.conftest import claimed
from workers.costs import SPENT, SourceRun, Spending, job_cost, told
from workers.heartbeat import Heartbeat
from workers.journal import Journal
from workers.tasks import Services, _attempt
from workers.transfer.training.feature_uses import Computed, FeatureUses

NO_SOURCE = SourceRun(None, reused=True, job="")


def _spent(run: str, updates: int, seconds: float, **features: tuple[str, int, float]) -> dict[str, Any]:
    """Of a training of job_2; features: owner, rows, CPU seconds; those of `x_y` were made of `y`."""
    return {
        "arm": run.partition("/")[0],
        "by": f"job_2/control/{run}",
        "updates": updates,
        "cpu_seconds": seconds,
        "features": {
            key: {
                "owner": owner,
                "rows": rows,
                "cpu_seconds": of,
                "made_of": [key.split("_")[1]] if "_" in key else [],
            }
            for key, (owner, rows, of) in features.items()
        },
    }


def test_each_arm_is_told_with_all_of_its_trainings_and_the_total_is_their_sum() -> None:
    source = SourceRun(_spent("source", 100, 2.0), reused=False, job="one")
    runs = [
        _spent("transfer/0", 10, 0.25),
        _spent("transfer/1", 11, 0.25),
        _spent("control/from_scratch/0", 30, 1.0),
        _spent("few_shot/5/transfer/0", 1, 0.125),
        _spent("few_shot/5/control/0", 2, 0.125),
    ]
    assert job_cost("job_2", source, runs) == {
        "source": {"updates": 100, "cpu_seconds": 2.0, "reused": False},
        "transfer": {"updates": 21, "cpu_seconds": 0.5},
        "control": {"updates": 30, "cpu_seconds": 1.0},
        "few_shot": {"updates": 3, "cpu_seconds": 0.25},
        "total": {"updates": 154, "cpu_seconds": 3.75},
        "saved": {"updates": 0, "cpu_seconds": 0.0, "why": []},
    }


def test_a_source_that_an_earlier_job_trained_is_saved_and_costs_nothing() -> None:
    source = SourceRun(_spent("source", 1450, 3.125), reused=True, job="one")
    cost = job_cost("job_2", source, [_spent("transfer/0", 10, 0.25)])
    assert cost["source"] == {"updates": 0, "cpu_seconds": 0.0, "reused": True}
    assert cost["total"] == {"updates": 10, "cpu_seconds": 0.25}
    why = ["The same source stage was run by job one before: 1,450 updates, 3.1 CPU seconds."]
    assert cost["saved"] == {"updates": 1450, "cpu_seconds": 3.125, "why": why}


def test_features_of_an_earlier_job_are_saved_once_and_what_trainings_share_for_each_but_the_first() -> None:
    earlier = {"a_b": ("job_1/transfer/transfer/0", 400, 8.0), "b": ("job_1/transfer/transfer/0", 400, 1.0)}
    runs = [
        _spent("transfer/0", 1, 1.0, **earlier),
        _spent("transfer/1", 1, 1.0, **earlier),
        # It computed others itself, of the same pixels.
        _spent("control/x/0", 1, 5.0, c_b=("job_2/control/control/x/0", 400, 4.0), b=earlier["b"]),
        _spent("control/x/1", 1, 1.0, c_b=("job_2/control/control/x/0", 400, 4.0), b=earlier["b"]),
    ]
    assert job_cost("job_2", NO_SOURCE, runs)["saved"] == {
        "updates": 0,
        "cpu_seconds": 9.0 + 9.0 + 1.0 + 5.0,
        "why": [
            "Features of 400 rows were found in the cache: 9.0 CPU seconds.",
            "Features that several trainings need were computed once: 15.0 CPU seconds.",
        ],
    }


def test_features_that_a_training_computed_itself_are_no_saving() -> None:
    run = _spent("transfer/0", 1, 9.0, a=("job_2/control/transfer/0", 400, 8.0))
    assert job_cost("job_2", NO_SOURCE, [run])["saved"]["why"] == []


def test_features_needed_for_a_kept_value_count_for_the_attempt_that_finds_it_and_for_no_other_training() -> (
    None
):
    of_pixels = Computed("job_1/transfer/0", 40, 0.5)
    of_backbone = Computed("job_1/transfer/1", 40, 2.0, {"pixels": of_pixels})
    before = Spending(FeatureUses("job_1/transfer/1"))
    before.uses.note("backbone", of_backbone)
    kept = [json.loads(json.dumps(before.with_features({"loss": loss}))) for loss in (0.25, 0.5)]
    after, other = Spending(FeatureUses("job_1/transfer/1")), Spending(FeatureUses("job_1/transfer/2"))
    for spending in (after, other):
        assert [spending.without_features(one) for one in kept] == [{"loss": 0.25}, {"loss": 0.5}]
    assert after.uses.needed == before.uses.needed == {"pixels": of_pixels, "backbone": of_backbone}
    assert after.told("transfer") == before.told("transfer")
    assert after.told("transfer")["cpu_seconds"] == 2.0
    assert other.told("transfer")["features"] == {}


def test_amounts_are_told_in_as_many_digits_as_they_have() -> None:
    amounts = [(0, 0.0), (1, 0.034), (450, 3.14), (12_000, 1234.5)]
    assert [told({"updates": updates, "cpu_seconds": seconds}) for updates, seconds in amounts] == [
        "0 updates, 0 CPU seconds",
        "1 update, 0.03 CPU seconds",
        "450 updates, 3.1 CPU seconds",
        "12,000 updates, 1,234 CPU seconds",
    ]


@pytest.fixture(scope="module")
def services(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, broker_url: str
) -> Iterator[Services]:
    """What a worker holds, saving a checkpoint whenever it may."""
    folder = tmp_path_factory.mktemp("costs")
    with migrated(request, "sqlite", folder) as url:
        settings = Settings(
            data_dir=folder / "data", database_url=url, broker_url=broker_url, checkpoint_seconds=0.001
        )
        engine = make_engine(url)
        yield Services(settings, make_sessions(engine), Storage(settings.storage_dir), Broker(broker_url))
        engine.dispose()


@pytest.fixture(scope="module")
def client(services: Services) -> Iterator[TestClient]:
    """The API beside that worker, with tables and texts."""
    with TestClient(create_app(services.settings)) as client:
        for name, rows in (("source", 128), ("target", 96)):
            store(client, name, _table(rows), label="y")
            store(client, f"{name}-texts", _texts(rows), label="y")
        yield client


def _written(header: list[str], rows: Iterator[list[Any]]) -> bytes:
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow([*header, "y", "split"])
    for number, row in enumerate(rows):
        writer.writerow([*row, number % 2, ("train", "train", "validation", "test")[number // 2 % 4]])
    return out.getvalue().encode()


def _table(rows: int) -> bytes:
    return _written(["a", "b"], iter(np.random.default_rng(rows).normal(size=(rows, 2)).round(6).tolist()))


def _texts(rows: int) -> bytes:
    drawn = np.random.default_rng(rows).integers(0, 40, (rows, 12))
    return _written(["text"], ([" ".join(f"word{number}" for number in row)] for row in drawn))


EPOCHS = 6
TRAINING = {"epochs": EPOCHS, "batch_size": 16, "learning_rate": 0.01}
SOURCE_UPDATES, TARGET_UPDATES = EPOCHS * 64 // 16, EPOCHS * 48 // 16


def _posted(client: TestClient, kind: str = "", *, seed: int = 0, **asked: Any) -> str:
    source = {"dataset": f"source{kind}", "training": {**TRAINING, "seed": seed}}
    request = {"model": "m", "source": source, "target": {"dataset": f"target{kind}"}, "training": TRAINING}
    evaluation = {"seeds": 1, "baseline": False, **asked.pop("evaluation", {})}
    answer = client.post("/v1/jobs", json={"champion": "never", **request, **asked, "evaluation": evaluation})
    assert answer.status_code == 202, answer.text
    job_id: str = answer.json()["id"]
    return job_id


class Killed(BaseException):
    """The process is gone."""


class Asked(Heartbeat):
    """A heartbeat that stops the job, or kills it, when it is asked for the so-manieth time."""

    def __init__(self, services: Services, lease: transitions.Lease, at: int | None, what: str) -> None:
        self._questions, self._at, self._what = 0, at, what
        super().__init__(services.sessions, lease, services.settings, lambda: False)

    @property
    def reason(self) -> str | None:
        self._questions += 1
        if self._questions != self._at:
            return None
        if self._what == "killed":
            raise Killed
        return self._what

    @reason.setter
    def reason(self, value: str | None) -> None: ...


def _attempted(
    client: TestClient, services: Services, job_id: str, at: int | None = None, what: str = "pause"
) -> dict[str, Any]:
    """The job after one more attempt, which is stopped or killed at the so-manieth question."""
    lease = claimed(services.sessions, job_id)
    try:
        _attempt(services, lease, Asked(services, lease, at, what))
    except Killed:
        with services.sessions.begin() as session:
            transitions.expire(session, job_id, lease.attempt)
    job: dict[str, Any] = client.get(f"/v1/jobs/{job_id}").json()
    return job


def _cost(job: dict[str, Any]) -> dict[str, Any]:
    assert job["state"] == "succeeded", job["error"]
    cost: dict[str, Any] = job["result"]["cost"]
    return cost


def _updates(cost: dict[str, Any]) -> dict[str, int]:
    return {arm: spent["updates"] for arm, spent in cost.items() if spent}


def _checkpoint_seconds(services: Services, job_id: str, stage: Stage) -> float:
    """What the newest checkpoint of the stage says was spent so far."""
    with services.sessions() as session:
        digest = (
            Journal(services.sessions, transitions.Lease(job_id, 0)).stage(session, stage).checkpoint_digest
        )
    if digest is None:
        return 0.0
    with np.load(services.storage.require(digest), allow_pickle=False) as file:
        return float(json.loads(str(file["about"]))["position"]["cpu_seconds"])


def test_a_job_tells_what_each_arm_took_everywhere_alike(client: TestClient, services: Services) -> None:
    asked = {"arms": ["random_frozen"], "few_shot": [4], "seeds": 2}
    job = _attempted(client, services, _posted(client, seed=1, evaluation=asked))
    cost = _cost(job)
    assert cost["source"] == {**cost["source"], "updates": SOURCE_UPDATES, "reused": False}
    assert cost["transfer"]["updates"] == 2 * TARGET_UPDATES
    assert cost["random_frozen"]["updates"] == 2 * TARGET_UPDATES
    arms = {arm: spent for arm, spent in cost.items() if arm not in ("total", "saved")}
    assert set(arms) == {"source", "transfer", "control", "random_frozen", "few_shot"}
    assert all(spent["updates"] > 0 < spent["cpu_seconds"] for spent in arms.values())
    assert cost["total"]["updates"] == sum(spent["updates"] for spent in arms.values())
    seconds = sum(spent["cpu_seconds"] for spent in arms.values())
    assert cost["total"]["cpu_seconds"] == pytest.approx(seconds, abs=0.01)
    assert client.get(f"/v1/jobs/{job['id']}").json() == job
    version = client.get(f"/v1/models/{job['result']['version']}").json()
    assert version["lineage"]["cost"] == cost
    assert client.get(f"/v1/jobs/{job['id']}/report").json()["evaluation"]["cost"] == cost
    events = client.get(f"/v1/jobs/{job['id']}/events").json()["data"]
    assert events[-1]["data"]["cost"] == cost


def test_an_equal_source_is_told_to_be_saved_with_the_job_that_trained_it(
    client: TestClient, services: Services
) -> None:
    first = _attempted(client, services, _posted(client, seed=2))
    again = _cost(_attempted(client, services, _posted(client, seed=2)))
    before = _cost(first)["source"]
    assert again["source"] == {"updates": 0, "cpu_seconds": 0.0, "reused": True}
    assert again["saved"]["updates"] == before["updates"] == SOURCE_UPDATES
    assert again["saved"]["cpu_seconds"] >= before["cpu_seconds"] > 0
    assert (
        again["saved"]["why"][0]
        == f"The same source stage was run by job {first['name']} before: {told(before)}."
    )
    version = {"source": {"version": first["result"]["version"]}}
    of_version = _cost(_attempted(client, services, _posted(client, **version)))
    assert of_version["source"]["reused"]
    assert of_version["saved"]["updates"] == 0
    assert not any("source stage" in why for why in of_version["saved"]["why"])


def test_features_found_in_the_cache_are_saved_and_of_a_frozen_backbone_cost_once(
    client: TestClient, services: Services
) -> None:
    asked = {"method": {"kind": "parameter", "strategy": "linear_probe"}, "evaluation": {"seeds": 2}}
    first = _cost(_attempted(client, services, _posted(client, "-texts", **asked)))
    again = _cost(_attempted(client, services, _posted(client, "-texts", **asked)))
    (shared,) = first["saved"]["why"]
    assert shared.startswith("Features that several trainings need were computed once: ")
    assert first["saved"]["updates"] == 0 < first["saved"]["cpu_seconds"]
    source, found, still_shared = again["saved"]["why"]
    assert source.startswith("The same source stage")
    assert "rows were found in the cache" in found
    assert still_shared.startswith("Features that several trainings need were computed once: ")
    assert _updates(again) == {
        **_updates(first),
        "source": 0,
        "total": again["total"]["updates"],
        "saved": 24,
    }


@pytest.fixture(scope="module")
def undisturbed(client: TestClient, services: Services) -> dict[str, int]:
    """The updates of a job that nothing stops."""
    return _updates(_cost(_attempted(client, services, _posted(client, seed=99))))


@pytest.mark.parametrize("what", ["pause", "killed"])
@pytest.mark.parametrize(("at", "stage"), [(4, "source"), (12, "transfer"), (18, "control")])
def test_a_job_that_goes_on_after_a_stop_or_a_kill_took_the_updates_of_an_undisturbed_one(
    client: TestClient, services: Services, undisturbed: dict[str, int], what: str, at: int, stage: str
) -> None:
    job_id = _posted(client, seed=at + 100 * (what == "killed"))
    stopped = _attempted(client, services, job_id, at, what)
    assert stopped["state"] == {"pause": "paused", "killed": "queued"}[what]
    assert [one["stage"] for one in stopped["stages"] if one["state"] == "running"] == [stage]
    kept = _checkpoint_seconds(services, job_id, Stage(stage))
    if what == "pause":
        client.post(f"/v1/jobs/{job_id}:resume")
    cost = _cost(_attempted(client, services, job_id))
    assert _updates(cost) == undisturbed
    assert cost[stage]["cpu_seconds"] >= kept > 0


def _features(services: Services, job: dict[str, Any]) -> list[tuple[int, bool]]:
    """Rows of the features that the transfer needed, and whether it computed them itself."""
    _cost(job)
    (value,) = [
        one[SPENT]
        for one in Journal(services.sessions, transitions.Lease(job["id"], 0)).values(Stage.TRANSFER)
        if SPENT in one
    ]
    return sorted((one["rows"], one["owner"] == value["by"]) for one in value["features"].values())


@pytest.mark.slow
def test_features_that_a_killed_attempt_computed_are_paid_for_and_no_saving(
    client: TestClient, services: Services
) -> None:
    asked: dict[str, Any] = {"method": {"kind": "parameter", "strategy": "linear_probe"}}
    _attempted(client, services, _posted(client, "-texts", **asked))  # keeps the texts' token ids
    undisturbed = _attempted(client, services, _posted(client, "-texts", seed=10, **asked))
    job_id = _posted(client, "-texts", seed=110, **asked)
    assert _attempted(client, services, job_id, 10, "killed")["stages"][1]["state"] == "running"
    features = _features(services, _attempted(client, services, job_id))
    assert features == _features(services, undisturbed)
    assert {own for _, own in features} == {True, False}
