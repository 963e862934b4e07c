"""What every method keeps, with every strategy and task: a new one is checked by being in its recipe."""

from __future__ import annotations

import functools
import importlib
import json
from typing import Any, get_args

import keras
import numpy as np
import pytest

from app.jobs import recipes
from app.jobs.recipe import Recipe
from tests.workers.transfer.traces import shared_fit
from workers.transfer.methods.parts.receipt import Transferred
from workers.transfer.methods.scratch import scratch
from workers.transfer.networks.network import Network, weights_digest
from workers.transfer.training.options import Training

RECIPES: dict[str, type[Recipe]] = {
    recipe.model_fields["kind"].default: recipe for recipe in get_args(get_args(recipes.Method)[0])
}
STRATEGIES = [
    (kind, strategy)
    for kind, recipe in RECIPES.items()
    for strategy in get_args(recipe.model_fields["strategy"].annotation)
]
TASKS = ["binary", "multiclass", "regression"]
FIT = shared_fit(Training(epochs=2, batch_size=16, learning_rate=0.01, seed=3))


def refusal(strategy: str, task: str) -> str | None:
    """What says that the strategy has no meaning in this task."""
    if strategy == "decoupled" and task != "multiclass":
        return "at least 3 classes"
    return "Expected one class a row" if (strategy, task) == ("contrastive", "regression") else None


def cases() -> list[Any]:
    """Every strategy in every task; of those that are trained the others than one, by turns, are slow."""
    found = []
    for number, (kind, strategy) in enumerate(STRATEGIES):
        fitting = [task for task in TASKS if not refusal(strategy, task)]
        others = {*fitting} - {fitting[number % len(fitting)]}
        found += [
            pytest.param(kind, strategy, task, marks=[pytest.mark.slow] if task in others else [])
            for task in TASKS
        ]
    return found


@functools.cache
def source_of(task: str, make: Any) -> Network:
    options = {"kind": "mlp", "hidden_units": [8, 8], "activation": "relu", "dropout": 0.2}
    options |= {"preprocessing": True, "max_categories": 256}
    return scratch(options, make(task=task), FIT.named("source")).network


@pytest.mark.parametrize(("kind", "strategy", "task"), cases())
def test_every_method_keeps_the_contract(kind, strategy, task, numbers, tmp_path):
    method = getattr(importlib.import_module(f"workers.transfer.methods.{kind}"), kind)
    asked = RECIPES[kind](strategy=strategy).model_dump(exclude={"kind"})
    source, target = source_of(task, numbers), numbers(90, task=task, seed=1)
    before = weights_digest(source)

    def transfer(run: str) -> Transferred:
        return method(source, source.options, target, FIT.named(run), **asked)

    if words := refusal(strategy, task):
        with pytest.raises(ValueError, match=words):
            transfer("refused")
        return
    made = transfer("one")
    assert weights_digest(source) == before
    assert weights_digest(transfer("another").network) == weights_digest(made.network)
    assert [epoch["epoch"] for epoch in made.history.epochs] == [1, 2]
    assert_receipt_is_true(made)
    told = [made.receipt, made.findings, made.history.epochs]
    assert json.loads(json.dumps(told, allow_nan=False)) == told
    assert_it_opens_in_plain_keras(made.network, target.test.inputs, tmp_path / "model.keras")


def assert_receipt_is_true(made: Transferred) -> None:
    """Frozen weights have not moved, some have; the totals count each parameter once."""
    weights = [
        weight
        for layer in made.receipt["layers"]
        if layer["part"] != "preprocessing"
        for weight in layer["weights"]
    ]
    assert all(weight["moved"] == 0 for weight in weights if weight["training"] == "frozen")
    assert any(weight["moved"] != 0 for weight in weights)
    totals = made.receipt["totals"]
    parameters = made.network.model.count_params()
    assert totals["parameters"] == parameters
    for states in (("copied", "partly copied", "new", "reinitialised"), ("trained", "frozen", "adapted")):
        assert sum(totals[state] for state in states) == parameters


def assert_it_opens_in_plain_keras(network: Network, rows: Any, path: Any) -> None:
    """Missing values included."""
    network.save(path)
    rows = {name: np.where(np.arange(len(x)) == 3, np.nan, x).astype("float32") for name, x in rows.items()}
    opened = keras.saving.load_model(path, compile=False)
    # To trace the graph of a few rows takes ten times as long as to answer them.
    opened.run_eagerly = network.model.run_eagerly = True
    answers = opened.predict(rows, verbose=0)
    assert np.isfinite(answers).all()
    np.testing.assert_array_equal(answers, network.model.predict(rows, verbose=0))
