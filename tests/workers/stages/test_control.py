"""What a transfer is compared with: each method's two candidates, their rates, and what is told of them."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from fastapi.testclient import TestClient

from app.db.tables import EpochMetrics
from app.jobs.states import Stage
from app.main import create_app
from tests.stored import store
from tests.workers.conftest import claimed
from workers.heartbeat import Heartbeat
from workers.journal import Journal
from workers.tasks import Services, _attempt
from workers.trainings import Trainings
from workers.transfer.training.fitting import Fit
from workers.transfer.training.options import Stopped

SMALL = {"kind": "mlp", "hidden_units": [8, 6], "dropout": 0.0}
EPOCHS = {"epochs": 2, "batch_size": 16, "learning_rate": 0.01}
UPDATES = {
    "batch_size": 16,
    "budget": {"round_updates": 8, "min_updates": 16, "max_updates": 24, "patience_updates": 8},
}

BRIEF = {"seeds": 1, "baseline": False}
"""An evaluation of one training an arm, and nothing beside the control."""


@pytest.fixture(scope="module")
def client(services: Services) -> Iterator[TestClient]:
    """The API beside that worker, with a source and targets of many, few and no validation rows."""
    with TestClient(create_app(services.settings)) as client:
        store(client, "source", rows(0, 160, 40), label="y")
        store(client, "target", rows(1, 48, 40), label="y")
        store(client, "few", rows(2, 48, 8), label="y")
        store(client, "none", rows(3, 48, 0), label="y")
        store(client, "partly", rows(4, 32, 40, unlabelled=96), label="y")
        yield client


def rows(seed: int, train: int, validation: int, test: int = 40, unlabelled: int = 0) -> bytes:
    """A CSV file of six numbers and a label that follows from two of them."""
    rng = np.random.default_rng(seed)
    count = train + validation + test
    x = rng.normal(size=(count + unlabelled, 6)).round(6)
    y = np.where(x[:, 0] - x[:, 1] > 0, "yes", "no")
    parts = ["train"] * train + ["validation"] * validation + ["test"] * test + ["train"] * unlabelled
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow([*"abcdef", "y", "split"])
    for number, (values, label, part) in enumerate(zip(x, y, parts, strict=True)):
        writer.writerow([*values, label if number < count else "", part])
    return out.getvalue().encode()


def done(client: TestClient, services: Services, target: str = "target", **asked: Any) -> dict[str, Any]:
    """The report of a job that this process runs."""
    of_target = {"dataset": target, "pseudo_labels": asked.pop("pseudo_labels", None)}
    request = {"model": "m", "network": SMALL, "training": EPOCHS, "champion": "never", **asked}
    request["evaluation"] = {**BRIEF, **asked.get("evaluation", {})}
    request.setdefault("source", {"dataset": "source", "training": EPOCHS})
    job_id = posted(client, request, of_target)
    job = attempted(client, services, job_id)
    assert job["state"] == "succeeded", job["error"]
    return reported(client, job_id)


def posted(client: TestClient, request: dict[str, Any], target: dict[str, Any]) -> str:
    answer = client.post("/v1/jobs", json={**request, "target": target})
    assert answer.status_code == 202, answer.text
    job_id: str = answer.json()["id"]
    return job_id


def attempted(client: TestClient, services: Services, job_id: str) -> dict[str, Any]:
    """The job after one more attempt."""
    lease = claimed(services.sessions, job_id)
    _attempt(services, lease, Heartbeat(services.sessions, lease, services.settings, lambda: False))
    job: dict[str, Any] = client.get(f"/v1/jobs/{job_id}").json()
    return job


def reported(client: TestClient, job_id: str) -> dict[str, Any]:
    report: dict[str, Any] = client.get(f"/v1/jobs/{job_id}/report").json()
    return report


def runs(services: Services, report: dict[str, Any]) -> dict[str, int]:
    """The number of epochs or rounds by run of the stages `transfer` and `control`."""
    with services.sessions() as session:
        told = session.query(EpochMetrics).filter_by(job_id=report["job"]["id"]).all()
    found: dict[str, int] = {}
    for one in told:
        if one.stage != "source":
            found[one.run] = found.get(one.run, 0) + 1
    return found


def without_seconds(evaluation: dict[str, Any]) -> dict[str, Any]:
    """The same with the updates alone of what transfer and control took, which no clock tells."""
    cost = {arm: evaluation["cost"][arm]["updates"] for arm in ("transfer", "control")}
    return {**evaluation, "cost": cost}


def by_accuracy(one: dict[str, Any]) -> tuple[float, float]:
    """The better one is the lower."""
    return -one["accuracy"], one["loss"]


METHODS = {
    "parameter": ({"kind": "parameter", "strategy": "full"}, ["from_scratch", "random_weights"]),
    "linear probe": ({"kind": "parameter", "strategy": "linear_probe"}, ["from_scratch", "random_weights"]),
    "combined": ({"kind": "combined", "strategy": "side_tuning"}, ["from_scratch", "random_weights"]),
    "reuse": ({"kind": "structure", "strategy": "reuse"}, ["from_scratch", "random_structure"]),
    "search": (
        {"kind": "structure", "trials": 2, "space": {"hidden_units": [[4], [8]]}},
        ["from_scratch", "random_structure"],
    ),
    "distillation": ({"kind": "distillation"}, ["from_scratch", "untrained_teacher"]),
}


@pytest.mark.parametrize("name", METHODS)
def test_each_method_has_two_candidates_of_which_the_better_one_is_the_control(
    name: str, client: TestClient, services: Services
) -> None:
    method, expected = METHODS[name]
    report = done(client, services, method=method)
    control = report["evaluation"]["control"]
    assert [one["name"] for one in control["candidates"]] == expected
    assert control["by"] == "validation"
    assert control["chosen"] == min(control["candidates"], key=by_accuracy)["name"]
    chosen = next(one for one in control["candidates"] if one["name"] == control["chosen"])
    assert report["evaluation"]["metrics"]["control"] == chosen["metrics"]
    of_stages = runs(services, report)
    wanted = {"transfer/0", *(f"control/{one}/0" for one in expected)}
    assert {run for run in of_stages if not run.startswith("trial/")} == wanted  # nothing is searched
    assert {of_stages[run] for run in wanted} == {2}
    assert report["evaluation"]["choices"]["transfer"] == {
        "learning_rate": 0.01,
        "regulariser_strength": None,
        "by": "given",
        "tried": [],
    }


@pytest.mark.parametrize(
    ("target", "by"),
    [("target", "validation"), pytest.param("few", "cross-validation", marks=pytest.mark.slow)],
)
def test_without_epochs_each_arm_chooses_its_rate_with_the_first_seed_alone(
    target: str, by: str, client: TestClient, services: Services
) -> None:
    asked = {"seeds": 2, "arms": ["random_frozen"], "few_shot": [4]}
    method = {"kind": "parameter", "strategy": "full"}
    report = done(client, services, target, training=UPDATES, evaluation=asked, method=method)
    evaluation = report["evaluation"]
    assert set(evaluation["choices"]) == {"transfer", "control", "random_frozen"}
    for arm in ("transfer", "control"):
        choice = evaluation["choices"][arm]
        assert choice["by"] == by
        assert [one["learning_rate"] for one in choice["tried"]] == [0.001, 0.003, 0.01]
        assert choice["learning_rate"] == min(choice["tried"], key=by_accuracy)["learning_rate"]
    assert evaluation["control"]["by"] == by
    of_stages = runs(services, report)
    chosen = evaluation["control"]["chosen"]
    searched = {run.split("/rate ")[0] for run in of_stages if "/rate " in run}
    assert {"transfer/0", "control/from_scratch/0", "control/random_weights/0"} <= searched
    assert all(run.endswith("/0") for run in searched)
    wanted = {"transfer/1", f"control/{chosen}/1"}
    wanted |= {f"few_shot/4/{arm}/{seed}" for arm in ("transfer", "control") for seed in (0, 1)}
    assert wanted <= set(of_stages)
    (other,) = {"from_scratch", "random_weights"} - {chosen}
    assert f"control/{other}/1" not in of_stages


def test_a_probe_is_fitted_once_but_random_weights_are_drawn_anew_for_each_seed(
    client: TestClient, services: Services
) -> None:
    # The network from scratch hardly moves, so that the probe on random features is the control.
    limits = {**UPDATES["budget"], "min_updates": 1, "max_updates": 8, "patience_updates": None}
    training = {**UPDATES, "budget": limits, "learning_rate": 1e-6}
    report = done(
        client,
        services,
        training=training,
        network={"kind": "mlp", "hidden_units": [64], "dropout": 0.0},
        method={"kind": "parameter", "strategy": "linear_probe"},
        evaluation={"seeds": 3, "metric": "log_loss"},
    )
    evaluation = report["evaluation"]
    assert evaluation["control"]["chosen"] == "random_weights"
    told = {arm: [one["seed"] for one in seeds] for arm, seeds in evaluation["arms"].items()}
    assert told == {"transfer": [0], "control": [0, 1, 2]}
    losses = {one["metrics"]["log_loss"] for one in evaluation["arms"]["control"]}
    assert len(losses) == 3


@pytest.mark.parametrize("training", [EPOCHS, UPDATES], ids=["epochs", "updates"])
def test_without_validation_rows_the_control_is_from_scratch_unless_folds_say_otherwise(
    training: dict[str, Any], client: TestClient, services: Services
) -> None:
    method = {"kind": "parameter", "strategy": "full"}
    control = done(client, services, "none", training=training, method=method)["evaluation"]["control"]
    losses = {one["name"]: one["loss"] for one in control["candidates"]}
    if training is EPOCHS:
        assert (control["chosen"], control["by"]) == ("from_scratch", "default")
        assert set(losses.values()) == {None}
    else:
        assert control["by"] == "cross-validation"
        assert control["chosen"] == min(control["candidates"], key=by_accuracy)["name"]


@pytest.mark.parametrize("training", [EPOCHS, UPDATES], ids=["epochs", "updates"])
@pytest.mark.parametrize("way", ["distillation", "pseudo-labels"])
def test_arms_that_read_fewer_rows_get_as_many_updates(
    way: str,
    training: dict[str, Any],
    client: TestClient,
    services: Services,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    fits: dict[str, Fit] = {}

    def remembered(self: Trainings, stage: Stage, run: str, *asked: Any, **changes: Any) -> Fit:
        fits[run] = given(self, stage, run, *asked, **changes)
        return fits[run]

    given = Trainings.fit
    monkeypatch.setattr(Trainings, "fit", remembered)
    asked: dict[str, Any] = {"method": {"kind": "distillation"}}
    if way == "pseudo-labels":
        asked = {"method": {"kind": "parameter", "strategy": "full"}, "pseudo_labels": 0.7}
    if training is EPOCHS:
        asked["evaluation"] = {"arms": ["random_frozen"]}
    else:  # nothing ends early
        training = {**UPDATES, "budget": {**UPDATES["budget"], "patience_updates": None}}
    done(client, services, "partly", training={**training, "learning_rate": 0.01}, **asked)
    spent = [fit.cost.updates for run, fit in fits.items() if run != "source"]
    assert len(spent) == (4 if "epochs" in training else 3)
    # Of 32 rows with a label and 96 without, in batches of 16: two epochs over all, or the limit.
    passes = {"distillation": {True: 16, False: 24}, "pseudo-labels": {True: 2 * 2 + 16, False: 2 * 24}}
    expected = passes[way]["epochs" in training]
    if way == "distillation":
        assert set(spent) == {expected}
    else:  # whole epochs over as many rows as an arm is sure of
        assert min(spent) >= expected
        assert max(spent) < expected + 8


@pytest.mark.parametrize("target", [pytest.param("target", marks=pytest.mark.slow), "few"])
def test_an_attempt_that_goes_on_chooses_what_an_undisturbed_one_does_and_repeats_no_trial(
    target: str, client: TestClient, services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: dict[str, Any] = {"method": {"kind": "parameter", "strategy": "full"}, "training": UPDATES}
    whole = without_seconds(done(client, services, target, **asked)["evaluation"])
    request = {"model": "m", "network": SMALL, "champion": "never", "evaluation": BRIEF, **asked}
    request["source"] = {"dataset": "source", "training": EPOCHS}
    job_id = posted(client, request, {"dataset": target})
    kept: list[str] = []
    trained: list[str] = []
    save, epoch = Journal.save_part, Journal.epoch

    def stop_now_and_then(self: Journal, stage: Stage, key: str, **values: Any) -> None:
        kept.append(key)
        if len(kept) in (3, 9, 14):
            raise Stopped("pause")
        save(self, stage, key, **values)

    def remember(self: Journal, stage: Stage, run: str, number: int, *told: Any) -> None:
        trained.extend([run] if number == 1 else [])
        epoch(self, stage, run, number, *told)

    monkeypatch.setattr(Journal, "save_part", stop_now_and_then)
    monkeypatch.setattr(Journal, "epoch", remember)
    states = [attempted(client, services, job_id)["state"]]
    while states[-1] == "paused":
        client.post(f"/v1/jobs/{job_id}:resume")
        states.append(attempted(client, services, job_id)["state"])
    assert states == ["paused"] * 3 + ["succeeded"]
    assert without_seconds(reported(client, job_id)["evaluation"]) == whole
    # What was being made durable when the attempt ended is trained again, and nothing else.
    assert len(trained) - len(set(trained)) <= 3
