"""No arm may spend what another may not: what each training of a real job is given, arm by arm."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient

from app.broker import Broker
from app.db.session import Sessions
from app.main import create_app
from app.settings import Settings
from app.storage import Storage
from tests.conftest import WriteCsv
from tests.stored import store
from tests.workers.conftest import claimed
from workers.heartbeat import Heartbeat
from workers.tasks import Services, _attempt
from workers.transfer.data import Data
from workers.transfer.networks.network import Network
from workers.transfer.training.fitting import Fit
from workers.transfer.training.options import History, Training

pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)

RATES = [0.001, 0.01]
BUDGET = {
    "round_updates": 4,
    "min_updates": 8,
    "patience_updates": 4,
    "patience_rounds": 1,
    "max_updates": 12,
    "short_epochs": 1,
    "few_validation_rows": 30,
}
BY_VALIDATION = {**BUDGET, "least_validation_rows": 5}
BY_FOLDS = {**BUDGET, "least_validation_rows": 30, "search_folds": 2}

ARM = re.compile(r"(?P<arm>.+?)/(?P<seed>\d+)(?P<trial>/.*)?$")


@dataclass(frozen=True)
class Given:
    """What one call of a fit may spend: its limits in updates, whatever they were counted in."""

    rows: int
    validation_rows: int
    batch_size: int
    limits: tuple[tuple[str, int | None], ...]
    most: int


def given(training: Training, data: Data, updates: int | None) -> Given:
    """Read from the options; epochs are turned into updates, since one arm's epoch may be another's two."""
    assert training.budget is not None
    epoch = -(-len(data.train) // training.batch_size)
    limits = asdict(training.budget)
    limits |= {name: limits[name] * epoch for name in ("short_epochs", "epochs_without_validation")}
    limits["round_updates"] = max(limits["round_updates"], epoch)
    rows = 0 if data.validation is None else len(data.validation)
    most = training.budget.max_updates if updates is None else updates
    return Given(len(data.train), rows, training.batch_size, tuple(sorted(limits.items())), most)


@dataclass
class Job:
    """A job that has run, and what each arm's trainings were given, by seed and trial.

    tried: the learning rate and the regulariser's strength of each run.
    """

    result: dict[str, Any]
    arms: dict[str, dict[tuple[int, str], list[Given]]]
    tried: dict[str, tuple[float, float | None]]


class Jobs:
    """Runs jobs in this process and writes down what their fits are given; the fits are the real ones."""

    def __init__(self, client: TestClient, services: Services, monkeypatch: pytest.MonkeyPatch) -> None:
        self.client, self.services = client, services
        self.seen: list[tuple[str, Given]] = []
        self.tried: dict[str, tuple[float, float | None]] = {}
        train = Fit.__call__

        def watched(fit: Fit, network: Network, data: Data, **asked: Any) -> History:
            if ARM.match(fit.hooks.run):
                self.tried[fit.hooks.run] = fit.training.learning_rate, fit.training.regulariser_strength
                self.seen.append((fit.hooks.run, given(fit.training, data, asked.get("updates"))))
            return train(fit, network, data, **asked)

        monkeypatch.setattr(Fit, "__call__", watched)

    def run(self, budget: Mapping[str, int], rates: list[float] | None = RATES, **asked: Any) -> Job:
        training = {"budget": budget, "learning_rates": rates, "batch_size": 16}
        request = {"model": "m", "source": {"dataset": "source"}, **asked}
        request["source"] |= {"training": {"budget": budget, "batch_size": 16}}
        request |= {"training": training, "champion": "never"}
        request["evaluation"] = {"seeds": 1, "baseline": False, "folds": 0, **request.get("evaluation", {})}
        request.setdefault("target", {"dataset": "target"})
        request.setdefault("network", {"kind": "mlp", "hidden_units": [4, 4]})
        answer = self.client.post("/v1/jobs", json=request)
        assert answer.status_code == 202, answer.text
        lease = claimed(self.services.sessions, answer.json()["id"])
        heartbeat = Heartbeat(self.services.sessions, lease, self.services.settings, lambda: False)
        _attempt(self.services, lease, heartbeat)
        job = self.client.get(f"/v1/jobs/{lease.job_id}").json()
        assert job["state"] == "succeeded", job["error"]
        arms: dict[str, dict[tuple[int, str], list[Given]]] = defaultdict(lambda: defaultdict(list))
        for run, what in self.seen:
            found = ARM.match(run)
            assert found is not None
            arms[found["arm"]][int(found["seed"]), found["trial"] or ""].append(what)
        return Job(job["result"], arms, self.tried)


@pytest.fixture
def jobs(
    settings: Settings,
    sessions: Sessions,
    broker_url: str,
    write_csv: WriteCsv,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Jobs]:
    """The API with a source and a target of 60 rows, of which a tenth validate."""
    services = Services(settings, sessions, Storage(settings.storage_dir), Broker(broker_url))
    with TestClient(create_app(settings)) as client:
        for seed, name in enumerate(("source", "target")):
            content = write_csv(tmp_path / f"{name}.csv", 60, seed=seed).read_bytes()
            store(client, name, content, label="y")
            lines = content.decode().splitlines()
            blank = [
                line.rpartition(",")[0] + "," if place % 4 == 3 else line for place, line in enumerate(lines)
            ]
            store(client, f"{name}-blank", "\n".join(blank).encode(), label="y", unlabelled=True)
        yield Jobs(client, services, monkeypatch)


LP_FT = {"kind": "parameter", "strategy": "lp_ft"}
FROM_SCRATCH, SAME = "control/from_scratch", "control/random_weights"

METHODS: dict[str, tuple[dict[str, Any], list[str], str]] = {
    "lp_ft": (LP_FT, ["usual_network"], SAME),
    "full": ({"kind": "parameter", "strategy": "full"}, [], SAME),
    "gradual": ({"kind": "parameter", "strategy": "gradual"}, [], SAME),
    "lora": ({"kind": "parameter", "strategy": "lora"}, [], SAME),
    "combined": ({"kind": "combined", "strategy": "adapter"}, [], SAME),
    "structure": (
        {"kind": "structure", "strategy": "reuse"},
        ["structure_with_parameters"],
        "control/random_structure",
    ),
    "distillation": ({"kind": "distillation"}, [], "control/untrained_teacher"),
}
"""The method, the ablations that train by steps, and the second candidate of the control."""
QUICK = ("lp_ft", "combined", "structure", "distillation")
"""The others take the same way through the stages."""


def cases() -> list[Any]:
    """Each method with both ways to choose a rate."""
    return [
        pytest.param(name, budget, id=f"{name} {how}", marks=[] if is_quick else [pytest.mark.slow])
        for how, budget in (("by validation", BY_VALIDATION), ("by folds", BY_FOLDS))
        for name in METHODS
        if (is_quick := name in ("lp_ft", *QUICK) and budget is BY_VALIDATION) is not None
    ]


@pytest.mark.parametrize(("name", "budget"), cases())
def test_every_arm_and_candidate_may_spend_the_same(jobs: Jobs, name: str, budget: dict[str, int]) -> None:
    method, ablations, candidate = METHODS[name]
    job = jobs.run(budget, method=method, evaluation={"arms": ablations})
    assert set(job.arms) == {"transfer", FROM_SCRATCH, candidate, *ablations}
    by_validation = budget is BY_VALIDATION
    trials = {
        (0, f"/rate {rate:g}{fold}")
        for rate in RATES
        for fold in ([""] if by_validation else ["/fold 0", "/fold 1"])
    }
    allowed: dict[tuple[int, str], set[Any]] = defaultdict(set)
    for arm, runs in job.arms.items():
        assert set(runs) == (trials if by_validation else {*trials, (0, "")}), arm
        for run, calls in runs.items():
            limits = {(one.rows, one.validation_rows, one.batch_size, one.limits) for one in calls}
            assert len(limits) == 1, (arm, run)
            allowed[run] |= limits
            assert sum(one.most for one in calls) <= BUDGET["max_updates"], (arm, run)
    assert all(len(limits) == 1 for limits in allowed.values()), allowed


REGULARISED = {"kind": "parameter", "strategy": "full", "regulariser": "l2_sp"}


def strength(of: dict[str, Any]) -> tuple[float, float | None]:
    """With the learning rate."""
    return of["learning_rate"], of["regulariser_strength"]


@pytest.mark.parametrize(
    "budget", [BY_VALIDATION, pytest.param(BY_FOLDS, marks=pytest.mark.slow)], ids=["validation", "folds"]
)
def test_an_arm_without_a_regulariser_may_try_a_further_rate_for_each_further_strength(
    jobs: Jobs, budget: dict[str, int]
) -> None:
    asked = {"arms": ["usual_network"], "seeds": 2, "few_shot": [8]}
    job = jobs.run(budget, None, method=REGULARISED, evaluation=asked)
    searched = {
        arm: {run: calls for run, calls in job.arms[arm].items() if run[1]}
        for arm in ("transfer", SAME, FROM_SCRATCH, "usual_network")
    }
    names = [{trial.split("/fold")[0] for _, trial in runs} for runs in searched.values()]
    with_strength = {"/rate 0.001", "/rate 0.003", "/rate 0.01", "/strength 0.3", "/strength 30"}
    without = {f"/rate {rate:g}" for rate in (0.0003, 0.001, 0.003, 0.01, 0.03)}
    assert names == [with_strength, with_strength, without, without]
    spent = [sorted(map(str, runs.values())) for runs in searched.values()]
    assert all(one == spent[0] for one in spent)

    choices = job.result["choices"]
    tried = {arm: [strength(one) for one in choice["tried"]] for arm, choice in choices.items()}
    chosen = {arm: strength(choice) for arm, choice in choices.items()}
    assert all(len(tried[arm]) == 5 and chosen[arm] in tried[arm] for arm in choices)
    assert {one for _, one in tried["transfer"]} == {0.3, 3.0, 30.0}
    assert {one for _, one in tried["usual_network"]} == {None}
    for run in ("transfer/1", "few_shot/8/transfer/0", "few_shot/8/transfer/1"):
        assert job.tried[run] == chosen["transfer"]
    control = job.result["control"]["chosen"]
    assert job.tried[f"control/{control}/1"] == job.tried["few_shot/8/control/0"] == chosen["control"]


def test_the_other_seeds_of_every_arm_may_spend_the_same_and_search_for_nothing(jobs: Jobs) -> None:
    job = jobs.run(BY_VALIDATION, method=LP_FT, evaluation={"seeds": 2})
    chosen = f"control/{job.result['control']['chosen']}"
    others = {
        arm: [calls for (seed, _), calls in runs.items() if seed == 1] for arm, runs in job.arms.items()
    }
    assert {arm for arm, runs in others.items() if runs} == {"transfer", chosen}
    assert others["transfer"] == others[chosen]
    assert len(others[chosen]) == 1


def test_heads_in_closed_form_take_no_update_in_any_arm_and_the_network_from_scratch_has_its_budget(
    jobs: Jobs,
) -> None:
    probe = {"kind": "parameter", "strategy": "linear_probe"}
    job = jobs.run(BY_VALIDATION, method=probe, evaluation={"arms": ["random_frozen", "source_frozen"]})
    assert set(job.arms) == {FROM_SCRATCH}
    assert len(job.arms[FROM_SCRATCH]) == len(RATES)


def test_every_arm_trains_on_with_pseudo_labels_for_as_long(jobs: Jobs) -> None:
    job = jobs.run(BY_VALIDATION, method=LP_FT, target={"dataset": "target-blank", "pseudo_labels": 0.5})
    most, twice = {}, 2 * BUDGET["max_updates"]
    for arm, runs in job.arms.items():
        # A probe that is not fine-tuned has its head fitted again, which takes no update.
        assert all(sum(one.most for one in calls) in (twice, twice // 2) for calls in runs.values()), arm
        assert len({calls[0].limits for calls in runs.values()}) == 1, arm
        most[arm] = max(sum(one.most for one in calls) for calls in runs.values())
    assert most == dict.fromkeys(most, twice)


def test_a_search_tries_as_many_structures_for_the_control_as_for_the_transfer(jobs: Jobs) -> None:
    searched = {"kind": "structure", "strategy": "search", "trials": 2, "tuner": "random"}
    trials = jobs.run(BY_VALIDATION, method=searched).arms["trial"]
    assert len(trials) == 2
    for of_source, of_control in trials.values():
        assert (of_source.limits, of_source.batch_size) == (of_control.limits, of_control.batch_size)
        assert of_source.most == of_control.most
