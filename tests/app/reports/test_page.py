"""All arms stand on the page on one axis, and what to use at its top."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from fastapi.testclient import TestClient

from app.reports import charts
from app.reports.page import _arms
from app.reports.words import RECOMMENDED
from tests.app.conftest import Publish
from tests.app.reports.test_routes import RECEIPT, Page
from workers.transfer.data import Column, Data, Rows, Signature
from workers.transfer.proof.evaluation import Outcome, Rules, constant, evaluate_arms
from workers.transfer.proof.recommendation import Choice, HeldOut, advice


def proved(task: Any = "binary", metric: str | None = None) -> dict[str, Any]:
    """The proof of made-up predictions of four arms."""
    rng = np.random.default_rng(0)
    y = rng.integers(0, 2, (200, 1)).astype(np.float32)
    rows = Rows({}, y, np.arange(200))
    classes = ("no", "yes") if task == "binary" else ()
    data = Data(Signature((Column("a", "number"),), "y", task, classes), rows, rows, rows)

    def outcome(seed: int, skill: float) -> Outcome:
        p = np.clip(0.5 + skill * (y - 0.5) + 0.3 * rng.normal(size=y.shape), 0.01, 0.99)
        return Outcome(seed, p, p, [])

    arms = {
        name: [outcome(seed, skill) for seed in range(3)]
        for name, skill in (("transfer", 0.8), ("control", 0.3))
    }
    arms |= {"baseline": [outcome(0, 0.5)], "constant": [constant(data, 0)]}
    rules = Rules(metric=metric, confidence=0.95, draws=200, seed=0)
    seen, units = np.zeros(200, bool), np.arange(200)
    accuracy = None if task == "regression" else 0.9
    choice = Choice({"transfer": HeldOut(0.2, accuracy)}, "accuracy", "the 40 validation rows", "extra_trees")
    told = evaluate_arms(arms, data, rules)
    told["versus_control"] = {"gain": told["gain"], "reason": told["reason"]}
    candidates = [
        {"name": "linear", "accuracy": None, "loss": 0.5},
        {"name": "extra_trees", "accuracy": 0.8125, "loss": 0.4375},
    ]
    told["baseline"] = {"chosen": "extra_trees", "by": "validation", "candidates": candidates}
    return {**told, **advice(arms, data, rules, choice, seen=seen, units=units)}


@pytest.mark.parametrize(
    ("task", "metric"), [("binary", None), ("binary", "log_loss"), ("regression", "rmse")]
)
def test_all_arms_and_the_recommendation_stand_on_the_page(
    client: TestClient, publish: Publish, task: str, metric: str | None
) -> None:
    evaluated = proved(task, metric)
    job = publish(evaluated["verdict"], RECEIPT, evaluated)
    answer = client.get(f"/v1/jobs/{job['id']}/report?format=html").text
    page = Page(answer)
    assert page.open == []
    assert page.loads == []
    assert "<strong>Use the transfer</strong>" in answer
    assert evaluated["recommendation_reason"] in answer
    assert answer.index("Use the transfer") < answer.index("Gain in")
    for name in ("transfer", "control", "baseline", "one answer for all rows"):
        assert f'text-anchor="end">{name}</text>' in answer
    assert (
        "<strong>extra trees</strong></td>"
        '<td data-label="accuracy on held-out rows" class="figure">0.812</td>' in answer
    )
    assert evaluated["versus_baseline"]["reason"] in answer
    result = client.get(f"/v1/jobs/{job['id']}").json()["result"]
    assert result["versus_baseline"] == evaluated["versus_baseline"]
    assert result["baseline"] == evaluated["baseline"]


@pytest.mark.parametrize(("metric", "task"), [(None, "binary"), ("log_loss", "binary")])
def test_a_bar_is_around_its_arm_and_on_the_side_of_the_transfer_that_it_is_on(metric, task) -> None:
    drawn = _arms(proved(task, metric))
    points = {one.name: one for one in drawn["plot"].points}
    for name in ("control", "baseline"):
        assert points[name].low < points[name].at < points[name].high
    assert points["constant"].low is None
    assert points["transfer"].at == drawn["plot"].line
    is_left = metric is None  # a worse accuracy is lower, a worse loss higher
    assert (points["control"].high < drawn["plot"].line) == is_left
    assert (points["control"].low > drawn["plot"].line) == (not is_left)


def test_arms_of_one_value_have_an_axis() -> None:
    drawn = charts.arms({"transfer": 0.5, "constant": 0.5}, {}, "transfer")
    assert {one.at for one in drawn.points} == {drawn.line}
    assert drawn.ticks


def test_every_recommendation_has_words() -> None:
    assert set(RECOMMENDED) == {"transfer", "control", "baseline", "train_both", "label_more"}


@pytest.mark.parametrize(
    ("chosen", "named"),
    [
        ({"random_weights": 4}, "of the control, the same procedure from random weights:"),
        ({"from_scratch": 1, "random_weights": 3}, "of the control, the better candidate of each fold:"),
    ],
)
def test_the_gain_of_folds_names_the_control_that_they_chose_and_not_the_versions_own(
    client: TestClient, publish: Publish, chosen: dict[str, int], named: str
) -> None:
    evaluated = proved()
    folds = {"kind": "cross-validation", "folds": 2, "repeats": 2}
    evaluated["proof"] |= {**folds, "chosen": {"arm": {}, "control": chosen, "baseline": {}}}
    own = {"name": "from_scratch", "loss": 0.5, "accuracy": 0.75, "metrics": None}
    evaluated["control"] = {"chosen": "from_scratch", "by": "validation", "candidates": [own]}
    job = publish(evaluated["verdict"], RECEIPT, evaluated)
    page = client.get(f"/v1/jobs/{job['id']}/report?format=html").text
    assert named in page
    assert "The control of the version itself is from scratch" in page
