"""Heads in closed form, as methods use them: a probe and what follows it, random features, pseudo-labels."""

from __future__ import annotations

import functools
import json
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from tests.workers.transfer.examples import NETWORKS, make
from tests.workers.transfer.traces import shared_fit
from tests.workers.transfer.training.durable import Durable
from workers.transfer.data import Data, Rows, Unlabelled
from workers.transfer.methods.parameter import parameter
from workers.transfer.methods.parts.held_out import held_out
from workers.transfer.methods.parts.probes import weights_of
from workers.transfer.methods.parts.pseudo_labels import pseudo_labelled, self_trained
from workers.transfer.methods.parts.receipt import Transferred, is_backbone_frozen
from workers.transfer.methods.scratch import random_frozen, scratch
from workers.transfer.networks.network import Network, build, weights_digest
from workers.transfer.training.closed_form import fit_head
from workers.transfer.training.fitting import Fit
from workers.transfer.training.options import Budget, Stopped, Training

BUDGET = Budget(min_updates=64, max_updates=64, few_validation_rows=0, least_validation_rows=1)
FIT = shared_fit(Training(epochs=None, batch_size=16, learning_rate=0.01, seed=3, budget=BUDGET))
BY_EPOCHS = shared_fit(Training(epochs=3, batch_size=16, learning_rate=0.01, seed=3))
MLP = {"kind": "mlp", "hidden_units": [8, 8], "activation": "relu", "dropout": 0.2, "preprocessing": True}
MLP |= {"max_categories": 256}


@functools.cache
def _source(numbers: Any, task: str = "binary") -> Network:
    return scratch(MLP, numbers(150, task=task), BY_EPOCHS.named("source")).network


def _probe(network: Network, data: Data, fit: Fit = FIT, **options: Any) -> Transferred:
    options = {"strategy": "linear_probe", **options}
    return parameter(network, network.options, data, fit.named("probe"), **options)


def _tuned(network: Network, data: Data, fit: Fit = FIT, **options: Any) -> Transferred:
    return parameter(network, network.options, data, fit.named("tuned"), strategy="lp_ft", **options)


def _head(made: Transferred) -> list[dict[str, Any]]:
    return [layer for layer in made.receipt["layers"] if layer["part"] == "head" and layer["weights"]]


def _loss(made: Transferred, data: Data) -> float:
    assert data.validation is not None
    return held_out(made.network, data.validation).score.loss


def _shuffled(rows: Rows, seed: int) -> Rows:
    """The same rows with labels that say nothing."""
    return replace(rows, targets=np.random.default_rng(seed).permutation(rows.targets))


@pytest.mark.parametrize("task", ["binary", "multiclass", "multilabel", "regression"])
@pytest.mark.parametrize("kind", ["text", "image", "sequence"])
def test_every_kind_and_task_has_probes_that_move_the_head_alone(kind: str, task: Any) -> None:
    data = make(kind, task, seed=1)
    source = build(NETWORKS[kind][0], make(kind, task), 3)
    for made in (_probe(source, data), random_frozen(NETWORKS[kind][0], data, FIT.named("random"))):
        assert is_backbone_frozen(made.receipt)
        assert [epoch["updates"] for epoch in made.history.epochs] == [0]
        assert made.findings["head"]["rows"] == len(data.train)
        told = [made.receipt, made.findings, made.history.epochs]
        assert json.loads(json.dumps(told, allow_nan=False)) == told
        for layer in made.receipt["layers"]:
            moved = layer["part"] == "head" and layer["training"] == "trained"
            assert all((weight["distance"] > 0) == moved for weight in layer["weights"])


def test_a_probe_is_the_head_in_closed_form_on_the_sources_own_backbone(numbers: Any) -> None:
    source, data = _source(numbers), numbers(90, seed=1)
    made = _probe(source, data)
    assert made.network.backbone is source.backbone
    again = _probe(source, data)
    again.network.head.set_weights([weight + 1 for weight in again.network.head.get_weights()])
    fit_head(again.network, data, FIT.named("head"))
    assert weights_digest(again.network) == weights_digest(made.network)


