"""An untrained source differs from the real one by what that has learnt, and by nothing else."""

from __future__ import annotations

import importlib
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from app.jobs.recipes import CombinedTransfer, ParameterTransfer
from tests.workers.transfer import examples
from tests.workers.transfer.traces import shared_fit
from workers.transfer.data import Data
from workers.transfer.methods.combined import combined
from workers.transfer.methods.parts.branches import adapter
from workers.transfer.methods.parts.receipt import Transferred
from workers.transfer.methods.parts.untrained import is_a_preset_with_weights, untrained
from workers.transfer.methods.scratch import scratch
from workers.transfer.networks.network import Network, build, function_of, join, weights_digest
from workers.transfer.training.features import predict
from workers.transfer.training.options import Training

FIT = shared_fit(Training(epochs=2, batch_size=16, learning_rate=0.01, seed=3))
RECIPES = [
    ParameterTransfer(strategy="full", frozen_layers=1, regulariser="l2_sp"),
    ParameterTransfer(strategy="full", wise_ft=True),
    ParameterTransfer(strategy="linear_probe"),
    ParameterTransfer(strategy="lp_ft"),
    ParameterTransfer(strategy="gradual"),
    ParameterTransfer(strategy="lora"),
    ParameterTransfer(strategy="full", regulariser="co_tuning"),
    CombinedTransfer(strategy="partial_copy"),
    CombinedTransfer(strategy="adapter"),
    CombinedTransfer(strategy="side_tuning"),
    CombinedTransfer(strategy="progressive"),
]


def by_the_method(recipe: Any, source: Network, data: Data) -> tuple[Transferred, int]:
    """What the method comes to, and the updates that it took."""
    method = getattr(importlib.import_module(f"workers.transfer.methods.{recipe.kind}"), recipe.kind)
    fit = FIT.named("")
    fit.cost = type(fit.cost)()
    made = method(source, source.options, data, fit, **recipe.model_dump(exclude={"kind"}))
    return made, fit.cost.updates


def trained(made: Transferred) -> list[tuple[Any, ...]]:
    return [
        (layer["part"], layer["layer"], weight["name"], tuple(weight["shape"]), weight["training"])
        for layer in made.receipt["layers"]
        for weight in layer["weights"]
    ]


@pytest.mark.parametrize("recipe", RECIPES, ids=lambda recipe: f"{recipe.strategy} {recipe.kind}")
def test_the_same_layers_are_trained_for_as_many_updates(recipe, options, numbers):
    source = scratch(options, numbers(seed=1), FIT.named("")).network
    data = numbers(120, seed=2)
    real, of_real = by_the_method(recipe, source, data)
    blank, of_blank = by_the_method(recipe, untrained(source, data, 3), data)
    assert trained(real) == trained(blank)
    assert of_real == of_blank
    assert function_of(real.network.model) == function_of(blank.network.model)
    assert set(real.findings) == set(blank.findings)


@pytest.mark.parametrize("source_classes", [("a", "b", "c"), ("u", "v", "w", "x")])
def test_as_much_is_found_by_class_as_in_the_real_source(source_classes, options, numbers):
    source = scratch(options, numbers(task="multiclass", classes=source_classes), FIT.named("")).network
    data = numbers(task="multiclass", seed=1)
    recipe = ParameterTransfer(strategy="full")
    origins = [
        [
            layer["origin"]
            for layer in by_the_method(recipe, one, data)[0].receipt["layers"]
            if layer["part"] == "head"
        ]
        for one in (source, untrained(source, data, 3))
    ]
    assert origins[0] == origins[1]


@pytest.mark.parametrize(("of_source", "task"), [("regression", "binary"), ("binary", "regression")])
def test_a_source_of_another_task_is_untrained_as_well(of_source, task, options, numbers):
    source = scratch(options, numbers(task=of_source), FIT.named("")).network
    data = numbers(task=task, seed=1)
    blank = untrained(source, data, 3)
    assert blank.signature.task == of_source
    assert np.isfinite(
        predict(by_the_method(ParameterTransfer(), blank, data)[0].network, data.test.inputs)
    ).all()


def test_columns_of_the_target_alone_are_read(options, numbers, mixed):
    source = scratch(options, numbers(), FIT.named("")).network
    blank = untrained(source, mixed, 3)
    assert blank.signature.columns == mixed.signature.columns
    assert predict(blank, mixed.test.inputs).shape == (len(mixed.test), 1)


def test_nothing_of_what_the_source_learnt_is_left_and_all_follows_from_the_seed(options, numbers):
    data, more = numbers(seed=1), numbers(seed=2)
    sources = [scratch(options, one, FIT.named("")).network for one in (data, more)]
    blanks = [weights_digest(untrained(source, numbers(seed=5), 3)) for source in sources]
    assert blanks[0] == blanks[1]
    assert blanks[0] != weights_digest(untrained(sources[0], numbers(seed=5), 4))
    # Of an mlp it is what a network from scratch begins with.
    assert blanks[0] == weights_digest(build(options, numbers(seed=5), 3))


@pytest.mark.parametrize("strategy", ["adapter", "side_tuning", "progressive", "partial_copy"])
def test_what_an_earlier_job_joined_is_drawn_anew_as_a_whole(strategy, options, numbers):
    first = build(options, numbers(seed=1), 7)
    joined = combined(first, options, numbers(seed=2), FIT.named(""), strategy=strategy).network
    data = numbers(seed=4)
    blank = untrained(joined, data, 3)
    assert function_of(blank.backbone) == function_of(joined.backbone)
    kernels = [
        (own.numpy(), other.numpy())
        for own, other in zip(blank.backbone.weights, joined.backbone.weights, strict=True)
        if own.name == "kernel" and "up" not in own.path and "alpha" not in own.path
    ]
    assert kernels
    for own, other in kernels:
        assert not np.isclose(own, other).all()
        assert own.std() > 0
    assert np.isfinite(predict(blank, data.test.inputs)).all()


@pytest.mark.parametrize(
    ("kind", "place"),
    [pytest.param("text", 2, marks=pytest.mark.slow), ("sequence", 0), ("image", 0)],
)
def test_other_kinds_of_data_have_untrained_sources(kind, place):
    source = scratch(examples.NETWORKS[kind][place], examples.make(kind, seed=1), FIT.named("")).network
    data = examples.make(kind, seed=2)
    blank = untrained(source, data, 3)
    assert [layer.name for layer in blank.backbone.layers] == [layer.name for layer in source.backbone.layers]
    real, of_real = by_the_method(ParameterTransfer(strategy="full"), source, data)
    made, of_blank = by_the_method(ParameterTransfer(strategy="full"), blank, data)
    assert of_real == of_blank
    assert [one[:3] + one[4:] for one in trained(real)] == [one[:3] + one[4:] for one in trained(made)]


def test_a_preset_keeps_its_weights_unless_an_earlier_job_joined_it_with_other_layers():
    options = {
        "kind": "pretrained",
        "preset": "minilm_l6_v2",
        "weights": "pretrained",
        "length": 8,
        "folder": None,
    }
    source = build(options, examples.make("text", rows=40), 0)
    assert is_a_preset_with_weights(source)
    assert not is_a_preset_with_weights(replace(source, options={**options, "weights": "random"}))
    joined = adapter(source.backbone, options, 3, 4).backbone
    parts = source.preprocessing, joined, source.head
    assert not is_a_preset_with_weights(join(*parts, source.signature, options))
