from __future__ import annotations

import functools
from dataclasses import replace
from itertools import combinations
from typing import Any

import numpy as np
import pytest

from tests.workers.transfer.examples import NETWORKS, make
from tests.workers.transfer.traces import shared_fit
from tests.workers.transfer.training.durable import Durable
from workers.transfer.data import Array
from workers.transfer.methods.parameter import parameter
from workers.transfer.methods.parts.contrastive import pairs
from workers.transfer.methods.parts.receipt import Transferred, is_backbone_frozen
from workers.transfer.methods.scratch import scratch
from workers.transfer.networks.network import Network, build, weights_digest
from workers.transfer.training.closed_form import fit_head
from workers.transfer.training.features import outputs
from workers.transfer.training.objective import Seen
from workers.transfer.training.options import Budget, Stopped, Training

BUDGET = Budget(min_updates=64, max_updates=96, few_validation_rows=0, least_validation_rows=1)
FIT = shared_fit(Training(epochs=None, batch_size=16, learning_rate=0.2, seed=3, budget=BUDGET))
MLP = {"kind": "mlp", "hidden_units": [8, 8], "activation": "tanh", "dropout": 0.0, "preprocessing": True}
MLP |= {"max_categories": 256}


@functools.cache
def _source(numbers: Any, task: str = "binary") -> Network:
    by_epochs = shared_fit(Training(epochs=1, batch_size=16, learning_rate=0.01, seed=3))
    return scratch(MLP, numbers(150, task=task), by_epochs.named("source")).network


def _made(source: Network, data: Any, fit: Any = FIT, **options: Any) -> Transferred:
    options = {"strategy": "contrastive", "contrastive_updates": 64, **options}
    return parameter(source, source.options, data, fit.named("made"), **options)


def _cosines(network: Network, data: Any) -> tuple[float, float]:
    """The mean cosine of train rows of one class, and of rows of two."""
    z = outputs(network, ["preprocessing", "backbone"], data.train.inputs)
    z = z / np.linalg.norm(z, axis=1, keepdims=True)
    y = data.train.targets.reshape(-1)
    by_class: dict[bool, list[float]] = {True: [], False: []}
    for i, j in combinations(range(len(z)), 2):
        by_class[bool(y[i] == y[j])].append(float(z[i] @ z[j]))
    return float(np.mean(by_class[True])), float(np.mean(by_class[False]))


@pytest.mark.parametrize("weights", [np.ones(5), np.array([1, 2, 0.5, 1, 3])])
@pytest.mark.parametrize("classes", [np.array([[0], [1], [0], [1], [1]]), np.array([0, 2, 1, 2, 0])])
def test_the_loss_is_that_of_every_pair_by_itself(classes: Array, weights: Array, numbers: Any) -> None:
    z = np.random.default_rng(0).normal(size=(5, 8)).astype(np.float32)
    unit, y = z / np.linalg.norm(z, axis=1, keepdims=True), classes.reshape(-1)
    losses: dict[bool, list[tuple[float, float]]] = {True: [], False: []}
    for i, j in combinations(range(5), 2):
        same = bool(y[i] == y[j])
        losses[same].append(((unit[i] @ unit[j] - float(same)) ** 2, weights[i] * weights[j]))
    wanted = sum(
        0.5 * np.average([loss for loss, _ in of], weights=[weight for _, weight in of])
        for of in losses.values()
    )
    objective = pairs(_source(numbers))
    (tap,) = objective.taps
    seen = Seen("binary", classes.astype(np.float32), weights.astype(np.float32), None, {tap: z}, {}, ())
    assert float(objective.terms[0](seen)) == pytest.approx(wanted, rel=1e-5)


@pytest.mark.parametrize("rows", [1, 3])
def test_a_batch_of_one_class_has_nothing_of_the_pairs_it_lacks(rows: int, numbers: Any) -> None:
    objective = pairs(_source(numbers))
    (tap,) = objective.taps
    z, y, ones = (
        np.eye(3, 8, dtype=np.float32)[:rows],
        np.zeros((rows, 1), np.float32),
        np.ones(rows, np.float32),
    )
    seen = Seen("binary", y, ones, None, {tap: z}, {}, ())
    assert float(objective.terms[0](seen)) == (0.5 if rows > 1 else 0.0)