def test_no_seed_enters_a_probe_and_one_enters_all_else(numbers: Any) -> None:
    source, data = _source(numbers), numbers(90, seed=1)
    one, other = (_probe(source, data, FIT.named("", seed=seed)) for seed in (3, 4))
    assert weights_digest(one.network) == weights_digest(other.network)
    assert (one.receipt, one.findings, one.history) == (other.receipt, other.findings, other.history)
    assert one.is_deterministic
    assert not _tuned(source, data).is_deterministic
    assert not random_frozen(MLP, data, FIT.named("random")).is_deterministic
    assert not _probe(source, data, BY_EPOCHS).is_deterministic


def test_the_receipt_says_that_nothing_of_the_sources_head_is_kept(numbers: Any) -> None:
    source = _source(numbers)
    same, other = numbers(90, seed=1), numbers(90, task="multiclass", seed=1)
    for transfer in (_probe, _tuned):
        assert [layer["origin"] for layer in _head(transfer(source, same))] == ["reinitialised"]
        assert "closed form" in _head(transfer(source, same))[0]["why"]
    assert [layer["origin"] for layer in _head(_probe(source, other))] == ["new"]
    by_steps = _probe(source, same, BY_EPOCHS)
    assert [layer["origin"] for layer in _head(by_steps)] == ["copied"]


def test_what_the_sources_head_was_changes_nothing(numbers: Any) -> None:
    source, data = _source(numbers), numbers(90, seed=1)
    before, ends = source.head.get_weights(), []
    for sign in (1, -1):
        source.head.set_weights([sign * weight for weight in before])
        ends.append(weights_digest(_tuned(source, data).network))
    source.head.set_weights(before)
    assert ends[0] == ends[1]


def test_fine_tuning_begins_at_the_probe_and_counts_on(numbers: Any) -> None:
    source, data = _source(numbers), numbers(90, seed=1)
    probe, made = _probe(source, data), _tuned(source, data)
    assert made.history.epochs[0] == probe.history.epochs[0]
    assert [epoch["updates"] for epoch in made.history.epochs] == [0, 32, 64]
    assert made.findings["head"] == probe.findings["head"]
    assert made.findings["fine_tuning"]["learning_rate"] == pytest.approx(0.001)
    assert "probe_share is not used" in made.findings["probe"]["why"]


@pytest.mark.parametrize("task", ["binary", "multiclass", "regression"])
def test_the_better_of_probe_and_fine_tuning_by_validation_is_kept(task: Any, numbers: Any) -> None:
    source, data = _source(numbers, task), numbers(120, task=task, seed=1)
    kept = set()
    for rate in (0.01, 100.0):  # the second ruins the network
        probe = _probe(source, data)
        made = _tuned(source, data, FIT.named("", learning_rate=rate))
        losses = made.findings["fine_tuning"]["val_loss"], made.findings["probe"]["val_loss"]
        kept.add(made.findings["kept"])
        assert made.findings["kept"] == ("fine_tuning" if losses[0] < losses[1] else "probe")
        assert _loss(made, data) == pytest.approx(min(losses), rel=1e-5)
        if made.findings["kept"] == "probe":
            for a, b in zip(weights_of(made.network), weights_of(probe.network), strict=True):
                assert np.array_equal(a, b)
        assert is_backbone_frozen(made.receipt) == (made.findings["kept"] == "probe")
        assert made.findings.get("rates", {}) == (
            {"backbone": 0.0} if made.findings["kept"] == "probe" else {}
        )
    assert "probe" in kept


def test_a_budget_that_chooses_by_accuracy_keeps_what_decides_more_rows_rightly(numbers: Any) -> None:
    source, data = _source(numbers, "multiclass"), numbers(120, task="multiclass", seed=1)
    by_accuracy = FIT.named("", budget=replace(BUDGET, chosen_by="accuracy"))
    for rate in (0.01, 1.0, 100.0):
        made = _tuned(source, data, by_accuracy.named("", learning_rate=rate))
        tuned, alone = made.findings["fine_tuning"], made.findings["probe"]
        better = (tuned["val_accuracy"], -tuned["val_loss"]) > (alone["val_accuracy"], -alone["val_loss"])
        assert made.findings["kept"] == ("fine_tuning" if better else "probe")
        kept = held_out(made.network, data.validation).score.accuracy  # type: ignore[arg-type]
        assert kept == max(tuned["val_accuracy"], alone["val_accuracy"])


