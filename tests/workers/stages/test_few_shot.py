"""Few-shot points: each seed draws its own rows, the same for both arms, and the points are one family."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
from fastapi.testclient import TestClient

from app.jobs.states import Stage
from app.main import create_app
from tests.stored import store
from tests.workers.stages.test_control import METHODS, done, rows
from workers.tasks import Services
from workers.trainings import Trainings
from workers.transfer.data import Data
from workers.transfer.methods.parts.receipt import Transferred


@pytest.fixture(scope="module")
def client(services: Services) -> Iterator[TestClient]:
    """The API beside that worker."""
    with TestClient(create_app(services.settings)) as client:
        store(client, "source", rows(0, 160, 40), label="y")
        store(client, "target", rows(1, 48, 40), label="y")
        yield client


def test_each_seed_draws_its_own_rows_for_both_arms(
    client: TestClient, services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn: dict[str, list[int]] = {}
    outcome = Trainings.outcome

    def remembered(
        self: Trainings, stage: Stage, run: str, data: Data, train: Callable[[], Transferred], trials: int = 1
    ) -> Any:
        drawn[run] = data.train.numbers.tolist()
        return outcome(self, stage, run, data, train, trials)

    monkeypatch.setattr(Trainings, "outcome", remembered)
    method = {"kind": "parameter", "strategy": "full"}
    report = done(client, services, method=method, evaluation={"seeds": 3, "few_shot": [4, 8]})
    for count in (4, 8):
        of_seeds = [drawn[f"few_shot/{count}/transfer/{seed}"] for seed in range(3)]
        assert of_seeds == [drawn[f"few_shot/{count}/control/{seed}"] for seed in range(3)]
        assert [len(numbers) for numbers in of_seeds] == [2 * count] * 3
        assert len({tuple(numbers) for numbers in of_seeds}) == 3
    few_shot = report["evaluation"]["few_shot"]
    *points, whole = few_shot["points"]
    assert [(point["per_class"], point["rows"]) for point in points] == [(4, 8), (8, 16)]
    assert [point["gain"]["comparisons"] for point in points] == [2, 2]
    assert (few_shot["comparisons"], whole["gain"]["comparisons"], whole["rows"]) == (2, 1, 48)
    gain = report["evaluation"]["gain"]
    assert {name: whole["gain"][name] for name in ("value", "low", "high")} == {
        name: gain[name] for name in ("value", "low", "high")
    }
    assert few_shot["note"] is None


@pytest.mark.slow
def test_a_probe_has_a_training_for_each_draw_of_rows_and_a_search_says_what_it_knew(
    client: TestClient, services: Services
) -> None:
    asked = {"seeds": 2, "few_shot": [4]}
    probe = done(client, services, method=METHODS["linear probe"][0], evaluation=asked)
    assert np.isfinite(probe["evaluation"]["few_shot"]["points"][0]["gain"]["high"])
    search = done(client, services, method=METHODS["search"][0], evaluation={"seeds": 1, "few_shot": [4]})
    told, chosen = search["evaluation"]["few_shot"]["note"], search["evaluation"]["control"]["chosen"]
    assert ("with all labelled rows" in told) == (chosen == "from_scratch")
    assert "was trained with one seed" in told
    assert search["evaluation"]["few_shot"]["points"][0]["gain"] is None