@pytest.mark.parametrize("task", ["binary", "multiclass"])
def test_classes_come_apart_and_the_head_is_the_closed_form_on_the_new_features(
    task: Any, numbers: Any
) -> None:
    source, data = _source(numbers, task), replace(numbers(90, task=task, seed=1), validation=None)
    made = _made(source, data)
    (same, other), (same_before, other_before) = _cosines(made.network, data), _cosines(source, data)
    assert same - other > same_before - other_before + 0.2
    assert [epoch["updates"] for epoch in made.history.epochs] == [0, 32, 64, 64]
    assert made.findings["contrastive"] == {"updates": 64, "learning_rate": pytest.approx(0.006)}
    assert made.findings["kept"] == "contrastive"
    assert not is_backbone_frozen(made.receipt)
    assert not made.is_deterministic
    before = weights_digest(made.network)
    fit_head(made.network, data, FIT.named("again"))
    assert weights_digest(made.network) == before


@pytest.mark.parametrize("kind", ["text", "image", "sequence"])
def test_every_kind_learns_from_pairs(kind: str) -> None:
    data = make(kind, seed=1)
    source = build(NETWORKS[kind][0], make(kind), 3)
    made = _made(source, replace(data, validation=None), contrastive_updates=1)
    assert np.isfinite([epoch["loss"] for epoch in made.history.epochs]).all()
    assert not is_backbone_frozen(made.receipt)


def test_what_validates_worse_than_the_head_alone_is_not_kept(numbers: Any) -> None:
    source, data = _source(numbers), numbers(120, seed=1)
    probe = parameter(source, source.options, data, FIT.named("probe"), strategy="linear_probe")
    kept = set()
    for rate in (0.03, 3000.0):  # the second ruins the features
        made = _made(source, data, FIT.named("", learning_rate=rate))
        after, alone = (made.findings[name]["val_loss"] for name in ("contrastive", "probe"))
        kept.add(made.findings["kept"])
        assert made.findings["kept"] == ("contrastive" if after < alone else "probe")
        if made.findings["kept"] == "probe":
            assert weights_digest(made.network) == weights_digest(probe.network)
            assert is_backbone_frozen(made.receipt)
            assert made.findings["head"] == probe.findings["head"]
    assert "probe" in kept


def test_it_takes_no_more_updates_than_the_budget_has_and_another_seed_another_order(numbers: Any) -> None:
    source, data = _source(numbers), replace(numbers(90, seed=1), validation=None)
    one, other = (_made(source, data, FIT.named("", seed=seed), contrastive_updates=500) for seed in (3, 4))
    assert one.findings["contrastive"]["updates"] == 96
    assert weights_digest(one.network) != weights_digest(other.network)


@pytest.mark.parametrize("regulariser", ["l2_sp", "bss"])
def test_a_regulariser_beside_pairs_is_refused(regulariser: Any, numbers: Any) -> None:
    with pytest.raises(ValueError, match="Expected no regulariser with contrastive"):
        _made(_source(numbers), numbers(90, seed=1), regulariser=regulariser)


def test_batches_without_pairs_are_refused(numbers: Any) -> None:
    with pytest.raises(ValueError, match=r"at least 2 rows for contrastive.* Received: 1\. Raise"):
        _made(_source(numbers), numbers(90, seed=1), FIT.named("", batch_size=1))


@pytest.mark.parametrize("stop_at", [4, 28])
def test_stopped_at_any_place_it_ends_bit_for_bit(stop_at: int, numbers: Any, tmp_path: Any) -> None:
    source, data, durable = _source(numbers), numbers(90, seed=1), Durable(tmp_path)
    wanted = _made(source, data)
    with pytest.raises(Stopped):
        _made(source, data, shared_fit(FIT.training, durable.hooks(stop_at=stop_at)))
    resumed = _made(source, data, shared_fit(FIT.training, durable.hooks()))
    assert weights_digest(resumed.network) == weights_digest(wanted.network)
    assert resumed.history == wanted.history
    assert resumed.findings == wanted.findings