def test_without_validation_rows_what_was_tuned_is_kept(numbers: Any) -> None:
    source, data = _source(numbers), replace(numbers(90, seed=1), validation=None)
    budget = replace(BUDGET, epochs_without_validation=1)
    made = _tuned(source, data, FIT.named("", learning_rate=1.0, budget=budget))
    assert made.findings["kept"] == "fine_tuning"
    assert "val_loss" not in made.findings["fine_tuning"]
    assert not is_backbone_frozen(made.receipt)


def test_a_mix_of_none_of_the_fine_tuning_is_the_probe(numbers: Any) -> None:
    source, data = _source(numbers), numbers(90, seed=1)
    probe = _probe(source, data)
    for rate in (0.01, 100.0):
        made = _tuned(source, data, FIT.named("", learning_rate=rate), wise_ft=True)
        share, losses = made.findings["wise_ft"]["a"], made.findings["wise_ft"]["validation_loss"]
        assert losses["0.0"] == pytest.approx(_loss(probe, data), rel=1e-5)
        assert _loss(made, data) == pytest.approx(min(losses.values()), rel=1e-5)
        assert made.findings["kept"] == ("fine_tuning" if share > 0 else "probe")
        assert is_backbone_frozen(made.receipt) == (share == 0)


def test_the_first_layers_stay_frozen_in_fine_tuning(numbers: Any) -> None:
    source, data = _source(numbers), numbers(90, seed=1)
    made = _tuned(source, replace(data, validation=None), frozen_layers=1)
    moved = [
        not np.array_equal(a, b)
        for a, b in zip(made.network.backbone.get_weights(), source.backbone.get_weights(), strict=True)
    ]
    assert moved == [False, False, True, True]


@pytest.mark.parametrize("stop_at", [4, 8, 26, 27])
def test_stopped_in_the_probe_or_after_it_fine_tuning_ends_bit_for_bit(
    stop_at: int, numbers: Any, tmp_path: Any
) -> None:
    source, data, durable = _source(numbers), numbers(90, seed=1), Durable(tmp_path)
    wanted = _tuned(source, data)
    with pytest.raises(Stopped):
        _tuned(source, data, shared_fit(FIT.training, durable.hooks(stop_at=stop_at)))
    of_head = 26 - 5 * len(durable.values) - len(durable.files)
    resumed = _tuned(source, data, shared_fit(FIT.training, durable.hooks()))
    assert durable.asked == (of_head if stop_at < 27 else 0) + 2  # and one before each round
    assert weights_digest(resumed.network) == weights_digest(wanted.network)
    assert resumed.history == wanted.history


def _partly(data: Data, labelled: int) -> Data:
    few, rest = data.train.take(slice(0, labelled)), data.train.take(slice(labelled, None))  # type: ignore[arg-type]
    return replace(data, train=few, unlabelled=Unlabelled(rest.inputs, rest.numbers))


def test_pseudo_labels_behind_a_frozen_backbone_fit_the_head_again_to_all_rows(numbers: Any) -> None:
    data = _partly(numbers(200, seed=1), 40)
    fit = FIT.named("probe")
    made = parameter(_source(numbers), MLP, data, fit, strategy="linear_probe")
    joined = pseudo_labelled(made.network, data, 0.7)[0]
    before = made.history.epochs
    after = self_trained(made, data, fit, 0.7)
    assert len(joined.train) > 40
    assert [epoch["epoch"] for epoch in (*before, *after.history.epochs[1:])] == [1, 2]
    assert after.findings["pseudo_labels"]["head"]["rows"] == len(joined.train)
    assert after.is_deterministic
    wanted = _probe(_source(numbers), joined)
    assert weights_digest(after.network) == weights_digest(wanted.network)


def test_pseudo_labels_behind_a_trained_backbone_train_on_by_steps(numbers: Any) -> None:
    data = _partly(numbers(200, seed=1), 40)
    fit = FIT.named("scratch")
    after = self_trained(scratch(MLP, data, fit), data, fit, 0.7)
    assert "head" not in after.findings["pseudo_labels"]
    assert after.history.epochs[-1]["updates"] == 128
    assert not after.is_deterministic
